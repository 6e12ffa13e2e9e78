"""The list of what is here and what the store offers."""

from __future__ import annotations

import asyncio
import logging

import pytest

from mme.core.errors import NotOffered, StoreUnavailable, TargetNotFound
from mme.residency import listing
from mme.residency.views import State
from tests.support.fake_engine import until
from tests.unit.residency.test_store_models import A, B, C, running


async def listed(bench, **query):
    """Targets and states of all pages of one model each."""
    after, found = "", []
    for _ in range(20):
        page = await bench.models.listing(after, 1, **query)
        found += [(view.target, view.state) for view in page.views]
        after = page.next_after
        if not after:
            return found, page
    raise AssertionError("the list does not end")


async def test_what_is_here_and_what_the_store_offers_are_one_list(tmp_path):
    async with running(tmp_path) as bench:
        bench.shelf.put(C)
        await bench.ask(B)
        assert (await listed(bench))[0] == [
            (A, State.IN_STORE), (B, State.READY), (C, State.IN_STORE),
        ]  # fmt: skip
        assert (await listed(bench, prefix="de/"))[0] == [(C, State.IN_STORE)]
        assert (await listed(bench, states={State.READY}))[0] == [(B, State.READY)]
        assert (await listed(bench, states={State.IN_STORE}))[0] == [
            (A, State.IN_STORE), (C, State.IN_STORE),
        ]  # fmt: skip


async def test_a_store_that_does_not_answer_leaves_what_is_here(tmp_path):
    async with running(tmp_path) as bench:
        await bench.ask(B)
        bench.shelf.is_down = True
        found, page = await listed(bench)
        assert found == [(B, State.READY)]
        assert "no route" in page.store_error


async def test_what_the_store_has_no_more_is_marked(tmp_path):
    async with running(tmp_path) as bench:
        await bench.ask(B)
        bench.shelf.remove(B)
        page = await bench.models.listing("", 10)
        assert [(view.target, view.gone_from_store) for view in page.views] == [
            (A, False), (B, True),
        ]  # fmt: skip


async def test_what_failed_is_shown_with_its_reason(tmp_path):
    async with running(tmp_path) as bench:
        bench.shelf.put_archive(A, b"no archive")
        with pytest.raises(Exception, match=A):
            await bench.ask(A)
        view = next(iter((await bench.models.listing("", 1)).views))
        assert view.state is State.IN_STORE
        assert "cannot bring in a.tar.gz" in view.error
        assert view.error_at is not None


async def test_a_failed_update_is_counted_and_the_former_version_serves(tmp_path):
    async with running(tmp_path, store_check_s=0.0) as bench:
        await bench.ask(A)
        bench.shelf.put_archive(A, b"no archive")
        await bench.ask(A)
        await until(lambda: "update_failed" in bench.models.observed.events.counts)
        view, why = await bench.models.explain(A)
        assert view.state is State.READY
        assert view.failed_updates >= 1
        assert "serves on from its former version" in why


async def test_a_pinned_model_is_pinned_until_it_is_unpinned(tmp_path):
    async with running(tmp_path) as bench:
        await bench.ask(A)
        assert bench.models.pin(A).pinned
        assert not bench.models.unpin(A).pinned


async def test_no_bucket_is_looked_into_for_who_only_looks(tmp_path):
    async with running(tmp_path) as bench:
        bench.shelf.is_down = True  # asking it would say that there is no route
        with pytest.raises(NotOffered) as refused:
            await bench.models.explain("s3://others/secret.tar.gz")
        assert "only while it is here" in refused.value.message


async def test_a_name_that_is_no_model_makes_neither_an_event_nor_a_warning(tmp_path, caplog):
    async with running(tmp_path) as bench:
        with caplog.at_level("INFO"), pytest.raises(TargetNotFound):
            await bench.ask("no/such.tar.gz")
        told = [each for each in caplog.records if "no/such.tar.gz" in each.getMessage()]
        assert told
        assert max(each.levelno for each in told) == logging.INFO
        assert not bench.models.observed.events.latest(target="no/such.tar.gz", limit=1)


async def test_a_store_that_hangs_takes_few_threads_however_often_it_is_listed(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(listing, "STORE_S", 0.05)
    asked: list[asyncio.Future[object]] = []

    def hanging(_):
        asked.append(asyncio.get_running_loop().create_future())
        return asked[-1]

    async with running(tmp_path) as bench:
        views = bench.models._views
        made = listing.Listing(bench.shelf, hanging, views, lambda *_: [])
        pages = await asyncio.gather(
            *(made.page("", 1, states={State.IN_STORE, State.READY}) for _ in range(20))
        )
        assert all("has not answered" in page.store_error for page in pages)
        assert len(asked) == listing.AT_A_TIME
        for each in asked:
            each.set_exception(StoreUnavailable("s3://x", "too late"))
        monkeypatch.setattr(listing, "STORE_S", 5)
        again = asyncio.ensure_future(made.page("", 1))
        await until(lambda: len(asked) == listing.AT_A_TIME + 1)
        asked[-1].set_result([])
        assert (await again).store_error == ""
