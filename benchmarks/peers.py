"""The same work by other model servers, in the same run, in turn.

A no-op model warm, for all; a DocSim model loaded and asked, for those whose models come and go.
Peers load the artifact by gensim, as they would be used; ours comes to them unpacked. A peer that
cannot be installed or started is left out, and a line says why.
"""

from __future__ import annotations

import contextlib
import tarfile
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from benchmarks import cold, overhead
from benchmarks.peer_servers import servers
from benchmarks.table import NotPossible, Row
from benchmarks.traffic import drive, percentile_ms
from benchmarks.wrk import Reports, checked, wrk
from mme.core.settings import PROJECT_ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from benchmarks.peer_servers.servers import Peer
    from benchmarks.wrk import Call

Running = TypeVar("Running")

COMPARED_WITH = "peers"
ROUNDS, ROUND_S = 3, 4
ONE, MANY = 1, 16
MODELS = {"Triton": 6, "MLServer": 30}
"""How many models a peer loads, twice each."""
TEXT = "Impfstoff,Erbgut"
AIM_RATES = {"Triton": 1.5, "mosec": 1.2}
AIM_COLD = {"Triton": 300, "MLServer": 20}


def measure() -> list[Row]:
    """Warm no-ops, then models that come and go."""
    with tempfile.TemporaryDirectory(prefix="peers-") as folder:
        return [*_noop_rows(Path(folder, "noop")), *_load_rows(Path(folder, "docsim"))]


def _noop_rows(folder: Path) -> list[Row]:
    seen: dict[str, Reports] = {}
    with contextlib.ExitStack() as stack:
        calls = _noop_calls(folder, stack)
        for name, call in calls.items():
            seen[name] = Reports()
            wrk(checked(call), MANY, 1)
        for _ in range(ROUNDS):
            for connections in (ONE, MANY):
                for name, call in calls.items():
                    seen[name].add(connections, wrk(call, connections, ROUND_S))
    ours = seen.pop("ours")
    p50_ms, rate = ours.p50_ms(ONE), ours.rate(MANY)
    return [
        Row(
            "warm request to a no-op model, p50, one connection",
            ", ".join(f"{name} {each.p50_ms(ONE):.2f} ms" for name, each in seen.items()),
            f"{p50_ms:.2f} ms",
            "≤ Triton's",
            met=p50_ms <= seen["Triton"].p50_ms(ONE) if "Triton" in seen else None,
        ),
        Row(
            f"requests per second to it, {MANY} connections",
            ", ".join(
                f"{name} {each.rate(MANY):,.0f} ({rate / each.rate(MANY):.2f}x)"
                for name, each in seen.items()
            ),
            f"{rate:,.0f}",
            ", ".join(f"≥ {aim}x {name}" for name, aim in AIM_RATES.items()),
            met=_reached({name: rate / each.rate(MANY) for name, each in seen.items()}, AIM_RATES),
        ),
    ]


def _noop_calls(folder: Path, stack: contextlib.ExitStack) -> dict[str, Call]:
    """Ours and those of the peers that are there, all running."""
    calls = {"ours": stack.enter_context(overhead.ours_noop())}
    for name, serve in (("Triton", servers.triton), ("MLServer", servers.mlserver)):
        peer = _entered(stack, name, partial(serve, folder / name, None))
        if peer is not None:
            drive(peer.url, [peer.load(0)], connections=1, total=1)
            calls[name] = peer.call(0, "hello", "ok")
    call = _entered(stack, "mosec", partial(servers.mosec, folder / "mosec"))
    return calls if call is None else calls | {"mosec": call}


@dataclass(frozen=True, slots=True)
class _Loads:
    """Of one peer, p50 in milliseconds."""

    first_load_ms: float
    cold_ms: float
    """Load and first answer, of a model that was there before."""


def _load_rows(folder: Path) -> list[Row]:
    seen: dict[str, _Loads] = {}
    artifacts = _artifacts(folder, max(MODELS.values()))
    for name, serve in (("Triton", servers.triton), ("MLServer", servers.mlserver)):
        with contextlib.ExitStack() as stack:
            some = artifacts[: MODELS[name]]
            peer = _entered(stack, name, partial(serve, folder / name, some))
            if peer is not None:
                seen[name] = _loads(peer, len(some))
    ours = cold.measure_ours(("DocSim",))
    cold_ms, first_ms = percentile_ms(ours.cold_s, 50), percentile_ms(ours.first_s, 50)
    ratios = {name: each.cold_ms / cold_ms for name, each in seen.items()}
    return [
        Row(
            "cold invocation of DocSim: load and first answer, files known, p50",
            ", ".join(
                f"{name} {each.cold_ms:,.0f} ms ({ratios[name]:,.0f}x)"
                for name, each in seen.items()
            ),
            f"{cold_ms:.2f} ms",
            ", ".join(f"≥ {aim}x better than {name}" for name, aim in AIM_COLD.items()),
            met=_reached(ratios, AIM_COLD),
        ),
        Row(
            "first ever, p50: peers load an unpacked folder, ours admits an archive and answers",
            ", ".join(f"{name} {each.first_load_ms:,.0f} ms" for name, each in seen.items()),
            f"{first_ms:.0f} ms",
            "below MLServer's",
            met=first_ms <= seen["MLServer"].first_load_ms if "MLServer" in seen else None,
        ),
    ]


def _loads(peer: Peer, count: int) -> _Loads:
    """Load, ask and unload each model, twice."""
    steps = [
        step
        for number in range(count)
        for step in (peer.load(number), peer.ask(number, TEXT), peer.drop(number))
    ]
    first, again = (drive(peer.url, steps, connections=1, total=len(steps)) for _ in range(2))
    assert not first.failures + again.failures, (first.failures + again.failures)[:3]
    cold_s = [
        load_s + ask_s
        for load_s, ask_s in zip(again.latencies_s[::3], again.latencies_s[1::3], strict=True)
    ]
    return _Loads(percentile_ms(first.latencies_s[::3], 50), percentile_ms(cold_s, 50))


def _reached(ratios: dict[str, float], aims: Mapping[str, float]) -> bool | None:
    """Whether those that were measured are as wanted; None: none was."""
    known = [ratios[name] >= aim for name, aim in aims.items() if name in ratios]
    return all(known) if known else None


def _entered(
    stack: contextlib.ExitStack, name: str, make: Callable[[], AbstractContextManager[Running]]
) -> Running | None:
    """A running peer; None, and a line that says why, where there can be none."""
    try:
        return stack.enter_context(make())
    except (NotPossible, RuntimeError, OSError) as error:
        print(f"{name} is left out: {error}", flush=True)
        return None


def _artifacts(folder: Path, count: int) -> Sequence[Path]:
    """Copies of the sample DocSim, unpacked."""
    copies = [folder / "artifacts" / str(number) for number in range(count)]
    with tarfile.open(PROJECT_ROOT / "artifacts" / "DocSim.tar.gz") as archive:
        for copy in copies:
            archive.extractall(copy, filter="data")
    return copies
