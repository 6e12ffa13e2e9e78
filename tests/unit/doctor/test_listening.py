"""Whether a port is free, and whose it is."""

from __future__ import annotations

import os
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from mme.doctor.listening import check_port, holders, listeners, parse_listeners
from tests.support.endpoint import free_port


@pytest.fixture
def taken():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        yield listener.getsockname()[1]


def test_a_free_port_is_free():
    assert check_port("127.0.0.1", free_port()).verdict == "ok"


def test_any_port_will_do_where_none_is_named():
    assert check_port("127.0.0.1", 0).verdict == "ok"


def test_who_has_a_taken_port_is_told(taken, monkeypatch):
    monkeypatch.setattr("mme.doctor.listening.PATIENCE_S", 0.2)
    finding = check_port("127.0.0.1", taken)
    assert finding.verdict == "failed"
    assert finding.facts["holders"] == [os.getpid()]
    assert f"pid {os.getpid()}" in finding.found
    assert "MME_PORT" in finding.advice


def test_only_those_who_hold_the_socket_are_named(taken):
    assert [each.pid for each in holders(listeners(Path("/proc"), taken))] == [os.getpid()]
    assert holders([]) == []


def test_an_endpoint_of_ours_is_known_by_its_server_header():
    class Ours(BaseHTTPRequestHandler):
        def version_string(self):
            return "mme"

        def log_message(self, *_):
            pass

        def do_GET(self):
            self.send_response(200)
            self.end_headers()

    server = HTTPServer(("127.0.0.1", 0), Ours)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        finding = check_port("127.0.0.1", server.server_address[1])
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert finding.verdict == "ok"
    assert finding.facts["pid"] == os.getpid()


def test_an_address_of_another_machine_is_told():
    finding = check_port("192.0.2.1", free_port())
    assert finding.verdict == "failed"
    assert "MME_HOST" in finding.advice


@pytest.mark.parametrize(
    "table", ["", "head\n", "head\nbroken\n", "head\n 0: 0:ZZ 0 0A 0 0 0 0 0 7\n"]
)
def test_a_table_that_is_not_understood_names_nobody(table):
    assert list(parse_listeners(table, 80)) == []
