"""The container's health check: asks where the endpoint listens."""

from __future__ import annotations

import http.server
import threading

import pytest

from mme.cli import ping


class Healthy(http.server.BaseHTTPRequestHandler):
    """Answers 200, and says nothing."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/ping" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def port():
    """A server on an address of this machine that is not the usual one."""
    with http.server.HTTPServer(("127.0.0.2", 0), Healthy) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def test_it_asks_the_address_that_is_listened_on(port, monkeypatch):
    monkeypatch.setenv("MME_HOST", "127.0.0.2")
    monkeypatch.setenv("MME_PORT", str(port))
    assert ping.main() == 0


def test_any_address_is_asked_at_the_usual_one(port, monkeypatch, capsys):
    monkeypatch.setenv("MME_HOST", "0.0.0.0")
    monkeypatch.setenv("MME_PORT", str(port))
    assert ping.main() == 1
    assert "refused" in capsys.readouterr().err


def test_a_socket_that_is_not_there_is_said_to_be(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("MME_SOCKET", str(tmp_path / "none.sock"))
    assert ping.main() == 1
    assert "No such file" in capsys.readouterr().err
