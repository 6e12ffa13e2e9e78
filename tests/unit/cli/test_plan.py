"""`mme plan`: what it prints, its exit codes, and what cannot be planned."""

from __future__ import annotations

import gzip
import json
import sys

import pytest

from mme.cli.main import main

ROOM = ["--memory", "2GiB", "--cores", "2"]


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch):
    for name in ("MME_MEMORY_LIMIT", "MME_EVICTION", "MME_TOKEN"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


def plan(*arguments):
    return main(["plan", *map(str, arguments)])


def planned(capsys, *arguments):
    assert plan(*arguments, "--json") == 0
    return json.loads(capsys.readouterr().out)


def test_a_file_of_gzip_is_planned_for(tmp_path, capsys):
    trace = tmp_path / "requests.csv.gz"
    trace.write_bytes(gzip.compress(b"at,target_model\n0,a\n10,a\n20,b\n30,a\n"))
    report = planned(capsys, "--trace", trace, *ROOM)
    assert (report["trace"]["requests"], report["trace"]["models"]) == (4, 2)
    assert (report["outcome"]["warm"], report["outcome"]["first"]) == (2, 2)


def test_times_of_the_trace_count_unless_costs_are_given(tmp_path, capsys):
    trace, costs = tmp_path / "requests.csv", tmp_path / "costs.json"
    rows = "".join(f"{10 * number},a,700\n" for number in range(20))
    trace.write_text(f"at,model,model_ms\n{rows}")
    costs.write_text('{"default": {"service_s": [0.05]}}')
    said = planned(capsys, "--trace", trace, *ROOM)
    assert said["outcome"]["p50_ms"] == pytest.approx(700, rel=0.02)
    measured = planned(capsys, "--trace", trace, "--costs", costs, *ROOM)
    assert measured["outcome"]["p50_ms"] == pytest.approx(50, rel=0.05)
    assert (said["costs_from"], measured["costs_from"]) == ("assumed", "measured")


def test_costs_are_taken_from_a_trace_that_tells_where_time_went(tmp_path, capsys):
    trace = tmp_path / "requests.csv"
    rows = "".join(f"{10 * number},b,warm,0,0,0,700,720\n" for number in range(1, 20))
    head = "at,model,outcome,fetch_ms,queue_ms,load_ms,model_ms,total_ms\n"
    trace.write_text(f"{head}0,b,first,4000,0,300,900,5220\n{rows}")
    report = planned(capsys, "--trace", trace, *ROOM)
    assert report["costs_from"] == "trace"
    assert report["outcome"]["p50_ms"] == pytest.approx(720, rel=0.02)
    [slowest] = [ms for share, ms in report["outcome"]["latencies_ms"] if share == 0.999]
    assert slowest == pytest.approx(5220, rel=0.02)


def test_less_memory_keeps_fewer_models_warm(capsys):
    report = planned(capsys, "--zipf", "models=400,requests=3000,rate=20/s", *ROOM, "--on-disk")
    hits = [each["hit_ratio"] for each in report["by_memory"]]
    assert hits == sorted(hits)
    assert hits[0] < hits[-1]


def test_it_is_a_table_for_people(capsys):
    target = ["--target", "hit>=0.5", "--instances", "ml.m5.large"]
    assert plan("--zipf", "models=20,requests=300,rate=10/s", *ROOM, *target) == 0
    printed = capsys.readouterr().out
    assert "300 requests for" in printed
    assert "target     met by this machine" in printed
    assert "cheapest: 1 x ml.m5.large, 84.10 USD a month (us-east-1" in printed


def test_no_instance_that_meets_the_target_is_said_with_code_1(capsys):
    target = ["--target", "hit>=0.999", "--instances", "ml.t2.medium", "--most", "1"]
    assert plan("--zipf", "models=20,requests=200,rate=10/s", *ROOM, *target) == 1
    assert "no instances meet the target: 1 tried" in capsys.readouterr().out


def test_the_page_and_the_picture_are_written(tmp_path, capsys):
    folder = tmp_path / "plans" / "first"
    report = planned(
        capsys, "--zipf", "models=20,requests=200,rate=10/s", *ROOM, "--output", folder
    )
    assert json.loads((folder / "plan.json").read_text()) == report
    page = (folder / "plan.html").read_text()
    assert page.count("<svg") == 6
    assert "://" not in page  # it needs no other file
    assert (folder / "plan.png").read_bytes().startswith(b"\x89PNG")


def test_without_what_draws_pictures_the_plan_is_told_and_written_all_the_same(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)  # as where it is not installed
    assert plan("--zipf", "models=20,requests=200", *ROOM, "--output", tmp_path) == 0
    printed, said = capsys.readouterr()
    assert "200 requests for" in printed
    assert "plan.png is lacking: it needs mme[plan], `pip install 'mme[plan]'`" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["plan.html", "plan.json"]


def test_an_address_is_no_place_to_write_to(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        plan("--zipf", "models=20,requests=200", "--output", "s3://bucket/plans/")
    assert ended.value.code == 2
    assert "--output: only places on this machine are written to" in capsys.readouterr().err
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "a trace is needed: either --trace or --zipf"),
        (["--zipf", "models=1", "--trace", "x"], "either --trace or --zipf"),
        (["--trace", "/nowhere.csv"], "--trace /nowhere.csv: No such file"),
        (["--zipf", "models=no"], "models='no': write a number"),
        (["--zipf", "requests=5", "--memory", "64MiB"], "64 MiB do not hold the endpoint itself"),
        (["--zipf", "requests=5", "--memory", "much"], "MME_MEMORY_LIMIT='much'"),
        (["--zipf", "requests=5", "--target", "fast"], "'fast': write FIGURE>=NUMBER"),
        (["--zipf", "requests=5", "--region", "moon"], "no price of region 'moon'"),
        (["--zipf", "requests=5", "--instances", "ml.no"], "no price of 'ml.no'"),
        (["--zipf", "requests=5", "--costs", "/no.json"], "/no.json: No such file"),
        (["--zipf", "requests=5", "--output", "/proc/no"], "/proc/no: "),
    ],
)
def test_what_cannot_be_planned_is_said_with_code_2(capsys, arguments, said):
    assert plan(*arguments) == 2
    assert said in capsys.readouterr().err
