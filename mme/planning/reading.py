"""Traces as files have them: CSV, JSON lines, and an endpoint's own log as text or as JSON.

Which of them it is, and which columns it has, is seen from its beginning; gzip from its first
bytes. A bad line ends the reading with its number and what stood there. Lines of a log that are
about no invocation are passed over.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
import zlib
from array import array
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING

import numpy as np

from mme.planning.log_lines import LINE, text_request
from mme.planning.measuring import Observations, Observed
from mme.planning.moments import duration_of, seconds_of
from mme.planning.trace import Trace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any, BinaryIO

    from numpy.typing import NDArray

    from mme.planning.costs import Costs

    Told = tuple[float, Observed]
    """When a request came, and what is told of it."""

TIMES = ("at", "timestamp", "time", "datetime", "date", "arrived_at")
MODELS = (
    "target_model",
    "targetmodel",
    "target",
    "model",
    "model_name",
    "x-amzn-sagemaker-target-model",
)
TOOK = {"model_ms": 1e-3, "service_ms": 1e-3, "model_s": 1.0, "service_s": 1.0}
"""Columns of how long a request was computed -> what makes seconds of them."""
PARTS_MS = ("total_ms", "fetch_ms", "queue_ms", "load_ms")
"""Columns of where its time went otherwise, in the order of Observed."""
OUTCOMES = ("warm", "cold", "first")
DELIMITERS = ",;\t"
PEEKED_LINES = 50
TOLD_EVERY = 100_000
SHOWN_CHARS = 120
MOST_LINE_CHARS = 2**20
"""More is no line of a trace: an archive of a few kilobytes may unpack to one without an end."""
GZIP = b"\x1f\x8b"


class TraceError(ValueError):
    """A trace that cannot be read: names the line and what stood there."""


@dataclass(frozen=True, slots=True)
class Read:
    """A trace that was read."""

    trace: Trace
    costs: Costs | None
    """What its models cost, if it says where requests' time went."""


def read_trace(file: BinaryIO, name: str, told: Callable[[int], None] | None = None) -> Read:
    """All of a trace, in the order of its times; closes the file.

    `told` hears how many requests were read.
    Raises TraceError.
    """
    gathered = _Gathered()
    try:
        with io.TextIOWrapper(_plain(file), encoding="utf-8-sig", newline="") as lines:
            for number, (at_s, request) in enumerate(_requests(_bounded(lines, name), name)):
                gathered.add(at_s, request)
                if told is not None and number % TOLD_EVERY == 0:
                    told(number)
    except UnicodeDecodeError as error:
        raise TraceError(f"{name} is no text: {error.reason} at byte {error.start}") from error
    except (OSError, EOFError, zlib.error) as error:
        raise TraceError(f"{name}: {error}") from error
    if not gathered.at_s:
        raise TraceError(f"{name} has no request: neither CSV with a head nor lines of a log")
    return Read(gathered.trace(), gathered.observations.costs())


class _Gathered:
    def __init__(self) -> None:
        self.at_s = array("d")
        self._model = array("i")
        self._took_s = array("f")
        self._numbers: dict[str, int] = {}
        self.observations = Observations()

    def add(self, at_s: float, request: Observed) -> None:
        self.at_s.append(at_s)
        self._model.append(self._numbers.setdefault(request.model, len(self._numbers)))
        self._took_s.append(request.model_s)
        self.observations.add(request)

    def trace(self) -> Trace:
        at_s = np.frombuffer(self.at_s, np.float64)
        order = np.argsort(at_s, kind="stable")
        at_s = at_s[order]
        took_s = np.frombuffer(self._took_s, np.float32)[order]
        return Trace(
            at_s - at_s[0],
            np.frombuffer(self._model, np.int32)[order],
            tuple(self._numbers),
            _filled(took_s),
        )


def _filled(took_s: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """With the middle one where a request's is not known, as of one that was refused.

    None: no request's is.
    """
    is_known = np.isfinite(took_s)
    if not is_known.any():
        return None
    return np.where(is_known, took_s, np.median(took_s[is_known])).astype(np.float32)


def _plain(file: BinaryIO) -> BinaryIO:
    buffered = io.BufferedReader(file) if isinstance(file, io.RawIOBase) else file
    begins = buffered.peek(2)[:2]  # type: ignore[attr-defined]
    return gzip.GzipFile(fileobj=buffered) if begins == GZIP else buffered  # type: ignore[return-value]


def _bounded(lines: io.TextIOWrapper, name: str) -> Iterator[str]:
    number = 0
    while line := lines.readline(MOST_LINE_CHARS + 1):
        number += 1
        if len(line) > MOST_LINE_CHARS:
            raise TraceError(
                f"{name} line {number} has more than {MOST_LINE_CHARS} characters: {_shown(line)}"
            )
        yield line


def _requests(lines: Iterable[str], name: str) -> Iterator[Told]:
    every = iter(lines)
    peeked = list(islice(every, PEEKED_LINES))
    first = next((line for line in peeked if line.strip()), "")
    lines = chain(peeked, every)
    if first.lstrip().startswith("{"):
        return _of_json(lines, name)
    if (columns := _Columns.of(first)) is not None:
        return _of_csv(lines, columns, name)
    if any(map(LINE.match, peeked)) or "," not in first:
        return _of_log(lines, name)
    raise TraceError(
        f"{name} line 1: no column of times ({', '.join(TIMES[:3])}) and of models"
        f" ({', '.join(MODELS[:4])}) in {_shown(first)}"
    )


class _Columns:
    """Which column of a CSV file says what."""

    def __init__(self, names: list[str], at: int, model: int, delimiter: str) -> None:
        self.at, self.model, self.delimiter = at, model, delimiter
        took = next((each for each in TOOK if each in names), None)
        self._outcome = names.index("outcome") if "outcome" in names else None
        self._parts = [(names.index(each), 1e-3) if each in names else None for each in PARTS_MS]
        self._parts.append(None if took is None else (names.index(took), TOOK[took]))

    @classmethod
    def of(cls, head: str) -> _Columns | None:
        """As a head names them; None: it is none."""
        for delimiter in DELIMITERS:
            try:
                row = next(csv.reader([head], delimiter=delimiter), [])
            except csv.Error:  # a field longer than it takes
                return None
            names = [each.strip().lower().replace(" ", "_") for each in row]
            at = next((names.index(each) for each in TIMES if each in names), None)
            model = next((names.index(each) for each in MODELS if each in names), None)
            if at is not None and model is not None:
                return cls(names, at, model, delimiter)
        return None

    def told(self, row: list[str]) -> Told:
        """Raises ValueError; IndexError where a column is missing that has to be there."""
        model = row[self.model].strip()
        if not model:
            raise ValueError("no model")
        outcome = ""
        if self._outcome is not None and self._outcome < len(row):
            outcome = row[self._outcome]
        took = [
            duration_of(row[part[0]], part[1])
            if part is not None and part[0] < len(row)
            else math.nan
            for part in self._parts
        ]
        return seconds_of(row[self.at]), Observed(model, _outcome(outcome), *took)


def _of_csv(lines: Iterable[str], columns: _Columns, name: str) -> Iterator[Told]:
    rows = csv.reader(lines, delimiter=columns.delimiter)
    row: list[str] = []
    try:
        while not any(each.strip() for each in row):  # the head, with what is empty before it
            row = next(rows)
        for row in rows:
            if any(each.strip() for each in row):
                yield columns.told(row)
    except (ValueError, IndexError, csv.Error) as error:
        why = "too few columns" if isinstance(error, IndexError) else str(error)
        shown = "what follows " * isinstance(error, csv.Error)
        shown += _shown(columns.delimiter.join(row))
        raise TraceError(f"{name} line {rows.line_num}: {why} in {shown}") from error


def _of_json(lines: Iterable[str], name: str) -> Iterator[Told]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            found = _of_object(json.loads(line))
        except (ValueError, TypeError, OverflowError, RecursionError) as error:
            raise TraceError(f"{name} line {number}: {error} in {_shown(line)}") from error
        if found is not None:
            yield found


def _of_object(content: Any) -> Told | None:
    """None: it is a line of a log that is about no invocation."""
    if not isinstance(content, dict):
        raise ValueError("no object")  # noqa: TRY004 - what json raises, too
    said: Mapping[str, Any] = {key.lower(): value for key, value in content.items()}
    is_logged = "logger" in said
    if is_logged and (said.get("outcome") not in OUTCOMES or "total_ms" not in said):
        return None
    model = next((said[each] for each in MODELS if said.get(each)), None)
    at = next((said[each] for each in TIMES if each in said), None)
    if not isinstance(model, str) or at is None:
        raise ValueError(f"no {'model' if at is not None else 'time'}")
    at_s = seconds_of(at)
    if is_logged:  # written when it was over
        total_s = duration_of(said["total_ms"], 1e-3)
        if math.isnan(total_s):
            raise ValueError("no total_ms")
        at_s -= total_s
    parts = [duration_of(said.get(each), 1e-3) for each in PARTS_MS]
    took = next((each for each in TOOK if each in said), None)
    parts.append(duration_of(said[took], TOOK[took]) if took else math.nan)
    return at_s, Observed(model, _outcome(said.get("outcome")), *parts)


def _outcome(said: Any) -> str:
    return said if said in OUTCOMES else ""


def _of_log(lines: Iterable[str], name: str) -> Iterator[Told]:
    for number, line in enumerate(lines, 1):
        try:
            found = text_request(line)
        except ValueError as error:
            raise TraceError(f"{name} line {number}: {error} in {_shown(line)}") from error
        if found is not None:
            yield found


def _shown(line: str) -> str:
    text = line.strip()
    return repr(text if len(text) <= SHOWN_CHARS else text[:SHOWN_CHARS] + "…")
