"""Templates and what they learn: real small processes stand in for them."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import pytest

from mme.app.template import Templates
from mme.core.settings import Settings
from mme.supervise import StartError, owned_pids
from tests.support.fake_engine import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from mme.prefork.files import PreforkFiles

ENDS = ["/bin/sh", "-c", "exit 3"]
STAYS = ["/bin/sleep", "1000"]


@dataclass
class FakeFiles:
    """Commands that only stay, for templates that have what there is of what they should have."""

    there_is: set[str] = field(default_factory=lambda: {"de", "en", "fr"})
    wanted: dict[int, tuple[str, ...]] = field(default_factory=dict)
    program: list[str] = field(default_factory=lambda: STAYS)
    is_slow: bool = False

    def command(
        self, handler: Path, languages: Sequence[str], signs: Path, generation: int
    ) -> list[str]:
        self.wanted[generation] = tuple(languages)
        return self.program

    def loaded(self, generation: int) -> tuple[str, ...] | None:
        if self.is_slow or self.program is ENDS:
            return None
        return tuple(each for each in self.wanted[generation] if each in self.there_is)


def make(files: FakeFiles, tmp_path: Path, **settings: Any) -> Templates:
    return Templates(Settings(**settings), cast("PreforkFiles", files), tmp_path)


@contextlib.asynccontextmanager
async def running(files: FakeFiles, tmp_path: Path) -> AsyncIterator[Templates]:
    templates = make(files, tmp_path)
    async with templates.keeper.running():
        yield templates
        await templates.close()


def pid(templates: Templates) -> int:
    assert templates.keeper.child is not None
    return templates.keeper.child.pid


async def learned(templates: Templates) -> None:
    """Return when nothing is being learned any more."""
    assert templates._learning is not None
    await asyncio.wait({templates._learning})


async def test_the_first_template_has_what_is_preloaded(tmp_path):
    templates = make(FakeFiles(), tmp_path, preload_languages=("de", "en"))
    assert templates.pipelines(templates.generation) == frozenset()
    async with templates.keeper.running():
        await templates.is_up()
        assert templates.generation == 1
        assert templates.pipelines(1) == {"de", "en"}
        assert templates.learn("en")
        assert templates._learning is None


async def test_a_new_generation_that_knows_more_takes_over_and_the_former_one_ends(tmp_path):
    files = FakeFiles()
    async with running(files, tmp_path) as templates:
        former = pid(templates)
        assert templates.learn("en")
        assert templates.generation == 1  # it goes on forking meanwhile
        await learned(templates)
        assert templates.generation == 2
        assert [sorted(templates.pipelines(each)) for each in (1, 2)] == [["de"], ["de", "en"]]
        assert pid(templates) != former
        assert owned_pids() == {pid(templates)}
    assert files.wanted == {1: ("de",), 2: ("de", "en")}


async def test_pipelines_are_learned_one_after_the_other(tmp_path):
    files = FakeFiles()
    async with running(files, tmp_path) as templates:
        for pipeline in ("en", "fr", "en"):
            assert templates.learn(pipeline)
        await learned(templates)
        assert list(files.wanted) == [1, 2]
        assert templates.learn("fr")
        await learned(templates)
        assert templates.pipelines(templates.generation) == {"de", "en", "fr"}


async def test_what_a_new_template_has_not_either_is_learned_in_vain_once(tmp_path):
    files = FakeFiles()
    async with running(files, tmp_path) as templates:
        present = pid(templates)
        assert templates.learn("xx")
        await learned(templates)
        assert not templates.learn("xx")
        assert templates.generation == 1
        assert owned_pids() == {present}
        assert templates.learn("en")
        await learned(templates)
    assert files.wanted[3] == ("de", "en")


@pytest.mark.parametrize("program", [ENDS, ["/no/such/program"]])
async def test_a_new_template_that_does_not_come_up_leaves_the_present_one_in_place(
    tmp_path, program
):
    files = FakeFiles()
    async with running(files, tmp_path) as templates:
        present = pid(templates)
        files.program = program
        assert templates.learn("en")
        await learned(templates)
        # Where no process could be made there may be one later.
        assert templates.learn("en") is (program is not ENDS)
        assert pid(templates) == present
        assert owned_pids() == {present}


async def test_before_it_is_known_what_the_first_template_has_nothing_is_learned(tmp_path):
    files = FakeFiles()
    templates = make(files, tmp_path)
    assert templates.learn("en")
    assert files.wanted == {}


async def test_a_template_that_died_is_followed_by_one_that_has_all_that_was_learned(tmp_path):
    async with running(FakeFiles(), tmp_path) as templates:
        templates.learn("en")
        await learned(templates)
        assert templates.keeper.child is not None
        await templates.keeper.child.process.stop(0.0)
        await until(lambda: templates.generation == 3)
        assert templates.pipelines(3) == {"de", "en"}


async def test_while_no_template_is_up_those_who_need_one_wait(tmp_path):
    files = FakeFiles()
    async with running(files, tmp_path) as templates:
        files.is_slow = True
        assert templates.keeper.child is not None
        await templates.keeper.child.process.stop(0.0)
        await until(lambda: 2 in files.wanted)
        waiting = asyncio.create_task(templates.is_up())
        await asyncio.sleep(0)
        assert not waiting.done()
        files.is_slow = False
        await waiting


async def test_closing_gives_up_what_is_being_learned(tmp_path):
    files = FakeFiles()
    async with running(files, tmp_path) as templates:
        files.is_slow = True
        templates.learn("en")
        await until(lambda: len(owned_pids()) == 2)
        await templates.close()
        assert owned_pids() == {pid(templates)}


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        (FakeFiles(program=ENDS), "ended with code 3 while starting"),
        (FakeFiles(is_slow=True), "was not ready within 0.05 s"),
    ],
)
async def test_a_template_that_does_not_come_up_says_why(tmp_path, files, reason):
    templates = make(files, tmp_path, start_timeout_s=0.05 if files.is_slow else 60)
    with pytest.raises(StartError, match=reason):
        async with templates.keeper.running():
            pass
    await until(lambda: not owned_pids())
