"""Dispatch against a plain model of it, in any order of events.

The model keeps a list of waiting requests for each model, what each worker computes and what it
has. It says nothing of which worker is chosen where several will do; the rules that bind the choice
are checked at each request that is given.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from hypothesis.strategies import booleans, data, sampled_from

from mme.workers.batches import Batch
from mme.workers.dispatch import Dispatch
from mme.workers.times import NEWEST_SHARE, SLOW_S
from tests.support.dispatched import Clock, Item

PLAIN = ("p1", "p2")
HEAVY_WORKERS = 1
WORKERS = 3
FACTS: dict[str, dict[str, Any]] = {
    **{name: {} for name in PLAIN},
    "heavy": {"is_heavy": True},
    "piped": {"pipeline": "de"},
    "slow": {},
    "own": {"is_own": True},
    "many": {"batch": Batch(3, 10), "size_bytes": 4},
    "own-many": {"is_own": True, "batch": Batch(2, 100)},
}
OWN = ("own", "own-many")
PIPELINES: tuple[frozenset[str] | None, ...] = (None, frozenset(), frozenset({"de"}))


@dataclass
class Place:
    """A worker as the plain model has it."""

    own_model: str | None
    pipelines: frozenset[str] | None
    request: Item | None = None
    others: tuple[Item, ...] = ()
    next: Item | None = None
    is_recalled: bool = False
    is_held: bool = False
    is_leaving: bool = False
    models: set[str] = field(default_factory=set)

    @property
    def is_idle(self) -> bool:
        return self.request is None and not self.is_held and not self.is_leaving

    def may_take(self, request: Item) -> bool:
        if request.is_own:
            return self.own_model == request.model
        return self.own_model is None and (
            request.pipeline is None or self.pipelines is None or request.pipeline in self.pipelines
        )


class DispatchMachine(RuleBasedStateMachine):
    looks_ahead = False

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.dispatch: Dispatch[Item] = Dispatch(
            clock=self.clock, heavy_workers=HEAVY_WORKERS, looks_ahead=self.looks_ahead
        )
        self.places: dict[str, Place] = {}
        self.waiting: dict[str, list[Item]] = {name: [] for name in FACTS}
        self.passed: dict[str, Counter[str]] = {}
        """Model -> who was given a worker while it waited."""
        self.slow_average_s = 20 * SLOW_S
        self.serial = 0

    # ---- what dispatch decides is checked against the rules, then done

    def do(self, given: list) -> None:
        for each in given:
            place, request = self.places[each.worker], each.request
            assert place.may_take(request)
            queue = self.waiting[request.model]
            assert queue[0] is request, "neither lost nor given twice, and in its order"
            if place.request is None:
                assert place.is_idle
                self.check_affinity(place, request)
                self.check_limits(place, request)
                place.request, place.others = request, tuple(each.others)
                self.check_batch(place, request)
            else:
                assert not each.others
                self.check_ahead(place, request)
                place.next = request
            taken = [request, *each.others]
            assert all(one is expected for one, expected in zip(taken, queue, strict=False))
            del queue[: len(taken)]
            self.check_turns(request)

    def check_batch(self, place: Place, request: Item) -> None:
        """No more than the model takes; all that waits and may go along does, if it is there."""
        taken = [request, *place.others]
        waiting = self.waiting[request.model]
        batch = request.batch
        if batch is None or request.model not in place.models:
            assert len(taken) == 1
            return
        assert len(taken) <= batch.most
        assert sum(one.size_bytes for one in taken) <= batch.most_bytes
        larger = waiting[: len(taken) + 1]
        assert (
            len(larger) == len(taken)
            or len(larger) > batch.most
            or sum(one.size_bytes for one in larger) > batch.most_bytes
        )

    def check_ahead(self, place: Place, request: Item) -> None:
        assert self.looks_ahead
        assert place.next is None
        assert not place.is_held
        assert not place.is_leaving
        assert not place.others
        assert request.batch is None
        assert request.model in place.models or request.is_own
        if not request.is_heavy:
            others = self.places.values()
            assert not any(other.is_idle and other.may_take(request) for other in others)

    def check_affinity(self, place: Place, request: Item) -> None:
        if place.own_model is None and request.model not in place.models:
            assert not any(
                other.is_idle and other.may_take(request) and request.model in other.models
                for other in self.places.values()
            )

    def check_limits(self, place: Place, request: Item) -> None:
        if request.is_heavy and request.model not in place.models:
            assert len(self.busy_or_having(request.model)) < HEAVY_WORKERS
        if request.model == "slow" and self.is_slow:
            assert not self.slow_is_at_its_limit()

    def check_turns(self, request: Item) -> None:
        if request.is_own:
            return
        for model, passed in self.passed.items():
            if model != request.model:
                passed[request.model] += 1
        self.passed.pop(request.model, None)
        if self.waiting[request.model]:
            self.passed[request.model] = Counter()

    # ---- the plain model's view of the limits

    def busy_or_having(self, model: str) -> list[Place]:
        return [
            place
            for place in self.pool()
            if model in place.models or (place.request and place.request.model == model)
        ]

    def pool(self) -> list[Place]:
        return [place for place in self.places.values() if place.own_model is None]

    @property
    def is_slow(self) -> bool:
        """Whether the model of that name still is."""
        return self.slow_average_s > SLOW_S

    def slow_is_at_its_limit(self) -> bool:
        slow = sum(
            place.request is not None and place.request.model == "slow" for place in self.pool()
        )
        return slow + 1 >= max(len(self.pool()), 2)

    # ---- events

    @initialize()
    def begin(self) -> None:
        for _ in range(WORKERS):
            self.join(own=False, pipelines=None)
        self.submit("slow")
        self.clock.now_s += self.slow_average_s
        self.finish(next(iter(self.places)), has_model=True, dropped=[])

    @rule(model=sampled_from(sorted(FACTS)))
    def submit(self, model: str) -> None:
        request = Item(model, **FACTS[model])
        self.waiting[model].append(request)
        self.passed.setdefault(model, Counter())
        self.do(self.dispatch.submit(request))

    @precondition(lambda self: len(self.places) < 2 * WORKERS)
    @rule(own=booleans(), pipelines=sampled_from(PIPELINES))
    def join(self, own: bool, pipelines: frozenset[str] | None) -> None:
        self.serial += 1
        name = f"w{self.serial}"
        own_model = OWN[self.serial % 2] if own else None
        self.places[name] = Place(own_model, pipelines)
        self.do(self.dispatch.join(name, own_model, pipelines))

    @precondition(lambda self: any(place.request for place in self.places.values()))
    @rule(data=data(), has_model=booleans(), drops=booleans())
    def answer(self, data, has_model: bool, drops: bool) -> None:
        name = data.draw(sampled_from([n for n, p in self.places.items() if p.request]))
        place = self.places[name]
        assert place.request is not None
        if place.request.model == "slow":
            self.slow_average_s *= 1 - NEWEST_SHARE  # since no time has passed
        self.finish(name, has_model, sorted(place.models)[:1] if drops else [])

    def finish(self, name: str, has_model: bool, dropped: list[str]) -> None:
        place = self.places[name]
        assert place.request is not None
        model, place.request, place.next = place.request.model, place.next, None
        place.others = ()
        place.is_recalled = False
        place.models -= set(dropped)
        if has_model:
            place.models.add(model)
        self.do(self.dispatch.answered(name, has_model=has_model, dropped=dropped))

    @precondition(lambda self: any(place.request for place in self.places.values()))
    @rule(data=data(), had_read=booleans())
    def die(self, data, had_read: bool) -> None:
        """A worker ends; what it had not read comes back."""
        name = data.draw(sampled_from([n for n, p in self.places.items() if p.request]))
        request = self.places[name].request
        assert request is not None
        if not had_read:
            batch = [request, *self.places[name].others]
            for each in reversed(batch):
                self.comes_back(each)
            self.do(self.dispatch.submit_again(*batch))
        gone = self.places.pop(name)
        if gone.next is not None and not gone.is_recalled:
            self.comes_back(gone.next)
        self.do(self.dispatch.leave(name))

    def comes_back(self, request: Item) -> None:
        """Ahead of all others, whose turn begins anew."""
        self.waiting[request.model].insert(0, request)
        if not request.is_own:
            self.passed = {model: Counter() for model in self.passed}
        self.passed.setdefault(request.model, Counter())

    @precondition(lambda self: self.places)
    @rule(data=data())
    def recall(self, data) -> None:
        """A worker's next request shall be answered by another."""
        name = data.draw(sampled_from(sorted(self.places)))
        place = self.places[name]
        if place.next is not None and not place.is_recalled:
            place.is_recalled = True
            self.comes_back(place.next)
        self.do(self.dispatch.recall(name))

    @precondition(lambda self: self.leaving())
    @rule(data=data())
    def leave(self, data) -> None:
        name = data.draw(sampled_from(self.leaving()))
        del self.places[name]
        self.do(self.dispatch.leave(name))

    def leaving(self) -> list[str]:
        """Those that are free to go."""
        return [
            name
            for name, place in self.places.items()
            if place.is_leaving and not place.is_held and place.request is None
        ]

    @precondition(lambda self: len(self.at_work()) >= WORKERS)
    @rule(data=data())
    def retire(self, data) -> None:
        name = data.draw(sampled_from(self.at_work()))
        self.places[name].is_leaving = True
        self.dispatch.retire(name)

    @precondition(lambda self: len(self.at_work()) >= WORKERS)
    @rule(data=data())
    def hold(self, data) -> None:
        name = data.draw(sampled_from(self.at_work()))
        self.places[name].is_held = True
        self.dispatch.hold(name)

    def at_work(self) -> list[str]:
        """Those that are neither held nor leaving."""
        return [n for n, p in self.places.items() if not p.is_held and not p.is_leaving]

    @precondition(lambda self: any(place.is_held for place in self.places.values()))
    @rule(data=data())
    def free(self, data) -> None:
        name = data.draw(sampled_from([n for n, p in self.places.items() if p.is_held]))
        self.places[name].is_held = False
        self.do(self.dispatch.freed(name))

    @rule(model=sampled_from(sorted(FACTS)))
    def drop(self, model: str) -> None:
        if self.waiting[model]:  # models that are asked for are not dropped
            return
        for name in self.dispatch.having(model):
            self.places[name].models.discard(model)
            self.dispatch.dropped(name, model)

    @precondition(lambda self: sum(map(len, self.waiting.values())) > WORKERS)
    @rule(data=data())
    def withdraw(self, data) -> None:
        queue = data.draw(sampled_from([queue for queue in self.waiting.values() if queue]))
        request = data.draw(sampled_from(queue))
        queue.remove(request)
        if not queue:
            self.passed.pop(request.model, None)
        assert self.dispatch.withdraw(request)
        assert not self.dispatch.withdraw(request)

    @precondition(lambda self: sum(map(len, self.waiting.values())) > WORKERS)
    @rule(model=sampled_from(sorted(FACTS)))
    def take_all(self, model: str) -> None:
        assert self.dispatch.take_all(model) == self.waiting[model]
        self.waiting[model] = []
        self.passed.pop(model, None)

    # ---- what holds after each

    @invariant()
    def what_waits_and_what_is_computed_is_as_expected(self) -> None:
        for model, queue in self.waiting.items():
            assert self.dispatch.waiting(model) == len(queue)
        computed = {name: request for name, request, _ in self.dispatch.requests_in_workers()}
        assert computed == {name: p.request for name, p in self.places.items() if p.request}

    @invariant()
    def who_has_which_model_is_known(self) -> None:
        for model in FACTS:
            having = {name for name, place in self.places.items() if model in place.models}
            assert self.dispatch.having(model) == having
        resident = {model for place in self.places.values() for model in place.models}
        assert set(self.dispatch.resident()) == resident

    @invariant()
    def no_worker_idles_that_may_take_a_request(self) -> None:
        for queue in self.waiting.values():
            if not queue:
                continue
            request = queue[0]
            able = [p for p in self.places.values() if p.is_idle and p.may_take(request)]
            if able and request.is_heavy:
                assert len(self.busy_or_having(request.model)) >= HEAVY_WORKERS
                assert not any(request.model in place.models for place in able)
            elif able and request.model == "slow":
                assert self.is_slow
                assert self.slow_is_at_its_limit()
            else:
                assert not able

    @invariant()
    def nobody_is_passed_twice_while_it_waits_for_any_worker(self) -> None:
        for model in PLAIN:
            assert all(times <= 1 for times in self.passed.get(model, Counter()).values())

    @invariant()
    def those_that_take_requests_are_seen_by_scaling(self) -> None:
        for own_model in (None, *OWN):
            there = {
                name
                for name, place in self.places.items()
                if place.own_model == own_model and not place.is_leaving
            }
            assert {state.name for state in self.dispatch.group(own_model)} == there


class LooksAheadMachine(DispatchMachine):
    """Workers of quick models are sent a next request while they compute one."""

    looks_ahead = True


OFTEN = settings(max_examples=60, stateful_step_count=60, deadline=None)
TestDispatchMachine = DispatchMachine.TestCase
TestDispatchMachine.settings = OFTEN
TestLooksAheadMachine = LooksAheadMachine.TestCase
TestLooksAheadMachine.settings = OFTEN
