"""The queue on moto's SQS, over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from mme.jobs.asynchronous.request import State
from mme.jobs.asynchronous.sqs import QueueUnavailable, Sqs
from mme.jobs.asynchronous.sqs_address import queue_address
from mme.jobs.asynchronous.sqs_queue import SqsQueue
from tests.support.s3 import running_s3
from tests.support.sqs import ACCOUNT, REGION, made_queue
from tests.unit.jobs.asynchronous.queue_contract import (
    PATIENCE_S,
    QueueContract,
    add,
    claim,
    claimed,
    ids,
    request,
)

SHORT_LEASE_S, LONG_LEASE_S = 3, 600


@pytest.fixture(scope="module")
def server():
    with running_s3() as running:
        yield running


@pytest.fixture(autouse=True)
def _aws(server, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", server.url)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")


@pytest.fixture
def is_fifo():
    return False


@pytest.fixture
def made(server, is_fifo):
    return made_queue(server.url, is_fifo=is_fifo)


@pytest.fixture
def ended_elsewhere():
    """What S3 would tell of requests, by inference id."""
    return {}


@pytest.fixture
async def opened(ended_elsewhere):
    """Opens the queue at an address as one more endpoint does."""
    queues = []
    with ThreadPoolExecutor(8) as threads:

        def run(work):
            return asyncio.get_running_loop().run_in_executor(threads, work)

        async def open_(address, lease_s=LONG_LEASE_S):
            queue = SqsQueue(
                Sqs(queue_address(address)),
                run,
                lambda request: ended_elsewhere.get(request.inference_id),
                lease_s,
            )
            queues.append(queue)
            return await queue.open()

        yield open_
        for queue in queues:
            await queue.close()


@pytest.fixture
async def queue(opened, made):
    return await opened(made.address)


@pytest.fixture
def again(opened, made):
    return lambda: opened(made.address)


class TestStandardQueue(QueueContract):
    """All that is true of any queue."""


class TestFifoQueue(QueueContract):
    @pytest.fixture
    def is_fifo(self):
        return True

    async def test_a_call_repeated_at_another_endpoint_is_queued_once(self, queue, again):
        now = time.time()
        for each in (queue, await again()):
            await each.add(request(mark="a"), b"", now, now + 60)
        await claimed(queue, {"e": 9}, 1)
        assert await claim(queue, {"e": 9}) == []


async def test_the_url_of_a_queue_names_it_too(opened, made):
    queue = await opened(made.url)
    await add(queue, "1")
    assert ids(await claimed(queue, {"e": 1}, 1)) == ["1"]


async def test_two_endpoints_never_have_the_same_request_at_a_time(queue, again):
    other = await again()
    await add(queue, *map(str, range(20)))
    got = [*await claimed(queue, {"e": 10}, 10), *await claimed(other, {"e": 10}, 10)]
    assert sorted(ids(got), key=int) == [*map(str, range(20))]


async def test_a_lease_is_renewed_for_as_long_as_its_request_runs(opened, made):
    queue = await opened(made.address, SHORT_LEASE_S)
    await add(queue, "1")
    await claimed(queue, {"e": 1}, 1)
    other = await opened(made.address)
    until = time.monotonic() + 2 * SHORT_LEASE_S
    while time.monotonic() < until:
        assert await claim(other, {"e": 1}) == []


async def test_what_an_endpoint_had_that_died_comes_when_its_lease_has_run_out(opened, made):
    sudden = Sqs(queue_address(made.address))
    queue = await opened(made.address)
    await add(queue, "1")
    assert await asyncio.to_thread(sudden.receive, 1, SHORT_LEASE_S)
    (entry,) = await claimed(queue, {"e": 1}, 1)
    assert entry.attempts == 2


async def test_what_comes_after_a_claim_was_given_up_goes_back_at_once(queue, again):
    waiting = asyncio.create_task(claim(queue, {"e": 1}))
    await asyncio.sleep(0)
    waiting.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await waiting
    await add(queue, "1")
    await queue.stop()
    assert ids(await claimed(await again(), {"e": 1}, 1)) == ["1"]


async def test_what_cannot_be_read_goes_to_the_dead_letters(server, opened, caplog):
    made = made_queue(server.url, most_deliveries=1)
    texts = {
        "no json",
        "{}",
        '{"version": 2}',
        '{"version": 1, "request": {"endpoint": 5}, "body": null}',
    }
    for text in texts:
        made.client.send_message(QueueUrl=made.url, MessageBody=text)
    queue = await opened(made.address)
    dead: set[str] = set()
    async with asyncio.timeout(PATIENCE_S):
        while dead != texts:
            assert await claim(queue, {"e": 9}) == []
            dead |= set(made.dead())
    told = [each.getMessage() for each in caplog.records if "cannot be read" in each.getMessage()]
    assert len(told) == len(texts)
    assert any("version 2" in each for each in told)


async def test_the_last_delivery_that_a_queue_allows_is_known_as_such(server, opened):
    made = made_queue(server.url, most_deliveries=2)
    queue = await opened(made.address)
    await add(queue, "1")
    (first,) = await claimed(queue, {"e": 1}, 1)
    await queue.put_back(first, time.time())
    (second,) = await claimed(queue, {"e": 1}, 1)
    assert (first.is_last, second.is_last) == (False, True)


async def test_what_another_endpoint_has_ended_is_told_by_its_objects(queue, ended_elsewhere):
    await add(queue, "1", "2")
    ended_elsewhere["1"] = (State.EXPIRED, "The request expired")
    standing = await queue.standing("e", "1")
    assert (standing.state, standing.reason) == (State.EXPIRED, "The request expired")
    assert (await queue.standing("e", "2")).state is State.QUEUED


async def test_the_depth_is_that_of_the_queue_and_knows_what_others_have(queue, again):
    other = await again()
    await add(queue, "1", "2", "3")
    await claimed(other, {"e": 1}, 1)
    depth = await queue.depth("anything")
    assert depth.waiting + depth.taken == 3
    assert depth.taken >= 1


async def test_the_oldest_of_those_that_are_here_is_known(queue):
    now = time.time()
    await add(queue, "1", at=now)
    await add(queue, "2", at=now + 5)
    await claimed(queue, {"e": 2}, 2)
    assert await queue.oldest("e") == now


async def test_a_queue_that_is_not_there_is_told_by_its_name(opened):
    with pytest.raises(QueueUnavailable, match=r"none.*MME_QUEUE.*no such queue") as refused:
        await opened(f"sqs://{REGION}/{ACCOUNT}/none")
    assert refused.value.is_final


async def test_a_queue_that_does_not_answer_is_waited_for(opened, made, monkeypatch, caplog):
    monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", "http://127.0.0.1:9")
    queue = await opened(made.address)
    assert "it is tried again" in caplog.text
    with pytest.raises(QueueUnavailable, match=made.name):
        await add(queue, "1")


async def test_a_request_that_no_queue_takes_is_refused_with_its_size(queue):
    whole = request(inference_id="x" * 200_000)
    with pytest.raises(Exception, match=r"takes \d+ bytes in the queue; 262144 are allowed"):
        await queue.add(whole, b"x" * 128_000, 0.0, 1.0)
