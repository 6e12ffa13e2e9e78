"""What a model says of itself: its artifact comes to this disk for it, and no worker is asked."""

from __future__ import annotations

import json

import pytest

from mme.core.errors import InvalidRequest, StoreUnavailable, TargetNotFound
from mme.residency.views import State
from tests.unit.residency.test_store_models import A, running

FAMILY = {"family": "Test"}


async def test_a_model_of_which_nothing_is_here_is_fetched_and_not_loaded(tmp_path):
    async with running(tmp_path) as bench:
        assert await bench.models.details(A) == FAMILY
        assert bench.page() == ([(A, State.ON_DISK)], False)
        assert await bench.models.details(A) == FAMILY
        assert bench.shelf.opened == [A]


async def test_what_is_on_the_disk_or_in_memory_is_told_without_the_store(tmp_path):
    async with running(tmp_path) as bench:
        await bench.models.load(A)
        bench.shelf.is_down = True
        assert await bench.models.details(A) == FAMILY
        await bench.models.unload(A)
        assert await bench.models.details(A) == FAMILY


async def test_an_alias_tells_what_its_artifact_does(tmp_path):
    async with running(tmp_path) as bench:
        bench.shelf.put("m-7.tar.gz")
        aliases = json.dumps({"m": "7"}).encode()
        (tmp_path / "store" / "models-id.json").write_bytes(aliases)
        assert await bench.models.details("m") == FAMILY
        assert bench.shelf.opened[-1] == "m-7.tar.gz"


async def test_what_is_no_model_is_not_found(tmp_path):
    async with running(tmp_path) as bench:
        for target in ("none", "none.tar.gz"):
            with pytest.raises(TargetNotFound, match="none"):
                await bench.models.details(target)
        for target in ("../a.tar.gz", "s3://bucket/a.tar.gz"):
            with pytest.raises(InvalidRequest, match="not a plain path"):
                await bench.models.details(target)
        bench.shelf.is_down = True
        with pytest.raises(StoreUnavailable):
            await bench.models.details(A)
