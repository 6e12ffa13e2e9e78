"""The extras that `make` and images can have: locked, as tested, and known to whoever builds."""

from __future__ import annotations

import re
import tomllib

import pytest

from tests.support.endpoint import PROJECT

EXTRAS = ("embeddings", "onnx", "triton", "grpc", "ray", "plan")
NAME = re.compile(r"[A-Za-z0-9_.-]+")


def locked(name):
    """Versions by package."""
    lines = (PROJECT / "requirements" / f"{name}.lock").read_text().splitlines()
    pinned = (re.match(r"([A-Za-z0-9_.-]+)(?:\[.*\])?==(\S+)", line) for line in lines)
    return {each[1]: each[2] for each in pinned if each}


@pytest.mark.parametrize("extra", EXTRAS)
def test_an_extra_is_locked_whole_and_known_to_make_and_to_the_image(extra):
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    asked = {
        found[0].lower()
        for each in project["optional-dependencies"][extra]
        if (found := NAME.match(each))
    }
    assert asked <= locked(extra).keys()
    file = f"requirements/{extra}.lock"
    assert f"!{file}" in (PROJECT / ".dockerignore").read_text().splitlines()
    assert file in (PROJECT / "Dockerfile").read_text()
    [known] = re.findall("^KNOWN_EXTRAS := (.*)", (PROJECT / "Makefile").read_text(), re.MULTILINE)
    assert extra in known.split()


@pytest.mark.parametrize("extra", ["onnx", "triton", "grpc", "plan"])
def test_what_runs_models_has_the_versions_that_tests_have(extra):
    tested = locked("dev")
    assert {name: tested[name] for name in locked(extra)} == locked(extra)


def test_an_extra_brings_no_other_version_of_what_everybody_has():
    everybody = locked("runtime")
    for extra in EXTRAS:
        both = locked(extra).keys() & everybody.keys()
        assert {name: locked(extra)[name] for name in both} == {
            name: everybody[name] for name in both
        }
