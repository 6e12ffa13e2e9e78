"""`mme doctor`: its report, its JSON, its exit codes."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from mme.cli.doctor import print_finding, run_doctor, summary
from mme.doctor.examination import Wish
from mme.doctor.finding import failed, ok, sized, warning
from tests.support.endpoint import free_port

NO_ARTIFACTS = Wish(artifacts=False)


@pytest.fixture(autouse=True)
def _an_environment(monkeypatch, tmp_path):
    (tmp_path / "store").mkdir()
    for name in ("store", "cache_dir", "state_dir"):
        monkeypatch.setenv(f"MME_{name.upper()}", str(tmp_path / name.removesuffix("_dir")))
    monkeypatch.setenv("MME_PORT", str(free_port()))


def printed(finding, **options):
    written = io.StringIO()
    print_finding(finding, Console(file=written, highlight=False, **options))
    return written.getvalue()


def test_a_report_has_a_line_for_each_check_and_one_for_all(capsys):
    assert run_doctor(NO_ARTIFACTS) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("ok       Java") for line in lines)
    assert any(line.startswith("skipped  artifacts") for line in lines)
    assert lines[-1].endswith("1 warning, 0 failed")


def test_as_json_it_has_the_same_findings(capsys):
    assert run_doctor(NO_ARTIFACTS, as_json=True) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["is_well"] is True
    assert {"check": "artifacts", "verdict": "skipped"}.items() <= next(
        each for each in said["findings"] if each["check"] == "artifacts"
    ).items()


def test_what_failed_makes_the_exit_code_one(monkeypatch, capsys):
    monkeypatch.setenv("MME_STORE", "/nowhere")
    assert run_doctor(NO_ARTIFACTS) == 1
    assert "failed   store" in capsys.readouterr().out


def test_an_environment_that_cannot_be_read_is_a_finding(monkeypatch, capsys):
    monkeypatch.setenv("MME_PORT", "http")
    assert run_doctor(NO_ARTIFACTS) == 1
    out = capsys.readouterr().out
    assert "failed   settings         MME_PORT='http'" in out
    assert out.splitlines()[-1] == "0 ok, 0 warnings, 1 failed"


def test_what_to_do_has_a_line_of_its_own():
    assert printed(failed("disk", "full", "make room")) == (
        "failed   disk             full\n         -> make room\n"
    )


def test_names_out_of_a_store_move_no_cursor_and_begin_no_line():
    said = printed(warning("artifact", "evil\x1b[2J\nok  [red]x"), force_terminal=False)
    assert "\x1b" not in said
    assert said.count("\n") == 1
    assert "[red]x" in said


def test_long_lines_are_wrapped_on_a_terminal_alone():
    finding = ok("store", "word " * 60)
    narrow = printed(finding, force_terminal=True, width=60, color_system=None)
    assert all(len(line) <= 60 for line in narrow.splitlines())
    assert printed(finding, force_terminal=False, width=60).count("\n") == 1


def test_the_last_line_counts():
    assert (
        summary([ok("a", ""), warning("b", ""), warning("c", "")]) == "1 ok, 2 warnings, 0 failed"
    )


def test_sizes_are_read_by_people():
    assert [sized(size) for size in (0, 999, 2048, 1 << 20, 3 << 29)] == [
        "0 bytes", "999 bytes", "2 KiB", "1.0 MiB", "1.5 GiB",
    ]  # fmt: skip
