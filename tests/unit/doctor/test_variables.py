"""Settings that do nothing, or contradict one another."""

from __future__ import annotations

import pytest

from mme.app.modes import Mode
from mme.core.settings import Settings
from mme.doctor.variables import check_variables


def told(misspelt=(), targets=None, mode=Mode.STANDALONE, **settings):
    return check_variables(Settings(**settings), misspelt, mode, targets)


def test_a_usual_environment_is_in_order(tmp_path):
    [finding] = told(store=str(tmp_path / "store"))
    assert finding.verdict == "ok"


def test_a_misspelt_variable_is_told_with_the_nearest_name():
    [finding] = told([("MME_POTR", "MME_PORT")])
    assert (finding.verdict, finding.facts["variable"]) == ("warning", "MME_POTR")
    assert "MME_PORT" in finding.advice


def test_a_name_like_no_other_leads_to_the_list():
    [finding] = told([("MME_QQQQQQQQQQQQ", "")])
    assert "mme settings" in finding.advice


def test_folders_within_one_another_are_told_once(tmp_path):
    found = told(cache_dir=tmp_path, state_dir=tmp_path / "state")
    assert [each.verdict for each in found] == ["warning"]
    assert "MME_STATE_DIR" in found[0].found
    assert "MME_CACHE_DIR" in found[0].found
    assert len(told(cache_dir=tmp_path, state_dir=tmp_path)) == 1


def test_a_store_that_the_mode_does_not_use_is_told(tmp_path):
    [finding] = told(mode=Mode.MULTI_MODEL, store=str(tmp_path / "store"))
    assert "SAGEMAKER_MULTI_MODEL" in finding.advice


@pytest.mark.parametrize(
    "settings",
    [
        {"max_bodies_bytes": 1000, "max_body_bytes": 2000},
        {"isolation": "model", "pool_min": 3},
        {"cache_limit_bytes": 10, "artifact_limit_bytes": 20},
    ],
)
def test_settings_that_contradict_each_other_are_told(settings):
    assert [each.verdict for each in told(**settings)] == ["warning"]


def test_a_pin_that_no_artifact_goes_by_is_told_with_the_nearest():
    [finding] = told(targets=["de/DocSim.tar.gz"], pin=("de/Docsim.tar.gz", "de/*"))
    assert "de/Docsim.tar.gz" in finding.found
    assert "de/DocSim.tar.gz is one" in finding.advice
    assert told(targets=None, pin=("x",))[0].verdict == "ok"
