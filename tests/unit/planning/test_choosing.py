"""The cheapest instances that meet a target: found, and without trying what cannot do better."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from mme.planning.choosing import candidates, cheapest
from mme.planning.outcome import Histogram
from mme.planning.prices import GIB, Instance, PricesError, read_prices
from mme.planning.tally import Tally
from mme.planning.target import TargetError, target_of

EMPTY = Tally(()).outcome("exact", 2)


def instance(name, cores, gib, usd):
    return Instance(name, cores, gib * GIB, usd, "here")


SMALL = instance("small", 2, 4, 0.1)
MEMORY = instance("memory", 2, 16, 0.15)
CORES = instance("cores", 8, 8, 0.4)


def outcome(*, warm=100, cold=0, refused=0, seconds=0.01):
    latencies = Histogram()
    latencies.add(np.full(warm + cold, seconds))
    return dataclasses.replace(
        EMPTY, requests=warm + cold + refused, warm=warm, cold=cold, refused=refused,
        latencies=latencies,
    )  # fmt: skip


def by_memory(needed_gib):
    """Replays that are warm where all instances together have so much."""

    def replay(candidate):
        total = candidate.count * candidate.instance.memory_bytes
        return outcome() if total >= needed_gib * GIB else outcome(warm=50, cold=50)

    return replay


def chosen(needed_gib, busy_cores=0.1, counts=range(1, 5)):
    offered = candidates([SMALL, MEMORY, CORES], counts)
    choice = cheapest(offered, by_memory(needed_gib), target_of("hit>=0.99"), busy_cores=busy_cores)
    found = choice.chosen and choice.chosen.candidate
    return choice, found and (found.count, found.instance.name)


@pytest.mark.parametrize(
    ("needed_gib", "expected"),
    [(4, (1, "small")), (16, (1, "memory")), (32, (2, "memory")), (64, (4, "memory"))],
)
def test_the_cheapest_that_meets_the_target_is_chosen(needed_gib, expected):
    choice, found = chosen(needed_gib)
    assert found == expected
    assert not any(each.is_met for each in choice.tried[:-1])


def test_what_is_no_better_than_a_failure_is_not_tried():
    offered = candidates([SMALL, instance("dear and small", 2, 4, 0.3)], [1])
    choice = cheapest(offered, by_memory(8), target_of("hit>=0.99"), busy_cores=0.1)
    assert [each.candidate.instance.name for each in choice.tried] == ["small"]
    assert (choice.chosen, choice.untried) == (None, 1)


def test_fewer_cores_than_the_work_keeps_busy_are_not_tried():
    choice, found = chosen(4, busy_cores=7)
    assert found == (1, "cores")
    assert all(each.candidate.count * each.candidate.instance.cores >= 7 for each in choice.tried)


def test_of_two_at_one_price_the_fewer_come_first():
    twice = instance("twice", 4, 8, 0.2)
    first = candidates([SMALL, twice], [1, 2])[:3]
    assert [(each.count, each.instance.name) for each in first] == [
        (1, "small"), (1, "twice"), (2, "small"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "met", "not_met"),
    [
        ("hit>=99%", outcome(warm=99, cold=1), outcome(warm=98, cold=2)),
        ("p99<=200ms, hit>=0.5", outcome(seconds=0.19), outcome(seconds=0.21)),
        ("p99<=0.2s", outcome(seconds=0.19), outcome(seconds=0.21)),
        ("cold<=0.01", outcome(warm=99, cold=1), outcome(warm=99, cold=1, refused=1)),
        ("refused<=0.01", outcome(warm=99, refused=1), outcome(warm=97, refused=3)),
    ],
)
def test_a_target_is_met_if_all_its_bounds_hold_and_no_request_is_refused(text, met, not_met):
    target = target_of(text)
    assert target.met_by(met)
    assert not target.met_by(not_met)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hit>0.9", "'hit>0.9': write FIGURE>=NUMBER or <="),
        ("hits>=0.9", "'hits>=0.9': write FIGURE>=NUMBER or <=, of hit, cold"),
        ("p99<=200", "'p99<=200': p99 is a time, as 200ms"),
        ("hit>=99ms", "'hit>=99ms': hit is a share"),
        ("", "'': write FIGURE>=NUMBER or <="),
        ("hit>=0.9,", "'': write FIGURE>=NUMBER or <="),
        ("hit>=95", "'hit>=95': hit is a share, as 0.95 or 95%"),
        ("cold<=101%", "'cold<=101%': cold is a share, as 0.95 or 95%"),
    ],
)
def test_an_error_says_what_a_target_may_be(text, said):
    with pytest.raises(TargetError) as error:
        target_of(text)
    assert str(error.value).startswith(said)


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1"])
def test_the_shipped_prices_are_dated_and_grow_with_the_instance(region):
    found = {each.name: each for each in read_prices(region=region)}
    assert all(each.as_of for each in found.values())
    large, xlarge = found["ml.m5.large"], found["ml.m5.xlarge"]
    assert xlarge.usd_per_hour == pytest.approx(2 * large.usd_per_hour, rel=0.01)
    assert (large.cores, large.memory_bytes) == (2, 8 * GIB)
    assert large.month_usd(2) == pytest.approx(large.usd_per_hour * 1460)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("instance,vcpu\na,2\n", "no column 'memory_gib'"),
        ("instance,vcpu,memory_gib,usd_per_hour,region\na,two,4,1,here\n", "line 2: invalid"),
        ("instance,vcpu,memory_gib,usd_per_hour,region\na,2,4,-1,here\n", "is no instance"),
        ("instance,vcpu,memory_gib,usd_per_hour,region\na,2,4,1,there\n", "only of there"),
    ],
)
def test_a_table_of_prices_that_cannot_be_used_says_why(tmp_path, content, said):
    path = tmp_path / "prices.csv"
    path.write_text(content)
    with pytest.raises(PricesError) as error:
        read_prices(path, "here")
    assert said in str(error.value)
    assert str(path) in str(error.value)
