"""What is kept of groups of workers goes with them."""

from __future__ import annotations

from mme.workers.groups import WHOLE_LOOK_S
from tests.support.fake_engine import until
from tests.support.workers import running_workers


async def test_a_model_whose_own_worker_died_is_forgotten(tmp_path):
    async with running_workers(tmp_path, isolation="model") as bench:
        model = bench.model()
        assert (await bench.ask(model)).status == 200
        groups = bench.workers._groups
        assert list(groups._own_artifacts) == [model.name]
        await bench.mms.workers[0].die()
        await bench.until_there_are(0)
        bench.clock.skip(WHOLE_LOOK_S)
        await until(lambda: not groups._own_artifacts)
        assert (await bench.ask(model)).status == 200
