"""Requests by route and status, bounded whatever is asked for."""

from __future__ import annotations

from mme.metrics.http_counts import HttpCounts


def test_invocations_are_counted_by_class_over_all_their_routes():
    counts = HttpCounts()
    counts.ended("POST", "/invocations", 200, 0.1)
    counts.ended("POST", "/endpoints/{endpoint}/invocations", 424, 0.1)
    counts.ended("POST", "/models/{name}/invoke", 503, 0.1)
    counts.ended("POST", "/invocations", 499, 0.1)
    counts.ended("GET", "/models", 404, 0.1)
    assert counts.invocations() == {2: 1, 4: 1, 5: 1}


def test_made_up_methods_are_counted_together():
    counts = HttpCounts()
    for number in range(1000):
        counts.ended(f"M{number}", "", 404, 0.1)
    assert [each.count for each in counts.counts()] == [1000]
