"""Counts what comes of requests while they are replayed, in memory that does not grow with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from mme.planning.outcome import (
    COLD,
    FIRST,
    REFUSED,
    TOP,
    WARM,
    Bucket,
    Histogram,
    ModelOutcome,
    Outcome,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MOST_BUCKETS = 240
FIRST_BUCKET_S = 1.0
KINDS = 4


class Tally:
    """Of one replay. Buckets of time are joined by twos when there are too many."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self.latencies = Histogram()
        self.counts = np.zeros(KINDS, np.int64)
        self._bucket_s = FIRST_BUCKET_S
        self._by_bucket = np.zeros((MOST_BUCKETS, KINDS), np.int64)
        self._seconds = np.zeros(MOST_BUCKETS)
        self._bytes = np.zeros(MOST_BUCKETS, np.int64)
        self._requests = np.zeros(len(names), np.int64)
        self._warm = np.zeros(len(names), np.int64)
        self._model_s = np.zeros(len(names))
        self.last_s = 0.0
        self.evictions = self.evicted_for_memory = self.evicted_from_disk = 0
        self.peak_bytes = self.peak_workers = 0
        self.busy_s = 0.0

    def add(
        self,
        index: NDArray[np.int64],
        at_s: NDArray[np.float64],
        model: NDArray[np.int32],
        kind: NDArray[np.int8],
        latency_s: NDArray[np.float64],
    ) -> None:
        """Some requests are over; `index`: which of the trace, `kind`: WARM, COLD, FIRST, REFUSED.

        A refused one's latency does not count.
        """
        del index  # for those who look at each
        if not len(at_s):
            return
        answered = kind != REFUSED
        self.latencies.add(latency_s[answered])
        self.counts += np.bincount(kind, minlength=KINDS)
        bucket = self._buckets(at_s)
        pair = bucket * KINDS + kind
        self._by_bucket += np.bincount(pair, minlength=MOST_BUCKETS * KINDS).reshape(-1, KINDS)
        counted_s = np.where(answered, latency_s, 0.0)
        self._seconds += np.bincount(bucket, counted_s, MOST_BUCKETS)
        size = len(self._names)
        self._requests += np.bincount(model, minlength=size)
        self._warm += np.bincount(model[kind == WARM], minlength=size)
        self._model_s += np.bincount(model, counted_s, size)
        self.last_s = max(self.last_s, float((at_s + counted_s).max()))

    def holds(self, at_s: float, used_bytes: int) -> None:
        """So much memory is in use now."""
        self.peak_bytes = max(self.peak_bytes, used_bytes)
        while at_s >= self._bucket_s * MOST_BUCKETS:
            self._join_buckets()
        bucket = int(at_s / self._bucket_s)
        self._bytes[bucket] = max(self._bytes[bucket], used_bytes)

    def outcome(
        self,
        how: Literal["exact", "fast"],
        cores: int,
        notes: Sequence[str] = (),
    ) -> Outcome:
        """All of it."""
        warm, cold, first, refused = (int(each) for each in self.counts)
        return Outcome(
            how=how, notes=tuple(notes), sampled=1.0, duration_s=self.last_s,
            requests=warm + cold + first + refused,
            warm=warm, cold=cold, first=first, refused=refused, latencies=self.latencies,
            evictions=self.evictions, evicted_for_memory=self.evicted_for_memory,
            evicted_from_disk=self.evicted_from_disk, peak_bytes=self.peak_bytes,
            peak_workers=self.peak_workers, busy_s=self.busy_s, cores=cores,
            timeline=self._timeline(), top=self._top(),
        )  # fmt: skip

    def _buckets(self, at_s: NDArray[np.float64]) -> NDArray[np.int64]:
        while float(at_s.max()) >= self._bucket_s * MOST_BUCKETS:
            self._join_buckets()
        return (at_s / self._bucket_s).astype(np.int64)

    def _join_buckets(self) -> None:
        self._bucket_s *= 2
        half = MOST_BUCKETS // 2
        for each in (self._by_bucket, self._seconds):
            each[:half] = each[0::2] + each[1::2]
            each[half:] = 0
        self._bytes[:half] = np.maximum(self._bytes[0::2], self._bytes[1::2])
        self._bytes[half:] = 0

    def _timeline(self) -> tuple[Bucket, ...]:
        used = np.flatnonzero(self._by_bucket.sum(axis=1))
        last = int(used[-1]) + 1 if len(used) else 0
        held = np.maximum.accumulate(self._bytes)  # a quiet stretch keeps what there was
        return tuple(
            Bucket(
                at_s=bucket * self._bucket_s,
                requests=int(counts.sum()),
                warm=int(counts[WARM]), cold=int(counts[COLD]), first=int(counts[FIRST]),
                refused=int(counts[REFUSED]),
                mean_s=float(self._seconds[bucket] / max(1, counts.sum() - counts[REFUSED])),
                resident_bytes=int(self._bytes[bucket] or held[bucket]),
            )
            for bucket, counts in enumerate(self._by_bucket[:last])
        )  # fmt: skip

    def _top(self) -> tuple[ModelOutcome, ...]:
        order = np.argsort(-self._requests, kind="stable")[:TOP]
        return tuple(
            ModelOutcome(
                self._names[model],
                int(self._requests[model]),
                int(self._warm[model]),
                float(self._model_s[model] / self._requests[model]),
            )
            for model in order
            if self._requests[model]
        )
