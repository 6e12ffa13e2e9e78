"""Target names: what is let through to a store, and what the model server is told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis.strategies import text

from mme.core.errors import InvalidRequest
from mme.core.names import check_target, model_name


@pytest.mark.parametrize("target", ["a.tar.gz", "de/DocSim.tar.gz", "ä ö/…", "a" * 1024])
def test_a_plain_path_is_a_target(target):
    assert check_target(target) == target


@pytest.mark.parametrize(
    "target",
    [
        "",
        "/etc/passwd",
        "../x",
        "a/../b",
        "a//b",
        "a/",
        ".",
        "a/./b",
        " a",
        "a\nb",
        "a\0",
        "a\\b",
        "a" * 1025,
    ],
)
def test_anything_else_is_refused_with_the_cause(target):
    with pytest.raises(InvalidRequest) as caught:
        check_target(target)
    assert "arget model" in caught.value.message
    assert len(caught.value.message) < 400


@given(text())
def test_no_accepted_target_leaves_the_store(target):
    try:
        check_target(target)
    except InvalidRequest:
        return
    assert not target.startswith("/")
    assert ".." not in target.split("/")


def test_a_model_name_depends_on_target_and_version_and_is_32_hex_digits():
    name = model_name("a.tar.gz", "1")
    assert name == model_name("a.tar.gz", "1")
    assert len({name, model_name("a.tar.gz", "2"), model_name("b.tar.gz", "1")}) == 3
    assert len(name) == 32
    int(name, 16)
