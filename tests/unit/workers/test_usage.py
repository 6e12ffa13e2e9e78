"""How models are used: what is counted, what is forgotten, when a model is too deadly."""

from __future__ import annotations

from mme.workers.usage import ANSWER_WEIGHT, DEADLY, UsageBook, candidate
from tests.support.dispatched import admitted


def test_a_model_begins_with_what_its_admission_found():
    usage = UsageBook().of(admitted("m", load_s=0.5, own_bytes=7))
    assert (usage.load_s, usage.own_bytes, usage.answers, usage.in_flight) == (0.5, 7, 0, 0)


def test_a_model_has_one_usage():
    book = UsageBook()
    usage = book.of(admitted("m"))
    assert book.of(admitted("m")) is usage
    assert book.get(usage.artifact.name) is usage
    assert book.get("unknown") is None


def test_uses_are_counted_and_old_ones_count_less():
    book = UsageBook()
    usage = book.of(admitted("m"))
    book.used(usage, 100.0)
    book.used(usage, 100.0)
    assert (usage.answers, usage.uses, usage.used_at_s) == (2, 2.0, 100.0)
    book.used(usage, 1_000_000.0)
    assert 1.0 <= usage.uses < 1.1


def test_the_model_used_longest_ago_is_forgotten_but_none_with_requests():
    book = UsageBook(most=2)
    busy, idle = book.of(admitted("busy")), book.of(admitted("idle"))
    busy.in_flight = 1
    book.used(idle, 1.0)
    third = book.of(admitted("third"))
    assert book.get(busy.artifact.name) is busy
    assert book.get(idle.artifact.name) is None
    assert book.get(third.artifact.name) is third


def test_use_keeps_a_model_from_being_forgotten():
    book = UsageBook(most=2)
    first, second = book.of(admitted("first")), book.of(admitted("second"))
    book.used(second, 1.0)
    book.used(first, 2.0)
    book.of(admitted("third"))
    assert book.get(first.artifact.name) is first
    assert book.get(second.artifact.name) is None


def test_so_many_deaths_in_a_row_are_too_many():
    book = UsageBook()
    usage = book.of(admitted("m"))
    assert [book.died(usage) for _ in range(int(DEADLY))] == [False] * (int(DEADLY) - 1) + [True]


def test_answers_make_up_for_deaths_slowly():
    book = UsageBook()
    usage = book.of(admitted("m"))
    book.died(usage)
    book.used(usage, 1.0)
    assert 0 < usage.deaths < 1
    for _ in range(int(1 / ANSWER_WEIGHT)):
        book.used(usage, 1.0)
    assert usage.deaths == 0
    assert not any(book.died(usage) for _ in range(int(DEADLY) - 1))


def test_a_policy_sees_what_matters_of_it():
    book = UsageBook()
    usage = book.of(admitted("m", load_s=0.5))
    book.used(usage, 9.0)
    seen = candidate(usage, own_bytes=3, tasks=8)
    assert (seen.name, seen.own_bytes, seen.tasks) == (usage.artifact.name, 3, 8)
    assert (seen.load_s, seen.last_used_s, seen.uses) == (0.5, 9.0, 1.0)
