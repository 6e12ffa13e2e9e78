"""The rehearsal: all families where there is time, the others where one fails."""

from __future__ import annotations

import itertools
import os
import socket
import sys
from pathlib import Path

import pytest

import model_handler
from mme.prefork.rehearsal import SETTINGS, rehearse
from mme.prefork.residents import RESIDENTS
from models.mapped.folder import check_may_convert
from models.registry import OF_CODE, OF_DATA
from tests.support.scripts import own_imports

HANDLER = Path(model_handler.__file__)


@pytest.fixture
def handler(tmp_path, monkeypatch):
    """A handler of the test's making."""
    monkeypatch.syspath_prepend(tmp_path)

    def make(text: str) -> Path:
        path = tmp_path / f"rehearsed_{abs(hash(text))}.py"
        path.write_text(text)
        return path

    yield make
    for name in [name for name in sys.modules if name.startswith("rehearsed_")]:
        del sys.modules[name]


def test_every_family_is_rehearsed_and_nothing_is_left_behind(tmp_path):
    environment = dict(os.environ)
    assert rehearse(HANDLER, budget_s=60, parent=tmp_path) == [*OF_DATA]
    assert len(RESIDENTS) == 0
    assert RESIDENTS.take_note() is None
    assert {name: os.environ.get(name) for name in SETTINGS} == {
        name: environment.get(name) for name in SETTINGS
    }
    assert list(tmp_path.iterdir()) == []


def test_what_runs_scripts_is_rehearsed_only_where_code_may_run(tmp_path, monkeypatch):
    monkeypatch.setenv("MME_ALLOW_CODE", "team/*")
    # As of a process that was started with it.
    monkeypatch.setattr("mme.prefork.rehearsal.take_environment", lambda _: None)
    with own_imports():
        assert rehearse(HANDLER, budget_s=60, parent=tmp_path) == [*OF_DATA, *OF_CODE]
    assert os.environ["MME_ALLOW_CODE"] == "team/*"


def test_the_process_may_still_convert_afterwards():
    rehearse(HANDLER, budget_s=60)
    check_may_convert("anything")


def test_one_familys_failure_is_not_the_others(handler, caplog):
    path = handler(
        "from pathlib import Path\n"
        "def handle(data, context):\n"
        "    folder = Path(context.system_properties['model_dir'])\n"
        "    if (folder / 'DocSim-params.json').exists(): raise KeyError('odd')\n"
        "    return data and ['x']\n"
    )
    assert rehearse(path, budget_s=60) == [name for name in OF_DATA if name != "DocSim"]
    assert "the rehearsal of DocSim failed" in caplog.text
    assert "odd" in caplog.text


def test_nothing_is_begun_after_the_budget_is_spent(handler, tmp_path, caplog):
    loads = tmp_path / "loads"
    path = handler(
        "def handle(data, context):\n"
        "    if data is None:\n"
        f"        with open({str(loads)!r}, 'a') as file: file.write('load\\n')\n"
        "    return data and ['x']\n"
    )
    clock = itertools.count(0.0, 2.0)  # each load takes two seconds
    assert rehearse(path, budget_s=3.0, clock=lambda: next(clock)) == []
    assert len(loads.read_text().splitlines()) == 1
    assert "took too long" in caplog.text


def test_descriptors_are_as_before():
    before = sorted(Path("/proc/self/fd").iterdir())
    rehearse(HANDLER, budget_s=60)
    assert len(list(Path("/proc/self/fd").iterdir())) == len(before)
    assert socket.getdefaulttimeout() is None
