"""Whose code may run, as `MME_ALLOW_CODE` says."""

from __future__ import annotations

from typing import Any

import pytest

from mme.core.allowed_code import allowed_code, may_run_code
from mme.core.settings import Settings


@pytest.mark.parametrize(
    ("text", "target", "may"),
    [
        ("", "a.tar.gz", False),
        ("0", "a.tar.gz", False),
        ("false", "a.tar.gz", False),
        ("1", "a.tar.gz", True),
        ("true", "s3://bucket/a.tar.gz", True),
        ("team/*,b.tar.gz", "team/x/a.tar.gz", True),
        ("team/*, b.tar.gz", "b.tar.gz", True),
        ("team/*", "other/team/a.tar.gz", False),
        ("team/*", "Team/a.tar.gz", False),
        ("*", "s3://bucket/a.tar.gz", False),
        ("*/a.tar.gz", "s3://bucket/a.tar.gz", False),
        ("s3://bucket/*", "s3://bucket/a.tar.gz", True),
        ("1,b", "a.tar.gz", False),
    ],
)
def test_patterns_are_of_whole_targets_and_of_the_own_store(text, target, may):
    patterns: Any = allowed_code(text)
    assert may_run_code(target, patterns) is may


def test_nothing_is_allowed_by_default(monkeypatch):
    monkeypatch.delenv("MME_ALLOW_CODE", raising=False)
    assert Settings().allow_code == ()
    monkeypatch.setenv("MME_ALLOW_CODE", "a/*,b")
    assert Settings().allow_code == ("a/*", "b")
