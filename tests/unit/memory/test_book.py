"""The book between two readings: promises, what is leaving, what is known, what is pinned."""

from __future__ import annotations

import pytest

from mme.memory import Amount, Candidate, MemoryBook, Reading, Watermarks
from mme.memory.book import MOST_KNOWN
from mme.memory.prediction import WORKER_BYTES, WORKER_TASKS

MIB = 1024 * 1024


class Machine:
    """A machine whose use a test sets."""

    def __init__(self):
        self.used_bytes = 0
        self.used_tasks = 0
        self.now_s = 100.0
        self.processes = {}

    def book(self, **options):
        return MemoryBook(
            Watermarks(high=0.8, low=0.7, settle_s=2.0),
            lambda: Reading(1000 * MIB, self.used_bytes),
            lambda: Reading(256, self.used_tasks),
            clock=lambda: self.now_s,
            process_bytes=lambda pid, _: self.processes.get(pid, 0),
            **options,
        )


@pytest.fixture
def machine():
    return Machine()


def candidate(name, own_mib, *, tasks=8, used=0.0, uses=1.0):
    return Candidate(name, own_mib * MIB, tasks, load_s=1.0, last_used_s=used, uses=uses)


def names(candidates):
    return [each.name for each in candidates]


def test_a_promise_counts_until_it_is_kept(machine):
    machine.used_bytes, machine.used_tasks = 100 * MIB, 50
    book = machine.book()
    assert not book.has_promises
    book.promise("a", Amount(30 * MIB, 8))
    book.promise("b", Amount(20 * MIB, 8))
    assert (book.reading().used, book.tasks().used) == (150 * MIB, 66)
    assert book.has_promises
    book.kept("a")
    book.kept("a")
    assert (book.reading().used, book.tasks().used) == (120 * MIB, 58)


def test_what_is_leaving_is_free_already_until_it_has_left(machine):
    machine.used_bytes, machine.used_tasks = 100 * MIB, 50
    book = machine.book()
    book.leaves("a", Amount(30 * MIB, 8))
    assert (book.reading().used, book.tasks().used) == (70 * MIB, 42)
    book.left("a")
    assert (book.reading().used, book.tasks().used) == (100 * MIB, 50)
    book.leaves("a", Amount(300 * MIB, 80))
    assert (book.reading().used, book.tasks().used) == (0, 0)


def test_a_load_is_predicted_from_the_size_on_disk_and_then_from_the_last_time(machine):
    book = machine.book()
    assert book.needed("a", 10 * MIB) == Amount(WORKER_BYTES + 10 * MIB, WORKER_TASKS)
    book.learn("a", 7 * MIB)
    assert book.needed("a", 10 * MIB) == Amount(7 * MIB, WORKER_TASKS)
    book.learn("a", 0)
    assert book.needed("a", 10 * MIB) == Amount(7 * MIB, WORKER_TASKS)


def test_what_was_learnt_first_is_forgotten_first(machine):
    book = machine.book()
    for number in range(MOST_KNOWN + 1):
        book.learn(str(number), 1)
        book.learn("0", 1) if number == MOST_KNOWN - 1 else None
    assert book.needed("1", MIB).bytes == WORKER_BYTES + MIB
    assert book.needed("0", MIB).bytes == book.needed("2", MIB).bytes == 1


def test_a_worker_costs_what_is_beside_it_too_and_an_ended_one_nothing(machine):
    machine.processes[7] = 5 * MIB
    book = machine.book()
    assert 5 * MIB < book.worker_bytes(7, 0) < 6 * MIB
    assert book.worker_bytes(8, 0) == 0


def test_a_promise_is_seen_by_the_next_decision(machine):
    machine.used_bytes = 700 * MIB
    book = machine.book()
    assert book.has_spare(Amount(100 * MIB))
    book.promise("a", Amount(50 * MIB))
    assert not book.has_spare(Amount(100 * MIB))
    decision = book.decide(Amount(100 * MIB), [candidate("x", 60)])
    assert (decision.fits, names(decision.leave)) == (True, ["x"])


def test_candidates_are_not_looked_at_while_there_is_room(machine):
    def none_asked():
        pytest.fail("it was asked for candidates")
        yield

    book = machine.book()
    assert book.decide(Amount(MIB, 8), none_asked()).fits
    assert book.relieve(none_asked()) == ()


def test_the_policy_says_which_model_leaves_first(machine):
    machine.used_bytes = 801 * MIB
    rare = candidate("rare", 200, used=50, uses=0.1)
    old = candidate("old", 200, used=10, uses=50)
    assert names(machine.book(policy="worth").relieve([old, rare])) == ["rare"]
    assert names(machine.book(policy="lru").relieve([old, rare])) == ["old"]


def test_short_of_tasks_workers_leave_and_pool_models_stay(machine):
    machine.used_tasks = 245
    pool, own = candidate("pool", 1, tasks=0), [candidate(name, 500) for name in "abcd"]
    assert names(machine.book().relieve([pool, *own])) == ["a", "b", "c"]
    decision = machine.book().decide(Amount(MIB, 8), [pool, *own])
    assert (decision.fits, names(decision.leave)) == (True, ["a", "b"])


def test_pins_are_patterns_of_targets(machine):
    book = machine.book(pins=("de/*", "live.tar.gz"))
    assert book.is_pinned("de/a.tar.gz")
    assert book.is_pinned("live.tar.gz")
    assert not book.is_pinned("en/a.tar.gz")


def test_what_is_larger_than_all_there_is_never_fits_whatever_is_used_now(machine):
    machine.used_bytes, machine.used_tasks = 790 * MIB, 200
    book = machine.book()
    book.promise("a", Amount(100 * MIB, 8))
    assert book.fits_alone(Amount(800 * MIB, 8))
    assert not book.fits_alone(Amount(801 * MIB, 8))
    assert book.fits_alone(Amount(0, 240))
    assert not book.fits_alone(Amount(0, 241))
