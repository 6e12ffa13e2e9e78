"""A new artifact becomes what an alias means, if it is fit to: a real folder store and cache."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest

from mme.core.errors import TargetNotFound
from mme.residency.newest import candidates, names_in, order_of
from mme.residency.trial import SampleFailed, read_sample
from mme.store import ArtifactRef
from mme.store.alias_changes import entries_of, meaning_of, roll_back
from tests.support.archives import tar_gz
from tests.unit.residency.test_alias_follower import ONE, TWO, becomes, say, served
from tests.unit.residency.test_store_models import LIMITS, running

THREE = "DocSim-3.tar.gz"


@contextlib.asynccontextmanager
async def deploying(tmp_path, **options):
    """An endpoint on a store whose alias DocSim means the first version."""
    terms: dict[str, Any] = {"store_check_s": 0.0, "deploy": "latest"} | options
    async with running(tmp_path, **terms) as bench:
        bench.shelf.put(ONE)
        say(bench, DocSim="1")
        yield bench


def meant(bench):
    return meaning_of(bench.shelf, "DocSim")


async def looked(bench, times=3):
    """The folder was listed so often since."""
    seen = bench.shelf.listed + times
    await becomes(lambda: bench.shelf.listed >= seen)


async def test_a_new_artifact_is_tried_and_becomes_what_the_alias_means(tmp_path):
    async with deploying(tmp_path) as bench:
        assert await served(bench) == ONE
        bench.shelf.put(TWO)
        await becomes(lambda: meant(bench) == "2")
        await becomes(lambda: bench.models.aliases.table.meaning("DocSim") == TWO)
        assert not (await bench.ask("DocSim")).cold
        assert [entry.how for entry in entries_of(bench.shelf, "DocSim")] == ["found", "deploy"]


async def test_an_alias_that_nobody_asked_for_is_deployed_too(tmp_path):
    async with deploying(tmp_path) as bench:
        bench.shelf.put(TWO)
        await becomes(lambda: meant(bench) == "2")
        assert await served(bench) == TWO


async def test_an_artifact_that_is_refused_leaves_the_old_one_until_it_changes(tmp_path, caplog):
    async with deploying(tmp_path) as bench:
        await bench.ask("DocSim")
        bench.shelf.put(TWO, LIMITS.archive_bytes + 1)
        await becomes(lambda: "is not deployed" in caplog.text)
        await looked(bench)
        assert caplog.text.count("is not deployed") == 1
        assert (meant(bench), await served(bench)) == ("1", ONE)
        bench.shelf.put(TWO)
        await becomes(lambda: meant(bench) == "2")


async def test_a_model_that_does_not_answer_its_sample_is_not_deployed(tmp_path, caplog):
    async with deploying(tmp_path) as bench:
        await bench.ask("DocSim")
        sample = {"ContentType": "text/csv", "Body": "a,b"}
        bench.shelf.put_archive(TWO, tar_gz({"sample-request.json": json.dumps(sample).encode()}))
        ask = bench.workers.ask

        async def fail(artifact, headers, body, terms, timing):
            if body != b"a,b":
                return await ask(artifact, headers, body, terms, timing)
            assert headers["Content-Type"] == "text/csv"
            return (await ask(artifact, headers, body, terms, timing)).__class__(
                400, {}, b"bad input", 0.0
            )

        bench.workers.ask = fail
        await becomes(lambda: "is not deployed" in caplog.text)
        assert "answers its own sample-request.json with 400: bad input" in caplog.text
        assert (meant(bench), await served(bench)) == ("1", ONE)


async def test_a_model_is_tried_by_way_of_what_asks_others_for_it(tmp_path):
    asked = []

    def through(invoke, ask, declared):
        async def noted(target, headers, body, terms):
            asked.append((target, body))
            return await invoke(target, headers, body, terms)

        return noted

    async with deploying(tmp_path, through=through) as bench:
        sample = {"ContentType": "text/csv", "Body": "a,b"}
        bench.shelf.put_archive(TWO, tar_gz({"sample-request.json": json.dumps(sample).encode()}))
        await becomes(lambda: meant(bench) == "2")
        assert (TWO, b"a,b") in asked


async def test_an_artifact_of_another_kind_is_not_deployed(tmp_path, caplog):
    async with deploying(tmp_path) as bench:
        await bench.ask("DocSim")
        bench.kinds[TWO] = "Other"
        bench.shelf.put(TWO)
        await becomes(lambda: "is not deployed" in caplog.text)
        assert "its family is 'Other', that of DocSim-1.tar.gz is 'Test'" in caplog.text
        assert meant(bench) == "1"


async def test_what_was_rolled_back_is_not_deployed_again(tmp_path):
    async with deploying(tmp_path) as bench:
        bench.shelf.put(TWO)
        await becomes(lambda: meant(bench) == "2")
        roll_back(bench.shelf, "DocSim")
        await looked(bench)
        assert meant(bench) == "1"
    async with running(tmp_path / "again", store=tmp_path / "store", deploy="latest",
                       store_check_s=0.0) as bench:  # fmt: skip
        await looked(bench)
        assert meant(bench) == "1"
        bench.shelf.put(THREE)
        await becomes(lambda: meant(bench) == "3")


async def test_without_the_setting_nothing_is_deployed_and_nothing_listed(tmp_path):
    async with deploying(tmp_path, deploy="") as bench:
        await bench.ask("DocSim")
        bench.shelf.put(TWO)
        folder = bench.models.aliases.table.folder_of("DocSim")
        before = folder.checked_at_s
        await becomes(lambda: folder.checked_at_s > before)
        assert (meant(bench), bench.shelf.listed) == ("1", 0)


async def test_where_the_store_takes_no_writes_the_endpoint_alone_deploys(tmp_path, caplog):
    async with deploying(tmp_path) as bench:
        await bench.ask("DocSim")
        bench.shelf.is_read_only = True
        bench.shelf.put(TWO)
        await becomes(lambda: bench.models.aliases.table.meaning("DocSim") == TWO)
        assert "on this endpoint only" in caplog.text
        assert meant(bench) == "1"
        await looked(bench)
        assert caplog.text.count("on this endpoint only") == 1
        bench.shelf.is_read_only = False
        bench.shelf.put(THREE)
        say(bench, DocSim="3")
        await becomes(lambda: bench.models.aliases.table.meaning("DocSim") == THREE)


async def test_a_name_that_no_file_has_means_its_newest_artifact_here(tmp_path):
    async with running(tmp_path, store_check_s=0.0, deploy="latest") as bench:
        bench.shelf.put(ONE)
        bench.shelf.put(TWO)
        assert await served(bench) == TWO
        bench.shelf.put(THREE)
        await becomes(lambda: bench.models.aliases.table.meaning("DocSim") == THREE)
        assert not (tmp_path / "store" / "models-id.json").exists()
        with pytest.raises(TargetNotFound):
            await bench.ask("Doc")


def ref(name, modified_at=0.0):
    return ArtifactRef(name, "v", 1, name, modified_at)


@pytest.mark.parametrize(
    ("names", "present", "found"),
    [
        ("A-1@1 A-2@2", {"A": "1"}, {"A": "2"}),
        ("A-1@2 A-2@1", {"A": "1"}, {}),
        ("A-9@1 A-10@1", {"A": "9"}, {"A": "10"}),
        ("A-1@1 B-2@2", {"A": "1"}, {}),
        ("A-2@1", {"A": "1"}, {"A": "2"}),
        ("A-1@1 A-de-1@2", {"A": "1", "A-de": "0"}, {"A-de": "1"}),
        ("A-1@1 A-de-1@2", {"A": "1"}, {"A": "de-1"}),
        ("A-@3 -A-1@3 A@3 A-1@1", {"A": "1"}, {}),
        ("A-1@1 A-2@2 A-3@3", {"A": ""}, {"A": "3"}),
    ],
)
def test_the_newest_is_what_was_modified_last(names, present, found):
    refs = []
    for name, at in (each.split("@") for each in names.split()):
        refs.append(ref(f"de/{name}.tar.gz", float(at)))
    assert {each.name: each.id for each in candidates(refs, "de/", present)} == found


def test_ids_are_ordered_as_people_do():
    ids = ["9", "10", "2020-2-1", "2020-10-1", "a", "a1", "a10", "b"]
    assert sorted(ids, key=order_of) == ["a", "a1", "a10", "b", "9", "10", "2020-2-1", "2020-10-1"]


def test_a_name_of_many_hyphens_has_few_names():
    refs = [ref("-".join("a" * 500) + ".tar.gz")]
    assert len(names_in(refs, "")) == 16
    assert candidates(refs, "", {"a": ""}) == []


async def test_names_that_nobody_made_are_not_looked_for_in_the_store_each_time(tmp_path):
    async with running(
        tmp_path, store_check_s=1000.0, failure_memory_s=1000.0, deploy="latest"
    ) as bench:
        bench.shelf.put(ONE)
        for number in range(20):
            with pytest.raises(TargetNotFound):
                await bench.ask(f"none-{number}")
        assert bench.shelf.listed == 1
        assert await served(bench) == ONE


@pytest.mark.parametrize(
    ("said", "headers", "body"),
    [
        ({"Body": "x"}, {}, b"x"),
        ({"ContentType": "text/csv", "Accept": "a/b", "Body": "ü"},
         {"Content-Type": "text/csv", "Accept": "a/b"}, "ü".encode()),
        ({"Body": {"claim": "ü"}}, {"Content-Type": "application/json"},
         '{"claim": "ü"}'.encode()),
    ],
)  # fmt: skip
def test_a_sample_is_an_invocation_in_the_services_words(tmp_path, said, headers, body):
    (tmp_path / "sample-request.json").write_text(json.dumps(said))
    sample = read_sample(tmp_path, "a.tar.gz")
    assert sample is not None
    assert sample.body == body
    assert headers.items() <= dict(sample.headers).items()


def test_an_artifact_needs_no_sample(tmp_path):
    assert read_sample(tmp_path, "a.tar.gz") is None


@pytest.mark.hostile("artifacts")
@pytest.mark.parametrize(
    "said",
    [
        b"", b"[]", b"{}", b"\xff", b"[" * 100_000, b'{"Body": "x", "ContentType": 1}',
        b'{"Body": "x", "Accept": "a\\r\\nb: c"}', b'{"Body": "' + b"x" * 2**20 + b'"}',
    ],
)  # fmt: skip
def test_a_sample_that_is_none_is_said_to(tmp_path, said):
    (tmp_path / "sample-request.json").write_bytes(said)
    with pytest.raises(SampleFailed) as caught:
        read_sample(tmp_path, "a.tar.gz")
    assert caught.value.message.startswith("a.tar.gz is not fit to serve: ")
    assert "sample-request.json" in caught.value.message
