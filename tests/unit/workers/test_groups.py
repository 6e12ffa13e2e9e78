"""What is kept of groups of workers goes with them."""

from __future__ import annotations

from mme.workers.groups import WHOLE_LOOK_S
from mme.workers.scaling import STAY_S
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


async def test_of_workers_that_have_long_been_idle_the_outdated_one_goes_not_its_successor(
    tmp_path,
):
    async with running_workers(tmp_path) as bench:
        assert (await bench.ask(bench.model())).status == 200
        bench.clock.skip(STAY_S + 1)
        bench.mms.generation = 2
        bench.template.grow("de")
        await until(lambda: [each.hello.generation for each in bench.mms.workers] == [2])
        await bench.until_there_are(1)
        assert len(bench.folders()) == 2
