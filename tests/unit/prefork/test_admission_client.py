"""The gateway's reading of an admission's end: whatever was written, it is findings or an error."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import math
import signal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mme.cache.admission import AdmissionJob
from mme.cache.extract import ExtractionLimits
from mme.core.artifact import Findings
from mme.core.errors import ArtifactRejected, EndpointError, LoadFailed, NoDiskSpace
from mme.prefork.admission_client import AdmissionClient, findings_of

JOB = AdmissionJob(
    "m", "s3://b/m", Path("/a"), Path("/c/model"), Path("/c/mapped"),
    ExtractionLimits(1, 2, 3), 64 << 20, 7, checks=True,
)  # fmt: skip
FOUND = dataclasses.asdict(Findings(10, 20, 30, 0.5, is_data=True, pipeline="de"))
DONE = b'{"exit": 0}'


def said(**changes) -> bytes:
    return json.dumps({"findings": FOUND | changes}).encode()


def error(**fields) -> bytes:
    return json.dumps({"error": fields}).encode()


def test_a_job_is_read_back_as_it_was_written():
    assert AdmissionJob.from_json(JOB.to_json()) == JOB
    without = dataclasses.replace(JOB, archive=None)
    assert AdmissionJob.from_json(without.to_json()) == without


def test_findings_are_read():
    assert findings_of(JOB, said(), DONE) == Findings(10, 20, 30, 0.5, pipeline="de")


@pytest.mark.parametrize(
    "changes",
    [
        {"unpacked_bytes": -1}, {"unpacked_bytes": 2**63}, {"own_bytes": "1"},
        {"mapped_bytes": True}, {"mapped_bytes": 1.5}, {"load_s": -1}, {"load_s": math.inf},
        {"load_s": math.nan}, {"load_s": True}, {"load_s": None}, {"is_data": 1},
        {"pipeline": 3}, {"details": []}, {"details": None},
    ],
)  # fmt: skip
def test_findings_with_a_field_that_cannot_be_are_none(changes):
    with pytest.raises(LoadFailed, match="without findings"):
        findings_of(JOB, said(**changes), DONE)


# Records of earlier releases lack `is_code`; what they are of is none.
@pytest.mark.parametrize("field", sorted(FOUND.keys() - {"is_code"}))
def test_findings_without_a_field_are_none(field):
    fields = {name: value for name, value in FOUND.items() if name != field}
    with pytest.raises(LoadFailed):
        findings_of(JOB, json.dumps({"findings": fields}).encode(), DONE)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda values: st.lists(values) | st.dictionaries(st.text(), values),
    max_leaves=10,
)
SHAPED = st.fixed_dictionaries(
    {},
    optional={
        "findings": st.fixed_dictionaries({}, optional=dict.fromkeys(FOUND, JSON_VALUES)),
        "error": st.fixed_dictionaries(
            {"kind": st.sampled_from(["rejected", "unloadable", "no-disk", "x"])},
            optional=dict.fromkeys(["message", "type", "status"], JSON_VALUES),
        ),
    },
)
ANYTHING = st.binary() | (JSON_VALUES | SHAPED).map(lambda value: json.dumps(value).encode())
ENDINGS = st.binary() | st.integers().map(lambda code: json.dumps({"exit": code}).encode())


@given(outcome=ANYTHING, ending=ENDINGS | st.just(DONE))
def test_whatever_is_written_it_is_findings_or_an_error_of_the_endpoint(outcome, ending):
    with contextlib.suppress(EndpointError):
        assert isinstance(findings_of(JOB, outcome, ending), Findings)


def test_nesting_that_exhausts_the_parser_is_no_finding():
    with pytest.raises(LoadFailed):
        findings_of(JOB, b"[" * 500_000, DONE)


def test_errors_are_told_with_the_facts_of_the_job():
    with pytest.raises(ArtifactRejected, match=r"s3://b/m.*odd"):
        findings_of(JOB, error(kind="rejected", message="odd"), DONE)
    with pytest.raises(NoDiskSpace, match="the cache's folder for s3://b/m"):
        findings_of(JOB, error(kind="no-disk"), DONE)
    fields = {"type": "T", "message": "odd", "status": 503}
    with pytest.raises(LoadFailed) as caught:
        findings_of(JOB, error(kind="unloadable", **fields), DONE)
    assert (caught.value.target, caught.value.status) == ("m", 503)
    assert json.loads(caught.value.body) == fields | {"target_model": "m"}


@pytest.mark.parametrize("status", [200, "500", None, 10**9, True])
def test_an_error_with_a_status_that_is_none_is_a_500(status):
    with pytest.raises(LoadFailed) as caught:
        findings_of(JOB, error(kind="unloadable", status=status), DONE)
    assert caught.value.status == 500


def ended(code) -> bytes:
    return json.dumps({"exit": code}).encode()


def test_an_end_before_time_outweighs_whatever_was_said():
    with pytest.raises(ArtifactRejected, match="more than 7 s"):
        findings_of(JOB, said(), ended(-signal.SIGXCPU))
    for code in (-signal.SIGKILL, 107):
        with pytest.raises(LoadFailed, match="more than 64 MiB") as caught:
            findings_of(JOB, said(), ended(code))
        assert caught.value.status == 507
    with pytest.raises(LoadFailed, match="SIGSEGV"):
        findings_of(JOB, said(), ended(-signal.SIGSEGV))
    with pytest.raises(LoadFailed, match="code 3"):
        findings_of(JOB, said(), ended(3))


def test_without_a_process_it_is_unavailable():
    with pytest.raises(LoadFailed, match=r"No process.*EAGAIN") as caught:
        findings_of(JOB, b"", b'{"exit": null, "reason": "EAGAIN"}')
    assert caught.value.status == 503


class Templates:
    """A template's socket whose every connection gets the next of some replies."""

    def __init__(self, path: Path, replies: list[bytes]) -> None:
        self.path, self.replies = path, replies
        self.asked = self.ups = 0
        self.jobs: list[AdmissionJob] = []

    async def is_up(self) -> None:
        self.ups += 1

    @contextlib.asynccontextmanager
    async def running(self):
        async with await asyncio.start_unix_server(self._serve, self.path):
            yield AdmissionClient(self.path, self.is_up, retry_s=0)

    async def _serve(self, reader, writer):
        self.jobs.append(AdmissionJob.from_json((await reader.readline()).decode()))
        self.asked += 1
        writer.write(self.replies[min(self.asked, len(self.replies)) - 1])
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        writer.close()


GOOD = said() + b"\n\n" + DONE + b"\n"


@pytest.mark.parametrize("broken", [b"", said(), said() + b"\n", said() + b'\n{"ex'])
async def test_a_job_whose_template_goes_away_is_given_to_the_next(tmp_path, broken):
    templates = Templates(tmp_path / "s", [broken, broken, GOOD])
    async with templates.running() as client:
        assert (await client.admit(JOB)).unpacked_bytes == 10
    assert templates.jobs == [JOB] * 3
    assert templates.ups == 3


async def test_after_three_templates_it_gives_up(tmp_path):
    templates = Templates(tmp_path / "s", [b""])
    async with templates.running() as client:
        with pytest.raises(LoadFailed, match="again and again") as caught:
            await client.admit(JOB)
    assert (templates.asked, caught.value.status) == (3, 503)


async def test_without_a_socket_it_gives_up_as_well(tmp_path):
    client = AdmissionClient(tmp_path / "none", Templates(tmp_path, []).is_up, retry_s=0)
    with pytest.raises(LoadFailed):
        await client.admit(JOB)


async def test_too_many_words_are_not_read_to_their_end(tmp_path):
    templates = Templates(tmp_path / "s", [b"x" * (8 << 20)])
    async with templates.running() as client:
        with pytest.raises(LoadFailed, match="too many words"):
            await client.admit(JOB)


async def test_half_a_line_before_the_end_does_no_harm(tmp_path):
    reply = b'{"findings": {"unp\n' + ended(-signal.SIGKILL) + b"\n"
    async with Templates(tmp_path / "s", [reply]).running() as client:
        with pytest.raises(LoadFailed, match="64 MiB"):
            await client.admit(JOB)
