"""Aliases of a real folder store, followed: fake workers, a real disk cache."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from mme.core.errors import (
    ArtifactRejected,
    LoadFailed,
    StoreUnavailable,
    TargetNotFound,
)
from mme.residency.views import State
from tests.unit.residency.test_store_models import LIMITS, running

ONE, TWO = "DocSim-1.tar.gz", "DocSim-2.tar.gz"
QUICK: dict[str, Any] = {"store_check_s": 0.0}


def say(bench, folder="", **ids):
    path = bench.root.parent / "store" / folder / "models-id.json"
    path.parent.mkdir(exist_ok=True)
    fresh = path.with_name("fresh")
    fresh.write_text(json.dumps(ids))
    fresh.replace(path)


async def becomes(is_so, timeout_s=30.0):
    """Return when something is so; threads and files need the time between two looks."""
    async with asyncio.timeout(timeout_s):
        while not is_so():  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0.01)


def known(bench):
    return bench.models.aliases.table.get("DocSim")


def refusal(bench):
    return bench.models.aliases.refusals.of(known(bench).wanted)


async def served(bench, target="DocSim"):
    return (await bench.ask(target)).target


async def test_an_alias_means_the_artifact_with_its_id(tmp_path):
    async with running(tmp_path) as bench:
        bench.shelf.put(ONE)
        say(bench, DocSim="1")
        answer = await bench.ask("DocSim")
        assert (answer.target, answer.version) == (ONE, bench.shelf.find(ONE).version)


async def test_each_folder_has_aliases_of_its_own(tmp_path):
    async with running(tmp_path) as bench:
        bench.shelf.put(ONE)
        bench.shelf.put("de/DocSim-2020-03.tar.gz")
        say(bench, DocSim="1")
        say(bench, "de", DocSim="2020-03")
        assert await served(bench) == ONE
        assert await served(bench, "de/DocSim") == "de/DocSim-2020-03.tar.gz"


async def test_what_ends_as_an_archive_is_no_alias(tmp_path):
    async with running(tmp_path) as bench:
        say(bench, a="1")
        assert await served(bench, "a.tar.gz") == "a.tar.gz"
        with pytest.raises(TargetNotFound):
            await bench.ask("none.tar.gz")


async def test_an_alias_follows_its_file(tmp_path):
    async with running(tmp_path, **QUICK) as bench:
        for target in (ONE, TWO):
            bench.shelf.put(target)
        say(bench, DocSim="1")
        assert await served(bench) == ONE
        say(bench, DocSim="2")
        await becomes(lambda: bench.models.aliases.table.meaning("DocSim") == TWO)
        assert await served(bench) == TWO
        say(bench, DocSim="1")
        await becomes(lambda: bench.models.aliases.table.meaning("DocSim") == ONE)


async def test_requests_go_to_the_old_version_until_the_new_one_is_loaded(tmp_path):
    async with running(tmp_path, **QUICK) as bench:
        for target in (ONE, TWO):
            bench.shelf.put(target)
        say(bench, DocSim="1")
        await bench.ask("DocSim")
        bench.admission.close()
        say(bench, DocSim="2")
        await bench.admission.reached.wait()
        assert await served(bench) == ONE
        bench.admission.open()
        await becomes(lambda: bench.models.aliases.table.meaning("DocSim") == TWO)
        assert not (await bench.ask("DocSim")).cold


async def test_a_version_that_is_refused_leaves_the_old_one_and_is_told_once(tmp_path, caplog):
    async with running(tmp_path, **QUICK) as bench:
        bench.shelf.put(ONE)
        bench.shelf.put(TWO, LIMITS.archive_bytes + 1)
        say(bench, DocSim="1")
        await bench.ask("DocSim")
        say(bench, DocSim="2")
        await becomes(lambda: "goes on meaning" in caplog.text)
        checks = bench.models.aliases.table.folder_of("DocSim")
        before = checks.checked_at_s
        await becomes(lambda: checks.checked_at_s > before + 0.2)  # two checks at least
        assert caplog.text.count("goes on meaning DocSim-1.tar.gz") == 1
        assert bench.shelf.opened.count(TWO) <= 1
        assert await served(bench) == ONE
        assert known(bench).wanted == TWO
        assert "refused" in refusal(bench).reason
        bench.shelf.put(TWO)
        await becomes(lambda: bench.models.aliases.table.meaning("DocSim") == TWO)


async def test_a_version_that_does_not_load_leaves_the_old_one(tmp_path):
    async with running(tmp_path, **QUICK) as bench:
        for target in (ONE, TWO):
            bench.shelf.put(target)
        say(bench, DocSim="1")
        await bench.ask("DocSim")
        bench.workers.failures.append(LoadFailed(TWO, 500, "no"))
        say(bench, DocSim="2")
        await becomes(lambda: refusal(bench) is not None)
        assert await served(bench) == ONE


async def test_an_alias_of_an_artifact_that_is_missing_waits_for_it(tmp_path):
    async with running(tmp_path, **QUICK) as bench:
        bench.shelf.put(ONE)
        say(bench, DocSim="1")
        await bench.ask("DocSim")
        say(bench, DocSim="2")
        await becomes(lambda: refusal(bench) is not None)
        bench.shelf.put(TWO)
        await becomes(lambda: bench.models.aliases.table.meaning("DocSim") == TWO)


async def test_an_unknown_alias_names_all_that_was_tried(tmp_path):
    async with running(tmp_path) as bench:
        with pytest.raises(TargetNotFound, match=r"<store>/DocSim.*no <store>/models-id\.json"):
            await bench.ask("DocSim")
        say(bench, Other="1")
        with pytest.raises(TargetNotFound, match=r"models-id\.json has no such alias"):
            await bench.ask("DocSim")
        say(bench, DocSim="7")
        with pytest.raises(
            TargetNotFound, match=r"tried <store>/DocSim-7\.tar\.gz, which the alias 'DocSim'"
        ):
            await bench.ask("DocSim")


async def test_a_new_alias_is_found_at_once(tmp_path):
    async with running(tmp_path) as bench:
        bench.shelf.put(ONE)
        say(bench, Other="1")
        with pytest.raises(TargetNotFound):
            await bench.ask("DocSim")
        say(bench, Other="1", DocSim="1")
        assert await served(bench) == ONE


async def test_a_file_that_cannot_be_used_is_said_to_and_changes_nothing(tmp_path, caplog):
    async with running(tmp_path, **QUICK) as bench:
        bench.shelf.put(ONE)
        say(bench, DocSim="1")
        await bench.ask("DocSim")
        (tmp_path / "store" / "models-id.json").write_text("{")
        await becomes(lambda: "it is no JSON" in caplog.text)
        assert await served(bench) == ONE
        with pytest.raises(TargetNotFound, match="cannot be used: it is no JSON"):
            await bench.ask("Other")


async def test_an_alias_that_its_file_does_not_name_any_more_ends(tmp_path):
    async with running(tmp_path, **QUICK) as bench:
        bench.shelf.put(ONE)
        say(bench, DocSim="1")
        await bench.ask("DocSim")
        say(bench)
        await becomes(lambda: bench.models.aliases.table.get("DocSim") is None)
        with pytest.raises(TargetNotFound):
            await bench.ask("DocSim")


async def test_while_the_store_does_not_answer_an_alias_means_what_it_meant(tmp_path):
    async with running(tmp_path, **QUICK) as bench:
        bench.shelf.put(ONE)
        say(bench, DocSim="1")
        await bench.ask("DocSim")
        bench.shelf.is_down = True
        assert await served(bench) == ONE


async def test_a_first_version_that_is_refused_is_an_error_of_its_own(tmp_path):
    async with running(tmp_path) as bench:
        bench.shelf.put(ONE, LIMITS.archive_bytes + 1)
        say(bench, DocSim="1")
        with pytest.raises(ArtifactRejected, match=ONE):
            await bench.ask("DocSim")


async def test_managing_by_alias_manages_what_it_means(tmp_path):
    async with running(tmp_path) as bench:
        bench.shelf.put(ONE)
        say(bench, DocSim="1")
        assert (await bench.models.describe("DocSim")).state is State.IN_STORE
        view = await bench.models.load("DocSim")
        assert (view.target, view.state, list(view.aliases)) == (ONE, State.READY, ["DocSim"])
        await bench.models.unload("DocSim")
        assert (await bench.models.describe("DocSim")).state is State.ON_DISK


async def test_many_that_ask_for_an_alias_first_read_its_file_once(tmp_path):
    async with running(tmp_path) as bench:
        bench.shelf.put(ONE)
        say(bench, DocSim="1")
        await asyncio.gather(*(bench.ask("DocSim") for _ in range(10)))
        assert bench.shelf.opened == ["models-id.json", ONE]


async def test_after_a_restart_an_alias_goes_on_with_what_served_until_the_new_one_does(tmp_path):
    async with running(tmp_path, **QUICK) as bench:
        bench.shelf.put(ONE)
        say(bench, DocSim="1")
        await bench.ask("DocSim")
        bench.shelf.put(TWO, LIMITS.archive_bytes + 1)
        say(bench, DocSim="2")
    async with running(tmp_path, **QUICK) as bench:
        assert await served(bench) == ONE
        await becomes(lambda: refusal(bench) is not None)
        assert await served(bench) == ONE
        bench.shelf.put(TWO)
        await becomes(lambda: bench.models.aliases.table.meaning("DocSim") == TWO)


async def test_after_a_restart_without_the_store_an_alias_means_what_it_meant(tmp_path):
    async with running(tmp_path) as bench:
        bench.shelf.put(ONE)
        say(bench, DocSim="1")
        await bench.ask("DocSim")
    async with running(tmp_path) as bench:
        bench.shelf.is_down = True
        assert await served(bench) == ONE
        with pytest.raises(StoreUnavailable):
            await bench.ask("Other")


async def test_what_aliases_of_another_store_meant_is_nothing_here(tmp_path):
    async with running(tmp_path) as bench:
        bench.shelf.put(ONE)
        say(bench, DocSim="1")
        await bench.ask("DocSim")
    async with running(tmp_path, store=tmp_path / "another") as bench:
        bench.shelf.is_down = True
        with pytest.raises(StoreUnavailable):
            await bench.ask("DocSim")


@pytest.mark.parametrize("kept", ["", "[]", "{", '{"store": 1}', "[" * 100_000])
async def test_a_file_of_meanings_that_is_none_is_left(tmp_path, kept):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "aliases.json").write_text(kept)
    async with running(tmp_path) as bench:
        bench.shelf.put(ONE)
        say(bench, DocSim="1")
        assert await served(bench) == ONE
    assert "DocSim-1" in (tmp_path / "cache" / "aliases.json").read_text()
