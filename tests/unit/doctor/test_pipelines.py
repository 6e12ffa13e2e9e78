"""The operator's pipelines, looked at before anything starts."""

from __future__ import annotations

import json

import pytest

from mme.app.modes import Mode
from mme.core.settings import Settings
from mme.doctor.pipelines import check_pipelines


@pytest.fixture
def told(tmp_path):
    """What is found of a file with these pipelines."""
    path = tmp_path / "pipelines.json"

    def told(pipelines, targets=None, mode=Mode.STANDALONE):
        path.write_text(json.dumps(pipelines))
        return list(check_pipelines(Settings(pipelines=path), mode, targets))

    return told


def test_nothing_is_said_where_there_are_none():
    assert list(check_pipelines(Settings(), Mode.STANDALONE, None)) == []


def test_a_file_that_is_off_fails_with_its_place(told):
    [finding] = told({"p": ["a.tar.gz", 7]})
    assert finding.verdict == "failed"
    assert "pipelines.json': pipeline 'p', step 2: it must be a text" in finding.found


def test_models_that_the_store_does_not_have_are_warned_of(told):
    steps = ["a.tar.gz", "b.tar.gz", "alias", "s3://b/c.tar.gz", {"targets": ""}, "http://x/y"]
    [finding] = told({"p": steps}, ["a.tar.gz"])
    assert finding.verdict == "warning"
    assert finding.facts["missing"] == ["b.tar.gz"]


@pytest.mark.parametrize("targets", [None, ["a.tar.gz", "b.tar.gz"]])
def test_a_file_that_can_be_used_is_in_order(told, targets):
    [finding] = told({"p": ["a.tar.gz", "b.tar.gz"]}, targets)
    assert finding.verdict == "ok"
    assert finding.found.endswith("has 1 pipeline")


def test_in_a_container_it_does_nothing(told):
    [finding] = told({"p": 7}, mode=Mode.SINGLE_MODEL)
    assert finding.verdict == "warning"
    assert "it has no pipelines" in finding.found
