"""TLS on real sockets: what is answered, who is turned away, and who keeps nobody waiting."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl

import aiohttp
import pytest

from mme.gateway import connections as connections_module
from mme.gateway.connections import Patience
from mme.gateway.exchange import Exchange
from mme.gateway.service_errors import SERVICE_ERRORS
from mme.gateway.single import SingleSurface
from mme.gateway.tls import TlsFiles, TlsPaths
from tests.support.certificates import authority, client_context
from tests.support.fake_engine import Answer, served, until

MOST = 8
CLIENT_HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
"""The first bytes of a long one."""
ASK = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"


@pytest.fixture(scope="module")
def signer():
    return authority()


@pytest.fixture
def paths(tmp_path, signer) -> TlsPaths:
    return TlsPaths(*signer.signs("server").written(tmp_path, "server"))


@pytest.fixture
def quick(monkeypatch):
    """A look every few milliseconds."""
    monkeypatch.setattr(connections_module, "LOOK_EVERY_S", 0.005)


@pytest.fixture
def secured(settings, sole, bodies, paths, signer):
    """Serves with TLS; yields the door, the port, and a client that trusts it."""

    @contextlib.asynccontextmanager
    async def serve(files: TlsFiles | None = None, *, needs_certificate=False, **patience):
        routes = SingleSurface(settings, sole).routes()
        exchange = Exchange(routes, SERVICE_ERRORS, bodies, needs_certificate=needs_certificate)
        door = exchange.server(Patience(**{"connections": 9} | patience))
        files = files or TlsFiles(paths)
        door.speak_tls(lambda: files.context)
        async with (
            served(door) as running,
            aiohttp.ClientSession(
                f"https://127.0.0.1:{running.port}",
                connector=aiohttp.TCPConnector(ssl=client_context(signer)),
            ) as client,
        ):
            yield door, running.port, client

    return serve


async def ended(reader) -> bytes:
    """What came until the server closed."""
    try:
        return await asyncio.wait_for(reader.read(), 5)
    except (ConnectionError, ssl.SSLError):
        return b""


async def test_requests_are_answered_one_after_the_other_on_a_connection(secured, sole):
    async with secured() as (door, _, client):
        for body in (b"x", b"y" * (512 << 10), b""):
            async with client.post("/invocations", data=body) as answer:
                assert answer.status == 200
            assert sole.asked[-1].body == body
        assert len(door.connections) == 1


async def test_a_large_answer_comes_whole(secured, sole):
    sole.answer = Answer(body=bytes(range(256)) * (16 << 10))
    async with (
        secured() as (_, _, client),
        client.post("/invocations", data=b"x") as answer,
    ):
        assert await answer.read() == sole.answer.body


async def test_a_large_answer_to_a_client_that_reads_slowly_comes_whole(
    secured, sole, signer, caplog
):
    sole.answer = Answer(body=b"x" * (8 << 20))
    async with secured() as (_, port, _client):
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=client_context(signer), limit=1024
        )
        writer.write(ASK % 1 + b"x")
        await reader.readuntil(b"\r\n\r\n")
        read = 0
        while read < 8 << 20:
            read += len(await reader.read(1 << 16))
        writer.close()
    assert read == 8 << 20
    assert not [each for each in caplog.records if each.levelno >= logging.ERROR]


async def test_who_speaks_plain_http_is_told_to_speak_tls(secured):
    async with (
        secured() as (_, port, _),
        aiohttp.ClientSession() as plain,
        plain.get(f"http://127.0.0.1:{port}/ping") as answer,
    ):
        assert answer.status == 400
        assert "https://" in await answer.text()
        assert answer.headers["Connection"] == "close"


async def test_older_versions_than_tls_1_2_are_not_spoken(secured, signer):
    old = client_context(signer)
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        old.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    async with secured() as (_, port, _):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.open_connection("127.0.0.1", port, ssl=old)


async def test_a_new_certificate_is_for_new_connections_and_open_ones_stay(
    secured, paths, signer, sole
):
    files = TlsFiles(paths)
    async with secured(files) as (_, port, client):
        async with client.get("/ping") as answer:
            assert answer.status == 200
        renewed = signer.signs("renewed")
        renewed.written(paths.certificate.parent, "server")
        files.look()
        async with client.get("/ping") as answer:  # on the connection that is open
            assert answer.status == 200
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client_context(signer))
        shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        assert ssl.DER_cert_to_PEM_cert(shown).encode() == renewed.pem
        writer.close()


@pytest.mark.hostile("HTTP")
@pytest.mark.parametrize(
    "sent",
    [b"", CLIENT_HELLO[:1], CLIENT_HELLO, CLIENT_HELLO + b"x" * 99],
    ids=["silent", "a byte", "a head", "half a hello"],
)
async def test_who_never_shakes_hands_is_left_after_a_while(secured, quick, sent):
    async with secured(head_s=0.02) as (door, port, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        assert await ended(reader) == b""
        await until(lambda: not door.open_count)
        writer.close()


@pytest.mark.hostile("HTTP")
@pytest.mark.parametrize("sent", [b"", CLIENT_HELLO], ids=["silent", "half a hello"])
async def test_however_many_do_not_shake_hands_others_get_through(secured, sent):
    async with secured(connections=MOST) as (_, port, client):
        first = [await asyncio.open_connection("127.0.0.1", port) for _ in range(5 * MOST)]
        for _, writer in first:
            writer.write(sent)
        async with client.get("/ping") as answer:
            assert answer.status == 200
        await until(lambda: sum(not r.at_eof() and r.exception() is None for r, _ in first) <= MOST)
        for _, writer in first:
            writer.close()


@pytest.mark.hostile("HTTP")
@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x00\x05hello",
        b"\x16" * 40_000,
        b"\x16\x03\x01\xff\xff" + b"\x00" * 70_000,
        b"\x15\x03\x03\x00\x02\x02\x28",
        b"\x00",
        b"GET /ping HTTP/1.1\r\n\r\n",
        b"\xff" * 100_000,
    ],
    ids=["hello", "16s", "long record", "alert", "zero", "plain", "ffs"],
)
async def test_what_is_no_handshake_ends_its_connection_and_nothing_else(secured, caplog, sent):
    caplog.set_level(logging.INFO)
    async with secured() as (door, port, client):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with contextlib.suppress(ConnectionError):
            writer.write(sent)
            await writer.drain()
        await ended(reader)
        writer.close()
        await until(lambda: not door.open_count)
        async with client.get("/ping") as answer:
            assert answer.status == 200
    told = [each for each in caplog.records if "TLS" in each.message]
    assert told
    assert not any(each.levelno >= logging.WARNING for each in caplog.records)


@pytest.mark.hostile("HTTP")
async def test_an_answer_that_nobody_reads_is_given_up_and_counts_until_then(
    secured, sole, bodies, quick, signer
):
    sole.answer = Answer(body=b"x" * (32 << 20))
    async with secured(reading_s=1.0) as (_, port, client):
        _reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=client_context(signer), limit=1024
        )
        writer.write(ASK % 1 + b"x")
        await until(lambda: bodies.held_bytes >= 32 << 20)
        async with client.post("/invocations", data=b"x") as answer:
            assert answer.status == 503
        await until(lambda: not bodies.held_bytes)
        writer.close()


async def test_a_client_that_goes_without_a_word_is_forgotten(secured, signer):
    async with secured() as (door, port, _):
        plain = socket.create_connection(("127.0.0.1", port))
        plain.setblocking(False)
        tls = client_context(signer)
        _, writer = await asyncio.open_connection(sock=plain, ssl=tls, server_hostname="localhost")
        await until(lambda: len(door.connections) == 1)
        writer.transport.abort()
        await until(lambda: not door.open_count)


async def test_at_the_end_nobody_who_shakes_hands_still_is_waited_for(secured):
    async with secured() as (door, port, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(CLIENT_HELLO)
        await until(lambda: door.open_count)
    assert await ended(reader) == b""
    writer.close()


class TestClientCertificates:
    """`MME_TLS_CLIENT_CA`."""

    @pytest.fixture
    def files(self, tmp_path, paths, signer):
        trusted = tmp_path / "ca.crt"
        trusted.write_bytes(signer.pem)
        return TlsFiles(TlsPaths(paths.certificate, paths.key, trusted))

    async def test_who_shows_none_is_answered_about_health_only(self, secured, files):
        async with secured(files, needs_certificate=True) as (_, _, client):
            async with client.get("/ping") as answer:
                assert answer.status == 200
            async with client.post("/invocations", data=b"x") as answer:
                assert answer.status == 403
                assert "MME_TLS_CLIENT_CA" in await answer.text()

    async def test_who_shows_one_of_the_authority_is_served(self, secured, files, signer, tmp_path):
        own = signer.signs("caller", hosts=False).written(tmp_path, "caller")
        async with secured(files, needs_certificate=True) as (_, port, client):
            url = f"https://127.0.0.1:{port}/invocations"
            async with client.post(url, data=b"x", ssl=client_context(signer, own)) as answer:
                assert answer.status == 200

    @pytest.mark.hostile("HTTP")
    async def test_one_of_another_authority_ends_the_handshake(
        self, secured, files, signer, tmp_path
    ):
        own = authority("another").signs("caller").written(tmp_path, "caller")
        async with secured(files, needs_certificate=True) as (_, port, client):
            url = f"https://127.0.0.1:{port}/invocations"
            with pytest.raises(aiohttp.ClientError):
                await client.post(url, data=b"x", ssl=client_context(signer, own))
