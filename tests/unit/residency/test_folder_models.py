"""Models in folders of others: a platform's names, and the one model of a container."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from mme.core.artifact import Findings
from mme.core.errors import (
    AlreadyLoaded,
    ArtifactRejected,
    InvalidRequest,
    LoadFailed,
    ModelNotReady,
    NotLoaded,
    ShuttingDown,
)
from mme.core.names import model_name
from mme.core.settings import Settings
from mme.residency.first_use import folder_of
from mme.residency.folder_models import FolderCatalog, PlatformModels, SoleModel
from mme.workers.engine import NotAdmitted
from tests.support.fake_engine import until
from tests.support.residency import FakeWorkers, Gate

if TYPE_CHECKING:
    from pathlib import Path

    from mme.cache import AdmissionJob

REJECTED = ArtifactRejected("/opt/ml/models/a", "no configuration")


class Bench:
    """A platform's folders, and what is around them."""

    def __init__(self, tmp_path: Path, **settings: Any):
        self.models_dir, self.converted = tmp_path / "models", tmp_path / "converted"
        self.models_dir.mkdir()
        self.converted.mkdir()
        self.settings = Settings(**settings)
        self.workers, self.admission = FakeWorkers(), Gate()
        self.jobs: list[AdmissionJob] = []
        self.failures: list[Exception] = []
        self.catalog = FolderCatalog(self.settings, self.admit, self.converted)
        self.platform = PlatformModels(
            self.settings, self.catalog, self.workers.as_workers(), self.models_dir
        )

    async def admit(self, job: AdmissionJob) -> Findings:
        self.jobs.append(job)
        await self.admission.passed()
        if self.failures:
            raise self.failures.pop(0)
        job.scratch_dir.mkdir(exist_ok=True)
        return Findings(unpacked_bytes=1)

    def folder(self, name: str = "a") -> Path:
        """A folder that the platform has put a model into."""
        folder = self.models_dir / name / "model"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    async def load(self, name: str = "a") -> None:
        await self.platform.load(name, str(self.folder(name)))

    def loading(self, name: str = "a") -> asyncio.Task[None]:
        return asyncio.create_task(self.load(name))

    async def ask(self, name: str = "a"):
        return await self.platform.invoke(name, {}, b"x")

    def own(self, name: str = "a") -> str:
        """From now on this model has workers of its own; the name they know it by."""
        inside = model_name(str(self.folder(name)), "")
        self.workers.own.add(inside)
        return inside


async def a_few_turns() -> None:
    """What can go on without anything else goes on."""
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


async def test_a_loaded_model_answers_and_is_admitted_where_it_lies(bench):
    await bench.load()
    assert (await bench.ask()).status == 200
    (job,) = bench.jobs
    assert (job.archive, job.model_dir) == (None, bench.folder())
    assert job.scratch_dir.is_relative_to(bench.converted)
    assert job.checks
    assert bench.platform.folder("a") == bench.folder()


async def test_a_model_of_the_pool_comes_into_memory_with_its_first_request(bench):
    await bench.load()
    assert bench.workers.loads == []
    assert (await bench.ask()).cold


async def test_a_model_with_a_worker_of_its_own_is_loaded_when_it_has_one(bench):
    inside = bench.own()
    await bench.load()
    assert bench.workers.loads == [inside]
    assert not (await bench.ask()).cold


async def test_a_name_that_is_taken_or_being_loaded_cannot_be_loaded(bench):
    bench.admission.close()
    load = bench.loading()
    await bench.admission.reached.wait()
    with pytest.raises(AlreadyLoaded):
        await bench.load()
    assert bench.platform.page("", 10) == ([], False)
    with pytest.raises(NotLoaded):
        bench.platform.folder("a")
    with pytest.raises(NotLoaded):
        await bench.platform.unload("a")
    bench.admission.open()
    await load
    with pytest.raises(AlreadyLoaded):
        await bench.load()


@pytest.mark.parametrize(
    "url", ["/etc", "relative/model", "{root}/../elsewhere", "{root}/link", "{root}-beside"]
)
async def test_a_folder_that_is_not_the_platforms_is_refused(bench, tmp_path, url):
    for name in ("elsewhere", "models-beside"):
        (tmp_path / name).mkdir()
    (bench.models_dir / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InvalidRequest, match="is no folder in"):
        await bench.platform.load("a", url.format(root=bench.models_dir))
    await bench.load()


@pytest.mark.parametrize(
    "url", ["{root}/none", "{root}/file", "{root}/loop", "{root}/" + "x" * 300]
)
async def test_a_folder_that_is_not_there_is_a_failed_load(bench, url):
    (bench.models_dir / "file").touch()
    (bench.models_dir / "loop").symlink_to("loop")
    with pytest.raises(LoadFailed) as raised:
        await bench.platform.load("a", url.format(root=bench.models_dir))
    assert raised.value.status == 404
    await bench.load()


async def test_a_load_goes_on_when_the_one_that_asked_has_gone(bench):
    bench.admission.close()
    load = bench.loading()
    await bench.admission.reached.wait()
    load.cancel()
    await asyncio.wait({load})
    bench.admission.open()
    await until(lambda: bench.platform.page("", 10)[0])
    assert (await bench.ask()).status == 200


async def test_a_failed_load_frees_its_name_at_once_and_is_tried_again_when_asked(bench):
    bench.failures = [REJECTED]
    with pytest.raises(ArtifactRejected):
        await bench.load()
    with pytest.raises(NotLoaded):
        await bench.ask()
    await bench.load()
    assert (await bench.ask()).status == 200


async def test_a_model_whose_own_worker_does_not_start_is_not_loaded(bench):
    bench.own()
    bench.workers.failures = [LoadFailed("a", 507, "no room")]
    with pytest.raises(LoadFailed):
        await bench.load()
    assert bench.platform.page("", 10) == ([], False)
    await bench.load()


async def test_a_load_that_comes_after_one_was_given_up_is_not_answered_with_its_folder(tmp_path):
    bench = Bench(tmp_path, ready_timeout_s=0.2)
    bench.admission.close()
    with pytest.raises(ModelNotReady):
        await bench.load()
    load = asyncio.create_task(bench.platform.load("a", str(bench.folder("other"))))
    bench.admission.open()
    await load
    assert (await bench.ask()).status == 200
    assert bench.workers.asked[0][0] == model_name(str(bench.folder("other")), "")


async def test_what_is_not_loaded_is_not_there(bench):
    with pytest.raises(NotLoaded):
        await bench.ask()
    with pytest.raises(NotLoaded):
        await bench.platform.unload("a")
    with pytest.raises(NotLoaded):
        bench.platform.folder("a")


async def test_unloading_has_requests_answered_first_and_takes_no_new_ones(bench):
    await bench.load()
    bench.workers.gate.close()
    request = asyncio.create_task(bench.ask())
    await bench.workers.gate.reached.wait()
    unload = asyncio.create_task(bench.platform.unload("a"))
    await until(lambda: not bench.platform.page("", 10)[0])
    with pytest.raises(NotLoaded):
        await bench.ask()
    with pytest.raises(NotLoaded):
        await bench.platform.unload("a")
    assert not unload.done()
    bench.workers.gate.open()
    assert (await request).status == 200
    await unload
    assert bench.workers.in_memory == {}


async def test_a_load_while_the_model_of_that_name_leaves_waits_for_its_end(bench):
    await bench.load()
    await bench.ask()
    bench.workers.dropping.close()
    unload = asyncio.create_task(bench.platform.unload("a"))
    await bench.workers.dropping.reached.wait()
    load = bench.loading()
    await a_few_turns()
    assert len(bench.jobs) == 1
    bench.workers.dropping.open()
    await asyncio.gather(unload, load)
    assert len(bench.jobs) == 2  # the platform may have put something else there
    assert (await bench.ask()).cold


async def test_an_unload_goes_on_when_the_one_that_asked_has_gone(bench):
    await bench.load()
    await bench.ask()
    bench.workers.dropping.close()
    unload = asyncio.create_task(bench.platform.unload("a"))
    await bench.workers.dropping.reached.wait()
    unload.cancel()
    await asyncio.wait({unload})
    load = bench.loading()
    await a_few_turns()
    assert len(bench.jobs) == 1
    bench.workers.dropping.open()
    await load
    assert len(bench.jobs) == 2


async def test_pages_are_in_order_and_say_whether_more_follow(bench):
    for name in ("c", "a", "b"):
        await bench.load(name)
    entire = [(name, bench.folder(name)) for name in "abc"]
    assert bench.platform.page("", 10) == (entire, False)
    assert bench.platform.page("", 3) == (entire, False)
    assert bench.platform.page("", 2) == (entire[:2], True)
    assert bench.platform.page("a", 1) == (entire[1:2], True)
    assert bench.platform.page("aa", 5) == (entire[1:], False)
    assert bench.platform.page("c", 5) == ([], False)


async def test_so_many_models_are_admitted_side_by_side_as_the_settings_say(tmp_path):
    bench = Bench(tmp_path, parallel_loads=2)
    bench.admission.close()
    loads = [bench.loading(name) for name in "abc"]
    await until(lambda: len(bench.jobs) == 2)
    await a_few_turns()
    assert len(bench.jobs) == 2
    bench.admission.open()
    await asyncio.gather(*loads)
    assert len(bench.jobs) == 3


async def test_after_closing_nothing_is_loaded(bench):
    bench.admission.close()
    load = bench.loading()
    await bench.admission.reached.wait()
    await bench.platform.close()
    with pytest.raises(ShuttingDown):
        await load
    with pytest.raises(ShuttingDown):
        await bench.load()


async def test_it_is_ready_when_its_workers_are(bench):
    assert await bench.platform.is_ready(1.0)
    bench.workers.is_up = False
    assert not await bench.platform.is_ready(1.0)


async def test_a_model_whose_converted_form_is_gone_is_admitted_anew(bench):
    await bench.load()
    bench.workers.failures = [NotAdmitted("a")]
    assert (await bench.ask()).status == 200
    assert len(bench.jobs) == 2


async def test_what_was_converted_is_out_of_the_way_of_the_next_admission_at_once(bench):
    bench.catalog.declare("a", bench.folder())
    artifact = await bench.catalog.bring("a")
    place = artifact.scratch_dir.parent
    discarding = asyncio.create_task(bench.catalog.discard(artifact))
    await asyncio.sleep(0)
    assert not place.exists()
    again = await bench.catalog.bring("a")
    await discarding
    assert again.scratch_dir.is_dir()
    assert list(bench.converted.iterdir()) == [place]
    await bench.catalog.discard(again)
    await bench.catalog.discard(again)  # there is nothing any more
    assert list(bench.converted.iterdir()) == []


async def test_a_declared_model_is_admitted_once_and_never_changes(bench):
    bench.catalog.declare("a", bench.folder())
    artifact = await bench.catalog.bring("a")
    assert await bench.catalog.bring("a") is artifact
    assert len(bench.jobs) == 1
    assert bench.catalog.is_here(artifact)
    assert not await bench.catalog.has_changed(artifact)
    bench.folder().rmdir()
    assert not bench.catalog.is_here(artifact)


async def test_what_was_withdrawn_while_it_was_admitted_is_not_remembered(bench):
    bench.catalog.declare("a", bench.folder())
    bench.admission.close()
    bringing = asyncio.create_task(bench.catalog.bring("a"))
    await bench.admission.reached.wait()
    bench.catalog.withdraw("a")
    bench.admission.open()
    assert not bench.catalog.is_here(await bringing)
    with pytest.raises(NotLoaded):
        await bench.catalog.bring("a")


async def test_what_was_converted_is_abandoned_when_neither_name_nor_folder_is_there(bench):
    for name in ("kept", "deleted"):
        bench.catalog.declare(name, bench.folder(name))
        await bench.catalog.bring(name)
    (bench.converted / "strange").mkdir()
    bench.folder("deleted").rmdir()
    assert bench.catalog.abandoned() == [bench.converted / "strange"]
    for name in ("kept", "deleted"):
        bench.catalog.withdraw(name)
    deleted = bench.converted / model_name(str(bench.models_dir / "deleted" / "model"), "")
    assert sorted(bench.catalog.abandoned()) == sorted([deleted, bench.converted / "strange"])


async def test_a_target_is_loaded_by_its_first_request_once_for_all_that_come(bench):
    bench.admission.close()
    folder = bench.models_dir / "de" / "a.tar.gz"
    folder.mkdir(parents=True)
    bench.platform.check_target("de/a.tar.gz")
    asked = [
        asyncio.create_task(bench.platform.invoke_target("de/a.tar.gz", {}, b"x")) for _ in range(3)
    ]
    await bench.admission.reached.wait()
    bench.admission.open()
    assert [(await each).status for each in asked] == [200] * 3
    assert [job.model_dir for job in bench.jobs] == [folder]
    assert bench.platform.page("", 10) == ([("de/a.tar.gz", folder)], False)


async def test_a_target_that_the_platform_has_loaded_is_not_loaded_again(bench):
    await bench.load()
    assert (await bench.platform.invoke_target("a", {}, b"x")).status == 200
    assert len(bench.jobs) == 1


async def test_a_target_that_leaves_is_loaded_again_when_it_is_gone(bench):
    await bench.load()
    await bench.ask()
    bench.workers.dropping.close()
    unload = asyncio.create_task(bench.platform.unload("a"))
    await bench.workers.dropping.reached.wait()
    asked = asyncio.create_task(bench.platform.invoke_target("a", {}, b"x"))
    await a_few_turns()
    assert not asked.done()
    bench.workers.dropping.open()
    await unload
    assert (await asked).cold
    assert len(bench.jobs) == 2


@pytest.mark.parametrize(("remembered_s", "jobs"), [(60.0, 1), (0.0, 2)])
async def test_a_target_whose_load_failed_is_told_so_until_that_is_forgotten(
    tmp_path, remembered_s, jobs
):
    bench = Bench(tmp_path, failure_memory_s=remembered_s)
    bench.folder()
    bench.failures = [REJECTED, REJECTED]
    for _ in range(2):
        with pytest.raises(ArtifactRejected):
            await bench.platform.invoke_target("a", {}, b"x")
    assert len(bench.jobs) == jobs


@pytest.mark.parametrize("target", ["none", "file", "x" * 300, "a\ud800"])
async def test_a_target_without_a_folder_is_not_there(bench, target):
    (bench.models_dir / "file").touch()
    with pytest.raises((NotLoaded, InvalidRequest)):
        bench.platform.check_target(target)
    with pytest.raises((NotLoaded, InvalidRequest)):
        await bench.platform.invoke_target(target, {}, b"x")


async def test_files_lie_in_the_targets_folder_or_alone_in_one_called_model(bench):
    inner = bench.folder()
    assert folder_of(bench.models_dir, "a") == inner
    (inner.parent / "DocSim-params.json").touch()
    assert folder_of(bench.models_dir, "a") == inner.parent


def sole(bench: Bench) -> SoleModel:
    return SoleModel(bench.settings, bench.catalog, bench.workers.as_workers(), bench.folder())


async def test_the_one_model_is_ready_when_it_was_loaded_and_its_workers_are(bench):
    model = sole(bench)
    assert not await model.is_ready(1.0)
    await model.load()
    assert await model.is_ready(1.0)
    assert (await model.invoke({}, b"x")).status == 200
    assert model.workers == bench.workers.side_by_side
    bench.workers.is_up = False
    assert not await model.is_ready(1.0)
    await model.close()


async def test_the_one_model_that_cannot_be_loaded_says_so(bench):
    bench.failures = [REJECTED]
    model = sole(bench)
    with pytest.raises(ArtifactRejected):
        await model.load()
    assert not model.has_worker
    assert not await model.is_ready(1.0)


async def test_any_worker_of_the_pool_will_do_for_the_one_model(bench):
    model = sole(bench)
    await model.load()
    bench.workers.in_memory.clear()
    assert model.has_worker


async def test_the_one_model_with_a_worker_of_its_own_needs_that_one(bench):
    bench.own()
    model = sole(bench)
    await model.load()
    assert model.has_worker
    bench.workers.in_memory.clear()
    assert not model.has_worker
    await model.load()
    assert model.has_worker
    assert len(bench.jobs) == 1
