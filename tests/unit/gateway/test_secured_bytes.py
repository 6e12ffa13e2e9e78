"""TLS however its bytes are cut, and however its client leaves."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from mme.gateway.connections import Patience
from mme.gateway.exchange import Exchange
from mme.gateway.service_errors import SERVICE_ERRORS
from mme.gateway.single import SingleSurface
from mme.gateway.tls import TlsFiles, TlsPaths
from tests.support.certificates import authority, client_context
from tests.support.fake_engine import Answer, served, until
from tests.support.tls_client import CuttingClient

HEAD = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n%s\r\n"
LAST = b"Connection: close\r\n"
LARGE_BYTES = 3 << 20


@pytest.fixture(scope="module")
def signer():
    return authority()


@pytest.fixture
async def secured(settings, sole, bodies, signer, tmp_path):
    files = TlsFiles(TlsPaths(*signer.signs("server").written(tmp_path, "server")))
    routes = SingleSurface(settings, sole).routes()
    door = Exchange(routes, SERVICE_ERRORS, bodies).server(Patience(9))
    door.speak_tls(lambda: files.context)
    async with served(door) as running:

        async def connect(cut: int = 65536) -> CuttingClient:
            return await CuttingClient.connected(running.port, client_context(signer), cut)

        yield door, connect


@pytest.mark.parametrize("cut", [1, 3, 5, 17, 1000, 16_389, 65_536])
async def test_where_the_network_cuts_makes_no_difference(secured, sole, cut):
    _, connect = secured
    client = await connect(cut)
    body = bytes(range(256)) * (2 if cut < 10 else 200)
    await client.send(HEAD % (len(body), LAST) + body)
    answer = await client.read()
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert sole.asked[-1].body == body
    client.writer.close()


@pytest.mark.hostile("HTTP")
async def test_records_of_one_byte_are_a_request_too(secured, sole):
    _, connect = secured
    client = await connect()
    await client.send(HEAD % (500, LAST) + b"x" * 500, record=1)
    assert (await client.read()).startswith(b"HTTP/1.1 200 ")
    assert sole.asked[-1].body == b"x" * 500
    client.writer.close()


async def test_requests_sent_ahead_are_answered_in_turn(secured, sole):
    _, connect = secured
    client = await connect()
    await client.send((HEAD % (1, b"") + b"a") + (HEAD % (1, LAST) + b"b"))
    assert (await client.read()).count(b"HTTP/1.1 200 ") == 2
    assert [each.body for each in sole.asked] == [b"a", b"b"]
    client.writer.close()


async def test_a_body_that_comes_faster_than_it_is_read_arrives_whole(secured, sole, settings):
    _, connect = secured
    client = await connect()
    body = b"y" * settings.max_body_bytes
    await client.send(HEAD % (len(body), LAST) + body)
    assert (await client.read()).startswith(b"HTTP/1.1 200 ")
    assert sole.asked[-1].body == body
    client.writer.close()


async def test_an_answer_is_whole_though_its_connection_ends_with_it(secured, sole):
    sole.answer = Answer(body=b"z" * LARGE_BYTES)
    _, connect = secured
    client = await connect()
    await client.send(HEAD % (1, LAST) + b"x")
    answer = await client.read()
    assert answer.partition(b"\r\n\r\n")[2] == sole.answer.body
    client.writer.close()


@pytest.mark.hostile("HTTP")
async def test_a_goodbye_in_the_middle_of_a_body_ends_the_request(secured, sole, bodies):
    door, connect = secured
    client = await connect()
    await client.send(HEAD % (1000, b"") + b"x")
    await until(lambda: bodies.held_bytes)
    await client.say_goodbye()
    await until(lambda: not door.open_count and not bodies.held_bytes)
    assert not sole.asked
    client.writer.close()


@pytest.mark.hostile("HTTP")
async def test_bytes_that_were_changed_on_the_way_end_the_connection(secured):
    door, connect = secured
    client = await connect()
    client.writer.write(b"\x17\x03\x03\x00\x20" + b"\x00" * 32)
    await until(lambda: not door.open_count)
    client.writer.close()


@pytest.mark.hostile("HTTP")
async def test_what_comes_after_the_last_request_is_no_request(secured, sole):
    sole.answer = Answer(body=b"z" * LARGE_BYTES)
    door, connect = secured
    client = await connect()
    await client.send(HEAD % (1, LAST) + b"x")
    await until(lambda: sole.asked)
    with contextlib.suppress(ConnectionError, TimeoutError):
        async with asyncio.timeout(1):
            await client.send(b"w" * LARGE_BYTES)
    client.writer.transport.abort()
    await until(lambda: not door.open_count)
    assert len(sole.asked) == 1
