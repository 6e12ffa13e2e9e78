"""Why a model is in its state, in words; and the history it is told from."""

from __future__ import annotations

from mme.core.events import Events
from mme.residency.history import History
from mme.residency.views import ModelView, State
from mme.residency.why import sentence


def after(*notes):
    """The history of `a` after these events."""
    events, history = Events(clock=lambda: 1.0), History()
    events.listen(history.heard)
    for kind, message, facts in notes:
        events.note(kind, "a", message, **facts)
    return history.of("a")


def test_an_evicted_model_tells_when_and_why():
    happened = after(("evicted", "x", {"why": "b needs about 5 MiB", "idle_s": 12.0}))
    said = sentence(ModelView("a", State.ON_DISK), happened)
    assert "evicted at 1970-01-01T00:00:01+00:00, unused for 12.0 s, because b needs" in said


def test_what_failed_last_is_told():
    happened = after(("load_failed", "cannot bring in a: it is no archive", {}))
    said = sentence(ModelView("a", State.IN_STORE), happened)
    assert "could not be brought in" in said
    assert "nobody has asked" not in said
    assert "Its last failure was at 1970" in said
    assert "it is no archive" in said


def test_what_failed_is_not_said_to_be_asked_for_by_nobody():
    happened = after(("load_failed", "cannot bring in a: it is no archive", {}))
    assert "Nobody has asked" not in sentence(ModelView("a", State.IN_STORE), happened)
    assert "Nobody has asked" in sentence(ModelView("a", State.IN_STORE), None)


def test_a_model_that_went_with_its_worker_is_not_said_to_be_asked_for_by_nobody():
    said = sentence(ModelView("a", State.ON_DISK), after(("loaded", "x", {})))
    assert "has not been asked for" not in said
    assert "those that had it have ended" in said


def test_what_a_small_model_takes_is_not_rounded_to_nothing():
    said = sentence(ModelView("a", State.READY, workers=1, own_bytes=32 << 10), None)
    assert "in 1 of the workers, 32 KiB" in said


def test_a_good_version_forgives_what_failed_before_it():
    happened = after(
        ("load_failed", "bad", {}), ("update_failed", "worse", {}), ("updated", "good", {})
    )
    assert happened is not None
    assert (happened.error, happened.failed_updates) == ("", 0)


def test_an_update_that_failed_is_not_forgiven_by_a_load_of_the_former_version():
    happened = after(("update_failed", "it is no archive", {}), ("loaded", "x", {}))
    said = sentence(ModelView("a", State.READY, workers=1, own_bytes=1 << 21), happened)
    assert "2.0 MiB" in said
    assert "it is no archive" in said
    assert "1 updates of it have failed" in said


def test_what_is_pinned_or_gone_from_the_store_says_so():
    said = sentence(ModelView("a", State.READY, pinned=True, gone_from_store=True), None)
    assert "It is pinned" in said
    assert "The store does not have it any more" in said


def test_of_many_targets_the_oldest_is_forgotten():
    history = History(most=2)
    for target in ("a", "b", "a", "c"):
        history.errored(target, "no", 1.0)
    assert history.of("a") is None
    assert history.failed() == 2
