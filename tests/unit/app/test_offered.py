"""Which calls are suggested at the start: on what the store has, in the form that it reads."""

from __future__ import annotations

import asyncio
import json
import threading

import pytest

from mme.app.offered import MOST_CALLS, chosen, in_order, look
from mme.core.artifact import Admitted, Findings
from mme.core.errors import StoreUnavailable
from mme.residency.trial import read_sample
from mme.store import open_store
from tests.support.archives import tar_gz


def admitted(folder, target, sample=None, **details):
    folder.mkdir()
    if sample is not None:
        (folder / "sample-request.json").write_text(json.dumps(sample), "utf-8")
    return Admitted("n", target, "1", folder, folder, 1, 0.0, Findings(1, details=details))


async def offered(store, patience_s=5.0):
    return await look(
        store,
        lambda _: None,
        lambda work: asyncio.ensure_future(asyncio.to_thread(work)),
        patience_s,
    )


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "store"
    (root / "de").mkdir(parents=True)
    return root


async def test_targets_of_the_store_are_suggested_in_their_familys_form(folder):
    for name in ("de/DocSim.tar.gz", "my-search-7.tar.gz", "other.tar.gz"):
        (folder / name).write_bytes(tar_gz({"a": b""}))
    found = await offered(open_store(str(folder)))
    assert [each.target for each in found.calls] == ["de/DocSim.tar.gz", "my-search-7.tar.gz"]
    assert found.calls[0].headers == {"Content-Type": "text/csv"}
    assert "Autos" in found.calls[0].body
    assert found.uri == str(folder)


async def test_something_is_suggested_where_no_name_tells_a_family(folder):
    (folder / "x.tar.gz").write_bytes(tar_gz({"a": b""}))
    found = await offered(open_store(str(folder)))
    assert [each.target for each in found.calls] == ["x.tar.gz"]


async def test_nothing_is_suggested_where_there_is_nothing(folder):
    found = await offered(open_store(str(folder)))
    assert (found.calls, found.trouble) == ([], "")


async def test_a_store_that_does_not_answer_in_time_is_not_waited_for():
    class Silent:
        uri = "s3://silent/"
        goes_on = threading.Event()

        def list_after(self, *_):
            self.goes_on.wait(30)
            return []

    found = await offered(Silent(), patience_s=0.05)
    Silent.goes_on.set()
    assert "has not answered" in found.trouble


async def test_a_store_that_refuses_is_told():
    class Refusing:
        uri = "s3://b/"

        def list_after(self, *_):
            raise StoreUnavailable("s3://b/", "403 AccessDenied")

    assert "403 AccessDenied" in (await offered(Refusing())).trouble


async def test_nothing_unforeseen_ends_the_start(caplog):
    class Odd:
        uri = "s3://b/"

        def list_after(self, *_):
            raise RuntimeError("odd")

    assert (await offered(Odd())).trouble == "RuntimeError"
    assert "no calls can be suggested" in caplog.text


def test_an_artifacts_own_sample_comes_before_its_familys_form(tmp_path):
    sample = {"ContentType": "text/plain", "Body": "eine Behauptung"}
    kept = admitted(tmp_path / "m", "a.tar.gz", sample, family="Search", language="de")
    [call] = chosen([("a.tar.gz", kept)])
    assert call.body == "eine Behauptung"
    assert call.headers == {"Content-Type": "text/plain"}
    assert read_sample(kept.model_dir, "a.tar.gz") is not None


@pytest.mark.parametrize("body", ["x" * 1000, "two\nlines", "\x1b[2J"])
def test_a_sample_that_is_no_line_to_copy_is_not_shown(tmp_path, body):
    sample = {"ContentType": "text/plain", "Body": body}
    kept = admitted(tmp_path / "m", "a.tar.gz", sample, family="Search", language="de")
    [call] = chosen([("a.tar.gz", kept)])
    assert "Spinat" in call.body


def test_what_its_admission_says_counts_more_than_its_name(tmp_path):
    kept = admitted(tmp_path / "m", "search.tar.gz", family="TopicalPageRank", language="xx")
    [call] = chosen([("search.tar.gz", kept)])
    assert call.family == "TopicalPageRank"


def test_at_most_one_of_each_family_is_suggested():
    targets = ["search-1.tar.gz", "search-2.tar.gz", "docsim.tar.gz", "topicalpagerank.tar.gz"]
    found = chosen([(each, None) for each in targets])
    assert len(found) == MOST_CALLS
    assert len({each.family for each in found}) == MOST_CALLS


def test_what_can_be_typed_and_names_a_language_comes_first():
    assert in_order(["é.tar.gz", "a.tar.gz", "de/a.tar.gz"]) == [
        "de/a.tar.gz", "a.tar.gz", "é.tar.gz",
    ]  # fmt: skip
