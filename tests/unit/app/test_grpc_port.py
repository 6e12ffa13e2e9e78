"""Whether gRPC is answered: what must be there for it, what ends a start, who is at its port."""

from __future__ import annotations

import socket
import sys
from typing import Any

import grpc
import pytest
from tritonclient.grpc import service_pb2 as pb

from mme.app.grpc_port import bound_grpc, check_grpc
from mme.app.life import EndpointFailed
from mme.app.listening import answering, check_settings, listeners, warn_of_unused
from mme.core.settings import Settings, SettingsError
from mme.doctor.listening import check_listening
from mme.endpoints.serving import Serving
from mme.gateway import BodyBudget, make_app, make_grpc_exchange
from mme.gateway.open_inference import open_inference_routes
from tests.support.certificates import authority
from tests.support.fake_engine import FakeStandalone

LIVE = "/inference.GRPCInferenceService/ServerLive"


async def run(work):
    return work()


@pytest.fixture(scope="module")
def signer():
    return authority()


def live(channel):
    call = channel.unary_unary(LIVE, response_deserializer=pb.ServerLiveResponse.FromString)
    return call(b"", wait_for_ready=True, timeout=10)


class Started:
    """An endpoint that listens, without anything behind it."""

    def __init__(self, settings):
        self.settings = settings
        engine: Any = FakeStandalone()
        bodies = BodyBudget(1 << 20)
        serving = Serving(settings, engine)
        self.app = make_app(settings, engine, serving, bodies)
        routes = open_inference_routes(settings, engine, serving, lambda _: False)
        self.calls = make_grpc_exchange(settings, routes, bodies)

    def answering(self, at):
        return answering(self.app, at, run, 0.5, self.calls)


@pytest.mark.parametrize("name", ["grpc", "tritonclient", "google.protobuf"])
def test_without_the_extra_the_start_says_so(monkeypatch, name):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(SettingsError, match=r"^MME_GRPC_PORT=8001: gRPC needs the extra mme\[grpc"):
        check_settings(Settings(grpc_port=8001))
    check_settings(Settings())


async def test_what_is_installed_and_does_not_fit_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "mme.gateway.grpc.server", None)
    with pytest.raises(SettingsError, match=r"MME_GRPC_PORT=0: what the extra mme\[grpc\] install"):
        bound_grpc(Settings(grpc_port=0), None)


def test_signatures_alone_let_nobody_in(tmp_path):
    keys, tokens = tmp_path / "keys", tmp_path / "tokens"
    with pytest.raises(SettingsError, match=r"MME_SIGV4_KEYS_FILE .* MME_TOKENS_FILE"):
        check_grpc(Settings(grpc_port=1, sigv4_keys_file=keys))
    check_grpc(Settings(grpc_port=1, sigv4_keys_file=keys, tokens_file=tokens))
    check_grpc(Settings(sigv4_keys_file=keys))


def test_a_container_says_that_it_has_none(caplog):
    warn_of_unused(Settings(grpc_port=8001), "multi-model container")
    assert "MME_GRPC_PORT" in caplog.text


async def test_it_is_answered_while_http_is_and_the_start_tells_where():
    settings = Settings(port=0, grpc_port=0)
    started = Started(settings)
    with listeners(settings) as at:
        async with started.answering(at) as address:
            assert address.grpc.startswith("127.0.0.1:")
            async with grpc.aio.insecure_channel(address.grpc) as channel:
                assert (await live(channel)).live
    host, _, port = address.grpc.partition(":")
    with socket.socket() as probe:
        assert probe.connect_ex((host, int(port)))


async def test_a_port_that_is_taken_ends_the_start():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen(1)
        settings = Settings(port=0, grpc_port=other.getsockname()[1])
        said = r"MME_GRPC_PORT\): Address already in use"
        with pytest.raises(EndpointFailed, match=said), listeners(settings):
            pytest.fail("it was bound")


async def test_it_speaks_tls_by_the_files_there_are(tmp_path, signer):
    paths = signer.signs("server").written(tmp_path, "server")
    settings = Settings(port=0, grpc_port=0, tls_cert=paths[0], tls_key=paths[1])
    started = Started(settings)
    with listeners(settings) as at:
        async with started.answering(at) as address:
            place = address.grpc.replace("127.0.0.1", "localhost")
            trusted = grpc.ssl_channel_credentials(signer.pem)
            async with grpc.aio.secure_channel(place, trusted) as channel:
                assert (await live(channel)).live
            other = authority()
            other.signs("renewed").written(tmp_path, "server")
            assert at.tls is not None
            at.tls.look()
            renewed = grpc.ssl_channel_credentials(other.pem)
            async with grpc.aio.secure_channel(place, renewed) as channel:
                assert (await live(channel)).live


async def test_clients_need_a_certificate_where_the_settings_say_so(tmp_path, signer):
    paths = signer.signs("server").written(tmp_path, "server")
    trusted = tmp_path / "ca.crt"
    trusted.write_bytes(signer.pem)
    settings = Settings(
        port=0, grpc_port=0, tls_cert=paths[0], tls_key=paths[1], tls_client_ca=trusted
    )
    started = Started(settings)
    client = signer.signs("client")
    with listeners(settings) as at:
        async with started.answering(at) as address:
            place = address.grpc.replace("127.0.0.1", "localhost")
            shown = grpc.ssl_channel_credentials(signer.pem, client.key_pem, client.pem)
            async with grpc.aio.secure_channel(place, shown) as channel:
                assert (await live(channel)).live
            none = grpc.ssl_channel_credentials(signer.pem)
            async with grpc.aio.secure_channel(place, none) as channel:
                with pytest.raises(grpc.aio.AioRpcError) as error:
                    await channel.unary_unary(LIVE)(b"")
                assert error.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_the_doctor_looks_at_the_port():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen(1)
        port = other.getsockname()[1]
        found = check_listening(Settings(port=0, grpc_port=port))
    assert [each.verdict for each in found] == ["ok", "failed"]
    assert found[1].check == "port: gRPC"
    assert "choose another one in MME_GRPC_PORT" in found[1].advice
    assert [each.verdict for each in check_listening(Settings(port=0, grpc_port=0))] == ["ok", "ok"]
