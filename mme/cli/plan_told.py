"""What `mme plan` prints of a plan: a few lines, and a table of memories and of instances."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mme.cli.tables import milliseconds, print_table, size

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

FIGURES = ("hit ratio", "cold share", "p50", "p99", "evictions", "memory", "cores")
BEST_TRIED = 12
COSTS_TOLD = {
    "assumed": "; what models cost is assumed (--costs)",
    "trace": "; times of models are the trace's own, their bytes are assumed (--costs)",
    "measured": "",
}


def tell(report: Mapping[str, Any], written: Sequence[Path]) -> None:
    """All of it, on the standard output."""
    for line in lines_of(report):
        print(line)
    print()
    print_table(
        ("with memory", *FIGURES),
        [(size(each["memory_bytes"]), *figures_told(each)) for each in report["by_memory"]],
        right=("with memory", *FIGURES),
    )
    if "choice" in report:
        print()
        _tell_choice(report["choice"])
    for path in written:
        print(f"written: {path}")


def lines_of(report: Mapping[str, Any]) -> list[str]:
    """The trace, the machine and what comes of it, in words."""
    trace, machine, outcome = report["trace"], report["machine"], report["outcome"]
    costs = COSTS_TOLD[report["costs_from"]]
    told = [
        "trace      " + _trace_told(trace),
        "machine    " + _machine_told(machine) + costs,
        "hits       " + _hits_told(outcome),
        "latency    " + _latency_told(outcome),
        "takes      " + _use_told(outcome),
    ]
    if report["is_met"] is not None:
        told.append(f"target     {'met' if report['is_met'] else 'not met'} by this machine")
    told += [f"note       {note}" for note in outcome["notes"]]
    if report["compared_requests"] < trace["requests"]:
        told.append(
            f"note       memories and instances are compared by the first"
            f" {report['compared_requests']:,} requests (--compare)"
        )
    return told


def _trace_told(trace: Mapping[str, Any]) -> str:
    return (
        f"{trace['requests']:,} requests for {trace['models']:,} models in"
        f" {trace['duration_s']:,.1f} s, {trace['requests_per_s']:.4g} a second;"
        f" {_percent(trace['top_tenth_share'])} of them for the tenth of the models asked most"
    )


def _machine_told(machine: Mapping[str, Any]) -> str:
    return f"{size(machine['memory_bytes'])}, {machine['cores']} cores, policy {machine['policy']}"


def _hits_told(outcome: Mapping[str, Any]) -> str:
    return (
        f"{_percent(outcome['hit_ratio'])} warm, {_percent(outcome['cold_share'])} cold:"
        f" {outcome['cold']:,} loads, {outcome['first']:,} first requests;"
        f" {outcome['refused']:,} refused"
    )


def _latency_told(outcome: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} {milliseconds(outcome[f'{name}_ms'])}" for name in ("p50", "p99", "mean")
    )


def _use_told(outcome: Mapping[str, Any]) -> str:
    return (
        f"{size(outcome['peak_bytes'])} at most, {outcome['busy_cores']:.2f} cores on average,"
        f" {outcome['peak_workers']} workers; {outcome['evictions']:,} evictions"
    )


def figures_told(figures: Mapping[str, Any]) -> list[str]:
    """The columns of FIGURES."""
    return [
        _percent(figures["hit_ratio"]),
        _percent(figures["cold_share"]),
        milliseconds(figures["p50_ms"]),
        milliseconds(figures["p99_ms"]),
        f"{figures['evictions']:,}",
        size(figures["peak_bytes"]),
        f"{figures['busy_cores']:.2f}",
    ]


def tried_told(tried: Mapping[str, Any]) -> tuple[str, ...]:
    """Instances, USD a month, FIGURES, and whether the target is met."""
    return (
        f"{tried['count']} x {tried['instance']}", f"{tried['usd_per_month']:,.2f}",
        *figures_told(tried), "met" if tried["is_met"] else "not met",
    )  # fmt: skip


def choice_told(choice: Mapping[str, Any]) -> str:
    """The answer in a sentence."""
    chosen = choice["chosen"]
    if chosen is None:
        return (
            f"no instances meet the target: {len(choice['tried'])} tried, {choice['ruled_out']}"
            " ruled out by those; more may be allowed with --most"
        )
    as_of = f", list prices of {chosen['prices_as_of']}" if chosen["prices_as_of"] else ""
    return (
        f"cheapest: {chosen['count']} x {chosen['instance']}, {chosen['usd_per_month']:,.2f} USD a"
        f" month ({chosen['region']}{as_of}; check before you buy)"
    )


def _tell_choice(choice: Mapping[str, Any]) -> None:
    print(choice_told(choice))
    print_table(
        ("instances", "USD a month", *FIGURES, "target"),
        [tried_told(each) for each in choice["tried"][-BEST_TRIED:]],
        right=("USD a month", *FIGURES),
    )


def _percent(share: float) -> str:
    return f"{share * 100:.2f} %"
