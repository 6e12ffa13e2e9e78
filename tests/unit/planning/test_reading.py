"""Traces from files: forms that are recognised, what they mean, and errors that name the line."""

from __future__ import annotations

import gzip
import io

import numpy as np
import pytest

from mme.planning.reading import TraceError, read_trace

TEXT_LOG = """\
2026-11-29 03:10:50,000 INFO    mme.gateway.access: POST /endpoints/demo/invocations 200 500.0 ms \
1d76657d-bbb0-48f8-adbf-db209d5c5469 en/DocSim.tar.gz first fetch 26.7 queue 0.1 load 1.3 model 1.7
2026-11-29 03:10:50,100 INFO    mme.app.life: ready
2026-11-29 03:10:51,000 INFO    mme.core.invocation_log: async demo 200 10.0 ms \
1d76657d-bbb0-48f8-adbf-db209d5c546a en/DocSim=en/DocSim-2.tar.gz warm queue 0.1 load 0.0 model 2.0
2026-11-29 03:10:51,100 INFO    mme.gateway.access: GET /logs 200 1.0 ms \
1d76657d-bbb0-48f8-adbf-db209d5c546b \n"""
JSON_LOG = """\
{"at":"2026-11-29T03:10:50.000+00:00","level":"INFO","logger":"mme.app.life","message":"ready"}
{"at":"2026-11-29T03:10:51.000+00:00","logger":"mme.gateway.access","message":"…",\
"target_model":"a.tar.gz","total_ms":500.0,"outcome":"warm","model_ms":4.0}
{"at":"2026-11-29T03:10:51.500+00:00","logger":"model_handler","message":"hm",\
"target_model":"a.tar.gz"}
{"at":"2026-11-29T03:10:51.000+00:00","logger":"mme.gateway.access","message":"…",\
"target_model":"b.tar.gz","total_ms":0.0,"outcome":"cold","model_ms":2.0}
"""


def read(content: str | bytes):
    data = content.encode() if isinstance(content, str) else content
    return found(data).trace


def found(data: bytes):
    return read_trace(io.BufferedReader(io.BytesIO(data)), "requests")


def named(trace):
    return [trace.names[number] for number in trace.model]


@pytest.mark.parametrize(
    "content",
    [
        "at,target_model\n2026-01-01T00:00:02Z,b\n2026-01-01T00:00:00Z,a\n",
        "Timestamp;Model\n1767225602;b\n1767225600;a\n",
        "model\ttime\nb\t1767225602000\na\t1767225600000\n",
        '{"timestamp": 1767225602.0, "model": "b"}\n{"timestamp": 1767225600, "model": "a"}\n',
    ],
    ids=["iso", "seconds, semicolons", "milliseconds, tabs", "lines of JSON"],
)
def test_columns_are_recognised_and_requests_sorted(content):
    trace = read(content)
    assert named(trace) == ["a", "b"]
    assert trace.at_s.tolist() == [0.0, 2.0]
    assert trace.service_s is None


def test_gzip_and_a_byte_order_mark_do_not_matter():
    trace = read(gzip.compress("\N{ZERO WIDTH NO-BREAK SPACE}at,model\n1,a\n".encode()))
    assert named(trace) == ["a"]


def test_a_time_that_one_row_lacks_is_the_median_of_the_others():
    trace = read("at,model,model_ms\n1,a,10\n2,b,\n3,a,30\n4,a,20\n")
    assert trace.service_s.tolist() == pytest.approx([0.01, 0.02, 0.03, 0.02])


def test_the_log_as_text_has_invocations_alone_at_the_time_they_came():
    trace = read(TEXT_LOG)
    assert named(trace) == ["en/DocSim.tar.gz", "en/DocSim-2.tar.gz"]
    assert np.diff(trace.at_s)[0] == pytest.approx(50.99 - 49.5)
    assert trace.service_s.tolist() == pytest.approx([0.0017, 0.002])


WHERE = "at,target_model,outcome,fetch_ms,queue_ms,load_ms,model_ms,total_ms\n"
ROWS = "1,a,first,300,0,10,30,341\n2,a,warm,0,0,0,20,21\n3,a,warm,0,0,0,22,23\n4,a,,0,9,0,0,9\n"
LINES = """\
{"at": 1, "model": "a", "outcome": "first", "fetch_ms": 300, "queue_ms": 0, "load_ms": 10,\
 "model_ms": 30, "total_ms": 341}
{"at": 2, "model": "a", "outcome": "warm", "fetch_ms": 0, "queue_ms": 0, "load_ms": 0,\
 "model_ms": 20, "total_ms": 21}
{"at": 3, "model": "a", "outcome": "warm", "fetch_ms": 0, "queue_ms": 0, "load_ms": 0,\
 "model_ms": 22, "total_ms": 23}
"""
LOGGED = "".join(
    f"2026-11-29 03:10:5{at},000 INFO    mme.gateway.access: POST /invocations 200 {total} ms"
    f" 1d76657d-bbb0-48f8-adbf-db209d5c5469 a {rest}\n"
    for at, total, rest in (
        (1, "341.0", "first fetch 300.0 queue 0.0 load 10.0 model 30.0"),
        (2, "21.0", "warm queue 0.0 load 0.0 model 20.0"),
        (3, "23.0", "warm queue 0.0 load 0.0 model 22.0"),
    )
)


@pytest.mark.parametrize("content", [WHERE + ROWS, LINES, LOGGED], ids=["csv", "jsonl", "log"])
def test_a_trace_that_tells_where_time_went_tells_what_models_cost(content):
    costs = found(content.encode()).costs
    cost = costs.of("a")
    assert cost.first_s == pytest.approx(0.3)
    assert (cost.load_s, cost.cold_service_s) == ((0.01,), (0.03,))
    assert cost.service_s == pytest.approx((0.02, 0.022))
    assert costs.overhead_s == pytest.approx(0.001)


def test_a_trace_of_times_and_models_tells_nothing_of_costs():
    assert found(b"at,model,model_ms\n1,a,4\n").costs is None


def test_the_log_as_json_has_invocations_alone_at_the_time_they_came():
    trace = read(JSON_LOG)
    assert named(trace) == ["a.tar.gz", "b.tar.gz"]
    assert np.diff(trace.at_s)[0] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("at,model\n1,a\nyesterday,b\n", "requests line 3: 'yesterday' is no time"),
        ("at,model\n1,a\n2\n", "requests line 3: too few columns in '2'"),
        ("at,model\n1,\n", "requests line 2: no model in '1,'"),
        ("at,model,model_ms\n1,a,-4\n", "requests line 2: '-4' is no duration"),
        ("at,model,model_ms\n1,a,1e12\n", "requests line 2: '1e12' is no duration"),
        ("when,what\n1,a\n", "requests line 1: no column of times"),
        ('{"at": 1, "model": "a"}\n{"at": 1}\n', "requests line 2: no model in '{\"at\": 1}'"),
        ('{"at": 1, "model": "a"}\n[]\n', "requests line 2: no object in '[]'"),
        ("", "requests has no request"),
        (b"\xff\xfe", "requests is no text"),
        (gzip.compress(b"at,model\n1,a\n" * 99, mtime=0)[:-20], "requests: Compressed file ended"),
    ],
)
def test_an_error_names_the_line_and_what_stood_there(content, said):
    with pytest.raises(TraceError) as error:
        read(content)
    assert str(error.value).startswith(said)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (gzip.compress(b"at,model\n1,a\n")[:10] + b"\xff" * 20, "requests: .*invalid"),
        ('{"at": 1' + "0" * 400 + ', "model": "a"}', "line 1: int too large"),
        ('{"at": 1, "model": "a", "model_ms": [1]}', "line 1: float"),
        ("x" * 200_000 + ",b\n1,2\n", "line 1: no column of times"),
        ("at,model\n1," + "z" * 2**21 + "\n", "line 2 has more than 1048576"),
        (gzip.compress(b"at,model\n1,a\n" + b" " * 2**22), "line 3 has more than 1048576"),
        (JSON_LOG.replace("500.0", "null"), "line 2: no total_ms"),
        (TEXT_LOG.replace("200 ", "200 " + "9" * 400), "line 1: '99+' is no duration"),
        (TEXT_LOG.replace("2026-11", "2026-13"), "line 1: '2026-13.*' is no time"),
    ],
    ids=[
        "broken gzip",
        "number",
        "duration",
        "head",
        "field",
        "line without an end",
        "logged without its time",
        "logged for longer than numbers go",
        "logged in no month",
    ],
)
def test_what_cannot_be_read_is_told_whatever_it_is(content, words):
    with pytest.raises(TraceError, match=words):
        read(content)


def test_a_head_may_have_empty_lines_before_it():
    assert named(read("\n\nat,model\n1,a\n\n2,b\n")) == ["a", "b"]
