"""Where the endpoint listens: sockets that are taken, left behind or in the way, and their end."""

from __future__ import annotations

import asyncio
import socket
import stat
from pathlib import Path

import pytest

from mme.app import listening as listening_module
from mme.app.life import EndpointFailed
from mme.app.listening import answering, bound_socket, listeners, warn_of_unused
from mme.core.settings import Settings, SettingsError
from mme.endpoints.serving import Serving
from mme.gateway import BodyBudget, make_app
from tests.support.certificates import authority, client_context
from tests.support.fake_engine import FakeStandalone, until


async def run(work):
    """Run blocking work beside the event loop."""
    return await asyncio.to_thread(work)


def app_of(settings: Settings, engine: FakeStandalone):
    return make_app(settings, engine, Serving(settings, engine), BodyBudget(1 << 20))


async def ask(reader, writer, path: str) -> bytes:
    """The status line of a GET."""
    head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    writer.write(head.encode())
    answer = await reader.read()
    writer.close()
    return answer.partition(b"\r\n")[0]


@pytest.fixture(scope="module")
def signer():
    return authority()


class TestUnixSocket:
    """`MME_SOCKET`."""

    def test_owner_and_group_may_connect_and_it_is_gone_at_the_end(self, tmp_path):
        path = tmp_path / "mme.sock"
        with bound_socket(path):
            assert stat.S_IMODE(path.stat().st_mode) == 0o660
            assert path.is_socket()
        assert not path.exists()

    def test_one_that_was_left_behind_is_replaced(self, tmp_path):
        path = tmp_path / "mme.sock"
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(str(path))
        assert path.is_socket()
        with bound_socket(path), socket.socket(socket.AF_UNIX) as caller:
            caller.connect(str(path))

    def test_one_that_somebody_listens_on_is_left_alone_though_nobody_answers_yet(self, tmp_path):
        path = tmp_path / "mme.sock"
        with bound_socket(path):
            with (
                pytest.raises(EndpointFailed, match=r"MME_SOCKET.*another process listens there"),
                bound_socket(path),
            ):
                pass
            with socket.socket(socket.AF_UNIX) as caller:
                caller.connect(str(path))

    @pytest.mark.parametrize("kind", ["file", "folder", "link to a file"])
    def test_what_is_no_socket_is_left_alone(self, tmp_path, kind):
        path = tmp_path / "mme.sock"
        if kind == "folder":
            path.mkdir()
        elif kind == "file":
            path.write_text("precious")
        else:
            (tmp_path / "precious").write_text("")
            path.symlink_to(tmp_path / "precious")
        with pytest.raises(EndpointFailed, match="that is no socket"), bound_socket(path):
            pass
        assert path.exists()

    def test_a_path_that_is_too_long_is_said_to_be(self, tmp_path):
        path = tmp_path / ("s" * 108)
        with pytest.raises(EndpointFailed, match="at most 107 bytes"), bound_socket(path):
            pass

    def test_a_folder_that_is_not_there_is_named(self, tmp_path):
        path = tmp_path / "none" / "mme.sock"
        with (
            pytest.raises(EndpointFailed, match=r"none/mme\.sock.*No such file"),
            bound_socket(path),
        ):
            pass

    def test_one_that_somebody_else_has_put_there_meanwhile_stays(self, tmp_path):
        path = tmp_path / "mme.sock"
        with bound_socket(path):
            path.unlink()
            path.write_text("another's")
        assert path.read_text() == "another's"

    async def test_who_asks_while_it_starts_is_answered_when_it_is_there(self, tmp_path):
        settings = Settings(socket=tmp_path / "mme.sock")
        with listeners(settings) as at:
            early = await asyncio.open_unix_connection(settings.socket)
            async with answering(app_of(settings, FakeStandalone()), at, run, 1) as address:
                assert b" 200 " in await ask(*early, "/ping")
                assert address.url == f"unix://{settings.socket}"
                assert address.curl == f"--unix-socket {settings.socket} http://localhost"


class TestPorts:
    """A port for management, and TLS on both."""

    @pytest.fixture
    def secure(self, tmp_path, signer) -> Settings:
        cert, key = signer.signs("server").written(tmp_path, "server")
        return Settings(port=0, management_port=0, tls_cert=cert, tls_key=key)

    async def test_both_speak_tls_and_say_so(self, secure, signer):
        with listeners(secure) as at:
            async with answering(app_of(secure, FakeStandalone()), at, run, 1) as public:
                management = public.management
                assert management is not None
                for address, status in ((public, b" 404 "), (management, b" 200 ")):
                    assert address.url == f"https://127.0.0.1:{address.port}"
                    streams = await asyncio.open_connection(
                        "127.0.0.1", address.port, ssl=client_context(signer)
                    )
                    assert status in await ask(*streams, "/models")

    async def test_files_that_have_changed_are_taken_up_while_it_runs(
        self, secure, signer, tmp_path, monkeypatch
    ):
        monkeypatch.setattr(listening_module, "LOOK_EVERY_S", 0.01)
        with listeners(secure) as at:
            async with answering(app_of(secure, FakeStandalone()), at, run, 1):
                files = at.tls
                assert files is not None
                before = files.context
                signer.signs("renewed").written(tmp_path, "server")
                await until(lambda: files.context is not before)

    async def test_a_socket_speaks_no_tls_though_management_does(self, secure, signer, tmp_path):
        settings = secure.model_copy(update={"socket": tmp_path / "mme.sock"})
        with listeners(settings) as at:
            async with answering(app_of(settings, FakeStandalone()), at, run, 1) as public:
                streams = await asyncio.open_unix_connection(settings.socket)
                assert b" 200 " in await ask(*streams, "/ping")
                assert public.management is not None
                assert public.management.url.startswith("https://")

    def test_a_port_that_is_taken_is_named_by_its_setting(self):
        with socket.create_server(("127.0.0.1", 0)) as other:
            settings = Settings(port=0, management_port=other.getsockname()[1])
            with pytest.raises(EndpointFailed, match="MME_MANAGEMENT_PORT"), listeners(settings):
                pass


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"tls_key": Path("/k")}, "MME_TLS_KEY='/k' says nothing without MME_TLS_CERT"),
        ({"tls_client_ca": Path("/c")}, "MME_TLS_CLIENT_CA='/c' says nothing without"),
        ({"management_host": "::1"}, "MME_MANAGEMENT_HOST='::1' says nothing without"),
        ({"tls_cert": Path("/c"), "socket": Path("/s")}, "TLS is spoken on ports only"),
        ({"tls_cert": Path("/none")}, "MME_TLS_CERT='/none': No such file"),
    ],
)
def test_a_setting_that_would_do_nothing_is_refused(given, said):
    with pytest.raises(SettingsError, match=said), listeners(Settings(**given)):
        pass


def test_a_container_whose_platform_decides_says_what_has_no_effect(caplog):
    warn_of_unused(Settings(management_port=1, tls_cert=Path("/c")), "multi-model container")
    assert "MME_MANAGEMENT_PORT, MME_TLS_CERT: of no effect in a multi-model container" in (
        caplog.text
    )


def test_a_container_with_none_of_them_says_nothing(caplog):
    warn_of_unused(Settings(), "multi-model container")
    assert not caplog.records
