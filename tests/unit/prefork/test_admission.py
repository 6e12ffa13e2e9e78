"""Admissions in real forks of a real template: findings, refusals, limits, and untimely ends."""

from __future__ import annotations

import asyncio
import dataclasses
import gzip
import json
import os
import signal
import socket
import tarfile
from pathlib import Path

import pytest

from mme.cache.admission import AdmissionJob
from mme.cache.extract import ExtractionLimits
from mme.core.artifact import Findings
from mme.core.errors import ArtifactRejected, LoadFailed
from mme.prefork.admission_client import ATTEMPTS, AdmissionClient
from tests.support.archives import bomb, tar_gz
from tests.support.endpoint import PROJECT
from tests.support.processes import is_running
from tests.support.scripts import DOUBLING, script
from tests.support.template import running_template, until

MIB = 1024 * 1024
HANDLER = "def handle(data, context):\n    return data and [b'ok' for _ in data]\n"
ARTIFACTS = {"DocSim": None, "Search": None, "TopicalPageRank": "de"}


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    root = tmp_path_factory.mktemp("t")
    handler = root / "tiny_handler.py"
    handler.write_text(HANDLER)
    with running_template(root, handler) as running:
        yield running


@pytest.fixture
def client(template):
    async def is_up() -> None:
        return None

    return AdmissionClient(template.files.admissions, is_up)


@pytest.fixture
def job(tmp_path):
    """Make jobs, each with folders of its own."""

    def make(archive: Path | bytes | None, **changes) -> AdmissionJob:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        (folder / "model").mkdir(parents=True)
        if isinstance(archive, bytes):
            (folder / "archive").write_bytes(archive)
            archive = folder / "archive"
        fields = {
            "target": "m.tar.gz", "uri": "s3://models/m.tar.gz", "archive": archive,
            "model_dir": folder / "model", "scratch_dir": folder / "mapped",
            "limits": ExtractionLimits(100 * MIB, 100 * MIB, 1000),
            "memory_bytes": 1024 * MIB, "cpu_s": 60, "checks": True,
        }  # fmt: skip
        return AdmissionJob(**(fields | changes))

    return make


def sample(name: str) -> Path:
    return PROJECT / "artifacts" / f"{name}.tar.gz"


def slow_archive() -> bytes:
    """Small, and minutes of work that leaves one folder."""
    folder = tarfile.TarInfo("folder")
    folder.type = tarfile.DIRTYPE
    return gzip.compress(folder.tobuf() * 400_000, compresslevel=1)


def slow(job):
    return job(slow_archive(), limits=ExtractionLimits(100 * MIB, 10**10, 10**9))


def children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found]


def reads_archive(pid: int) -> bool:
    try:
        links = [descriptor.readlink() for descriptor in Path(f"/proc/{pid}/fd").iterdir()]
    except OSError:
        return False
    return any("archive" in link.name for link in links)


def exists(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def open_descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


async def under_way(template, times: int = 1) -> list[int]:
    """The forks that do an admission, once they have begun to unpack."""
    for _ in range(2000):
        busy = [pid for pid in children(template.process.pid) if reads_archive(pid)]
        if len(busy) >= times:
            return busy
        await asyncio.sleep(0.005)
    raise AssertionError("no admission began")


@pytest.mark.parametrize("name", ARTIFACTS)
async def test_a_sample_is_unpacked_checked_and_converted(client, job, name):
    wanted = job(sample(name))
    findings = await client.admit(wanted)
    assert findings.details["family"] == name
    assert findings.pipeline == ARTIFACTS[name]
    assert findings.is_data
    assert findings.load_s > 0
    files = [path for path in wanted.model_dir.rglob("*") if path.is_file()]
    assert findings.unpacked_bytes == sum(path.stat().st_size for path in files)
    mapped = [path.stat().st_size for path in wanted.scratch_dir.glob("*")]
    assert findings.mapped_bytes == findings.unpacked_bytes + sum(mapped)
    assert 0 < findings.own_bytes < 64 * MIB


async def test_code_is_admitted_without_running(client, job, tmp_path):
    ran = tmp_path / "0" / "ran"
    wanted = job(None)
    script(wanted.model_dir, f"open({str(ran)!r}, 'w').close()\n{DOUBLING}")
    findings = await client.admit(wanted)
    assert (findings.is_code, findings.is_data) == (True, False)
    assert findings.details["functions"] == ["model_fn", "predict_fn"]
    script(wanted.model_dir, "def model_fn(")
    with pytest.raises(LoadFailed, match="syntax error, line 1"):
        await client.admit(wanted)
    assert not ran.exists()


@pytest.mark.parametrize("wrong", [{"is_code": "yes"}, {"is_code": True, "is_data": True}])
def test_findings_that_contradict_themselves_are_not_believed(wrong):
    said = dataclasses.asdict(Findings(1, is_data=False)) | wrong
    with pytest.raises(TypeError, match="is_code"):
        Findings.from_json(said)


def test_findings_of_earlier_releases_say_nothing_of_code():
    said = dataclasses.asdict(Findings(1))
    del said["is_code"]
    assert Findings.from_json(said) == Findings(1)


async def test_an_unpacked_folder_is_admitted_as_it_is(client, job):
    first = job(sample("DocSim"))
    from_archive = await client.admit(first)
    from_folder = await client.admit(job(None, model_dir=first.model_dir))
    assert from_folder.details == from_archive.details
    assert from_folder.unpacked_bytes == from_archive.unpacked_bytes


async def test_for_a_handler_of_somebody_else_an_artifact_is_only_unpacked(client, job):
    wanted = job(tar_gz({"weights": b"12345"}), checks=False)
    findings = await client.admit(wanted)
    assert (findings.unpacked_bytes, findings.is_data) == (5, False)
    assert not wanted.scratch_dir.exists()


async def test_a_broken_archive_is_refused_by_its_name(client, job):
    with pytest.raises(ArtifactRejected, match=r"s3://models/m\.tar\.gz.*gzip"):
        await client.admit(job(b"no gzip"))


async def test_an_archive_that_is_no_model_cannot_be_loaded(client, job):
    with pytest.raises(LoadFailed) as caught:
        await client.admit(job(tar_gz({"x.txt": b"x"})))
    assert (caught.value.target, caught.value.status) == ("m.tar.gz", 500)
    assert json.loads(caught.value.body)["type"] == "ArtifactError"


async def test_what_unpacks_to_too_much_is_refused(client, job):
    with pytest.raises(ArtifactRejected, match="larger than"):
        await client.admit(job(bomb(50 * MIB), limits=ExtractionLimits(MIB, MIB, 10)))


async def test_what_converts_to_too_much_is_refused(client, job):
    bound = ExtractionLimits(MIB, 100_000, 100)  # of 79,416 bytes become 243,000
    with pytest.raises(ArtifactRejected, match="converted"):
        await client.admit(job(sample("TopicalPageRank"), limits=bound))


@pytest.mark.parametrize("memory_bytes", [0, 64 * 1024, MIB])
async def test_what_takes_too_much_memory_is_told_as_507(client, job, memory_bytes):
    with pytest.raises(LoadFailed, match="to be admitted") as caught:
        await client.admit(job(sample("Search"), memory_bytes=memory_bytes))
    assert caught.value.status == 507


async def test_what_takes_too_much_processor_time_is_refused(client, job):
    endless = slow(job)
    limited = dataclasses.replace(endless, cpu_s=1)
    with pytest.raises(ArtifactRejected, match="more than 1 s of processor time"):
        await client.admit(limited)


async def test_one_the_kernel_kills_is_told_as_507_and_the_template_goes_on(client, template, job):
    task = asyncio.create_task(client.admit(slow(job)))
    for _ in range(ATTEMPTS):  # it need not be the artifact's doing, so it is tried again
        (fork,) = await under_way(template)
        os.kill(fork, signal.SIGKILL)
        until(lambda fork=fork: not exists(fork), "its end")
    with pytest.raises(LoadFailed) as caught:
        await task
    assert caught.value.status == 507
    assert (await client.admit(job(sample("DocSim")))).is_data


async def test_cancelling_ends_the_fork(client, template, job):
    task = asyncio.create_task(client.admit(slow(job)))
    (fork,) = await under_way(template)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    until(lambda: not exists(fork), "its end")


async def test_several_go_side_by_side_and_a_worker_starts_meanwhile(client, template, job):
    tasks = [asyncio.create_task(client.admit(slow(job))) for _ in range(2)]
    await under_way(template, 2)
    assert (await client.admit(job(sample("DocSim")))).is_data
    worker = template.launch("meanwhile")
    assert worker.load(template.root, template.handler) == 200
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    worker.mms.close()


async def test_nothing_stays_open_in_the_template(client, template, job):
    await client.admit(job(sample("DocSim")))
    until(lambda: not children(template.process.pid), "the forks' end")
    before = open_descriptors(template.process.pid)
    for _ in range(10):
        await client.admit(job(tar_gz({"x": b"x"}), checks=False))
        with pytest.raises(ArtifactRejected):
            await client.admit(job(b"x"))
    until(lambda: open_descriptors(template.process.pid) == before, "descriptors as before")


@pytest.mark.parametrize("said", [b"", b"\n", b"{}\n", b"x" * 3 * MIB, b'{"archive": 5}\n'])
async def test_whoever_talks_nonsense_is_told_of_an_end_and_harms_nobody(
    client, template, job, said
):
    with socket.socket(socket.AF_UNIX) as rude:
        rude.settimeout(10)
        rude.connect(str(template.files.admissions))
        try:
            rude.sendall(said)
        except BrokenPipeError:
            assert len(said) > MIB
        if said:
            answer = b"".join(iter(lambda: _received(rude), b""))
            assert answer.endswith(b'\n{"exit": 1}\n')
    assert (await client.admit(job(sample("DocSim")))).is_data


def _received(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65536)
    except ConnectionResetError:
        return b""


async def test_fifty_who_say_nothing_keep_nobody_from_being_admitted(client, template, job):
    silent = [socket.socket(socket.AF_UNIX) for _ in range(50)]
    for each in silent:
        each.connect(str(template.files.admissions))
    assert (await client.admit(job(sample("DocSim")))).is_data
    for each in silent:
        each.close()
    until(lambda: not children(template.process.pid), "the forks' end")


async def test_when_the_template_dies_its_admissions_do_and_the_next_one_does_them(tmp_path, job):
    handler = tmp_path / "tiny_handler.py"
    handler.write_text(HANDLER)
    root = tmp_path / "t"
    root.mkdir()
    with running_template(root, handler) as template:
        wanted = slow(job)
        ups = []

        async def is_up() -> None:
            ups.append(template.process.poll())
            if len(ups) > 1:
                template.process.wait(10)
                wanted.archive.write_bytes(sample("DocSim").read_bytes())
                await asyncio.to_thread(template.restart, 2)

        client = AdmissionClient(template.files.admissions, is_up)
        task = asyncio.create_task(client.admit(wanted))
        (fork,) = await under_way(template)
        template.process.kill()
        assert (await task).details["family"] == "DocSim"
        assert len(ups) == 2
        until(lambda: not is_running(fork), "the end of the first fork")
