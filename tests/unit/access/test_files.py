"""Files of callers: their form, who may read them, what becomes of a change."""

from __future__ import annotations

import logging
import os
from hashlib import sha256

import pytest

from mme.access.caller import ALL_SCOPES, Caller, Scope
from mme.access.keys import parse_keys
from mme.access.refusals import Denied, Expired, UnknownCaller
from mme.access.secret_file import MOST_BYTES, FileRefused, Watched, read_text
from mme.access.tokens import Tokens, parse_tokens
from tests.unit.access.conftest import KEY, SECRET, TOKEN

DIGEST = "sha256:" + sha256(TOKEN.encode()).hexdigest()


class Clock:
    """A clock that is moved by hand."""

    def __init__(self):
        self.now_s = 0.0

    def __call__(self):
        return self.now_s


def tokens_of(path, clock=None):
    return Tokens(Watched(path, parse_tokens, **({"clock": clock} if clock else {})))


@pytest.mark.parametrize("secret", [TOKEN, DIGEST, DIGEST.upper().replace("SHA", "sha")])
def test_a_token_is_known_by_itself_or_by_its_digest(secret_file, secret):
    line = f"# who\n\n  ci invoke,read {secret} targets=de/*,en/* endpoints=e expires=2999-01-01\n"
    caller = tokens_of(secret_file(line)).caller_of(TOKEN)
    assert (caller.name, caller.scopes) == ("ci", {Scope.INVOKE, Scope.READ})
    assert (caller.targets, caller.endpoints) == (("de/*", "en/*"), ("e",))


@pytest.mark.hostile("HTTP")
@pytest.mark.parametrize("token", ["", TOKEN[:-1], TOKEN + " ", DIGEST, "\udcff", "x" * 100_000])
def test_another_token_is_not_known_and_not_repeated(secret_file, token):
    with pytest.raises(UnknownCaller) as refusal:
        tokens_of(secret_file(f"ci * {DIGEST}")).caller_of(token)
    assert not token or token not in refusal.value.message


def test_a_token_whose_time_is_over_is_refused(secret_file):
    with pytest.raises(Expired, match="'ci' have expired"):
        tokens_of(secret_file(f"ci * {DIGEST} expires=2020-01-31T12:00:00Z")).caller_of(TOKEN)


BROKEN = {
    "nothing": "",
    "comments only": "# x",
    "two words": "ci invoke",
    "no name": f"c/i invoke {TOKEN}",
    "a long name": f"{'c' * 129} invoke {TOKEN}",
    "no scope": f"ci all {TOKEN}",
    "an empty scope": f"ci invoke, {TOKEN}",
    "a short token": "ci invoke short",
    "a token of other letters": "ci invoke schlüssel-schlüssel",
    "a short digest": f"ci invoke {DIGEST[:-1]}",
    "an unknown option": f"ci invoke {TOKEN} target=de/*",
    "no option": f"ci invoke {TOKEN} {SECRET}",
    "an option twice": f"ci invoke {TOKEN} targets=a targets=b",
    "an empty pattern": f"ci invoke {TOKEN} targets=a,,b",
    "an empty option": f"ci invoke {TOKEN} targets=",
    "no date": f"ci invoke {TOKEN} expires=tomorrow",
    "a name twice": f"ci invoke {TOKEN}\nci invoke {SECRET}",
    "a token twice": f"ci invoke {TOKEN}\ncd invoke {DIGEST}",
    "no text": b"ci invoke \xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
    "too large": "#" * (MOST_BYTES + 1),
    "too many lines": "\n" * 20_000,
}


@pytest.mark.parametrize("text", list(BROKEN.values()), ids=list(BROKEN))
def test_what_is_not_of_the_form_is_refused_without_its_secrets(secret_file, text):
    with pytest.raises(FileRefused) as refusal:
        tokens_of(secret_file(text))
    assert TOKEN not in str(refusal.value)
    assert SECRET not in str(refusal.value)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644])
def test_tokens_as_they_are_must_be_their_owners_alone(secret_file, mode):
    with pytest.raises(FileRefused, match=r"others may read it.*chmod"):
        tokens_of(secret_file(f"ci * {TOKEN}", mode))


def test_digests_may_be_read_by_others(secret_file):
    assert tokens_of(secret_file(f"ci * {DIGEST}", 0o644)).caller_of(TOKEN).scopes == ALL_SCOPES


@pytest.mark.parametrize("mode", [0o640, 0o644])
def test_keys_must_be_their_owners_alone(secret_file, mode):
    with pytest.raises(FileRefused, match="others may read it"):
        Watched(secret_file(f"{KEY} * {SECRET}", mode), parse_keys)


def test_the_group_may_read_what_root_has_lent(secret_file, monkeypatch):
    path = secret_file(f"{KEY} * {SECRET}", 0o640)
    if path.stat().st_uid != 0:
        pytest.skip("only root can make a file of root's")
    monkeypatch.setattr(os, "geteuid", lambda: 65533)
    assert KEY in Watched(path, parse_keys).content
    with pytest.raises(FileRefused, match="0640"):
        Watched(secret_file(f"{KEY} * {SECRET}", 0o644), parse_keys)


def test_a_key_does_not_show_its_secret(secret_file):
    keys = Watched(secret_file(f"{KEY} * {SECRET} session={TOKEN}"), parse_keys).content
    assert SECRET not in repr(keys)
    assert TOKEN not in repr(keys)


@pytest.mark.parametrize("text", [f"{KEY} * short", f"{KEY} * {SECRET} sesion=x"])
def test_a_key_of_another_form_is_refused(secret_file, text):
    with pytest.raises(FileRefused):
        Watched(secret_file(text), parse_keys)


@pytest.mark.hostile("surroundings")
def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, tmp_path, tmp_path / "missing"):
        with pytest.raises(FileRefused):
            read_text(path)


def test_a_change_is_seen_within_a_second(secret_file):
    clock = Clock()
    tokens = tokens_of(secret_file(f"ci invoke {DIGEST}"), clock)
    secret_file(f"cd read {DIGEST}")
    assert tokens.caller_of(TOKEN).name == "ci"
    clock.now_s = 1.0
    assert tokens.caller_of(TOKEN).name == "cd"


@pytest.mark.parametrize("change", ["broken", "exposed", "gone"])
def test_a_change_that_cannot_be_used_is_told_once_and_the_old_goes_on(secret_file, caplog, change):
    caplog.set_level(logging.INFO, "mme.access")
    clock = Clock()
    path = secret_file(f"ci invoke {TOKEN}")
    tokens = tokens_of(path, clock)
    match change:
        case "broken":
            secret_file("ci")
        case "exposed":
            path.chmod(0o644)
        case _:
            path.unlink()
    for second in (1.0, 2.0, 3.0):
        clock.now_s = second
        assert tokens.caller_of(TOKEN).name == "ci"
    (line,) = caplog.records
    assert line.levelname == "ERROR"
    assert "is not used" in line.getMessage()
    assert TOKEN not in line.getMessage()
    secret_file(f"cd invoke {TOKEN}")
    clock.now_s = 4.0
    assert tokens.caller_of(TOKEN).name == "cd"


def test_a_caller_has_its_scopes_only():
    caller = Caller("ci", frozenset({Scope.INVOKE}))
    caller.check(Scope.INVOKE, None, None)
    with pytest.raises(Denied, match="'ci' may not manage: its scopes are invoke"):
        caller.check(Scope.MANAGE, None, None)


@pytest.mark.parametrize(
    ("endpoint", "target", "may"),
    [
        ("prod-1", "de/a.tar.gz", True),
        ("prod-1", "de/x/a.tar.gz", True),
        ("prod-1", "en/a.tar.gz", False),
        ("prod-1", "DE/a.tar.gz", False),
        ("prod-1", None, False),
        ("test", "de/a.tar.gz", False),
        (None, "de/a.tar.gz", False),
        ("", "", False),
    ],
)
def test_one_that_is_restricted_must_name_what_it_is_for(endpoint, target, may):
    caller = Caller("ci", ALL_SCOPES, ("de/*",), ("prod-*",))
    if may:
        caller.check(Scope.INVOKE, endpoint, target)
    else:
        with pytest.raises(Denied, match="it is for"):
            caller.check(Scope.INVOKE, endpoint, target)
