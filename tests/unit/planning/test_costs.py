"""Costs: what is written is read again, what is off is named, what was observed is measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mme.planning.costs import Cost, Costs, CostsError, read_costs
from mme.planning.measuring import MOST_ALIKE, Observations, Observed, measured, observed, return_s

if TYPE_CHECKING:
    from pathlib import Path

LINE = (
    '{"at":"2026-11-29T03:24:33.562+00:00","level":"INFO","logger":"mme.gateway.access",'
    '"target_model":"a.tar.gz","status":200,"total_ms":18.5,"outcome":"cold","fetch_ms":0.000,'
    '"queue_ms":0.500,"load_ms":3.000,"model_ms":14.000}'
)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    costs = Costs(Cost((0.001, 0.002), own_bytes=7), {"a.tar.gz": Cost(first_s=0.5)}, 0.004)
    costs.write(tmp_path / "costs.json")
    assert read_costs(tmp_path / "costs.json") == costs


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "is no JSON"),
        pytest.param("[" * 100_000, "is no JSON", id="nested without end"),
        ("[]", "must be an object"),
        ('{"overhead_s": -1}', "overhead_s=-1"),
        ('{"worker_start_s": 1e9}', "'1000000000.0' is no duration"),
        ('{"default": {"service_s": [0.1, 86401]}}', "'86401.0' is no duration"),
        ('{"default": {"service_s": []}}', "service_s=[]: 0 times"),
        ('{"default": {"speed": 3}}', "'speed' is none of service_s"),
        ('{"by_model": {"a": {"own_bytes": "1"}}}', "by_model: a: own_bytes='1'"),
    ],
)
def test_costs_that_are_off_are_named(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "costs.json"
    path.write_text(text)
    with pytest.raises(CostsError, match=r"costs\.json") as raised:
        read_costs(path)
    assert says in str(raised.value)


def test_an_invocation_in_the_log_is_seen_with_where_its_time_went() -> None:
    (seen,) = observed([LINE, '{"message":"no request"}'])
    assert seen == Observed("a.tar.gz", "cold", 0.0185, 0.0, 0.0005, 0.003, 0.014)
    assert seen.overhead_s == pytest.approx(0.001)


def test_warm_and_just_loaded_answers_are_measured_apart() -> None:
    requests = [
        Observed("a", "first", 0.36, 0.3, 0.0, 0.02, 0.04),
        Observed("a", "cold", 0.05, 0.0, 0.0, 0.01, 0.03),
        Observed("a", "warm", 0.011, 0.0, 0.0, 0.0, 0.01),
        Observed("a", "warm", 0.021, 0.0, 0.0, 0.0, 0.02),
    ]
    costs = measured(requests, {"a": Cost(own_bytes=5)})
    cost = costs.of("a")
    assert cost.service_s == (0.01, 0.02)
    assert cost.cold_service_s == (0.03, 0.04)
    assert cost.load_s == (0.01, 0.02)
    assert cost.mean_load_s == pytest.approx(0.015)
    assert cost.first_s == pytest.approx(0.3)
    assert cost.own_bytes == 5
    assert costs.overhead_s == pytest.approx(0.001)
    assert costs.of("another").mean_load_s == pytest.approx(0.015)


def test_without_an_answer_from_memory_nothing_is_measured() -> None:
    with pytest.raises(ValueError, match="no request was answered"):
        measured([Observed("a", "first", 0.36, 0.3, 0.0, 0.02, 0.04)], {})


def test_of_many_requests_some_are_kept_that_say_where_their_time_went() -> None:
    kept = Observations()
    for _ in range(2 * MOST_ALIKE):
        kept.add(Observed("a", "warm", 0.03, 0.0, 0.0, 0.0, 0.02))
    kept.add(Observed("a", "cold", 0.05, 0.0, 0.0, 0.01, 0.03))
    kept.add(Observed("a", "cold", load_s=0.9, model_s=0.9))
    kept.add(Observed("b", "", 0.05, 0.0, 0.05, 0.0, 0.0))
    costs = kept.costs()
    assert costs is not None
    assert [*costs.by_model] == ["a"]
    assert costs.of("a").load_s == (0.01,)
    assert costs.of("a").mean_service_s == pytest.approx(0.02)


def test_of_a_trace_with_very_many_models_one_request_of_each_kind_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mme.planning.measuring.MANY", 1)
    kept = Observations()
    for model_s in (0.02, 0.04):
        kept.add(Observed("a", "warm", 0.05, 0.0, 0.0, 0.0, model_s))
    kept.add(Observed("b", "warm", 0.05, 0.0, 0.0, 0.0, 0.03))
    costs = kept.costs()
    assert costs is not None
    assert [costs.of(name).service_s for name in "ab"] == [(0.02,), (0.03,)]


def test_where_none_found_its_model_in_memory_nothing_is_known() -> None:
    kept = Observations()
    assert kept.costs() is None
    kept.add(Observed("a", "cold", 0.05, 0.0, 0.0, 0.01, 0.03))
    assert kept.costs() is None


def test_what_callers_wait_beyond_what_the_endpoint_notes_is_the_usual_difference() -> None:
    requests = [Observed("a", "warm", total_s=total_s) for total_s in (0.010, 0.020, 0.030)]
    assert return_s(requests, [0.012, 0.022, 0.090]) == pytest.approx(0.002)
    assert return_s(requests, [0.012, 0.022]) == 0
    assert return_s([], []) == 0
