"""Files of callers and certificates, and Unix sockets, before an endpoint uses them."""

from __future__ import annotations

import datetime as dt
import socket
import threading

import pytest

from mme.core.settings import Settings
from mme.doctor.guards import check_guards
from mme.doctor.listening import check_listening, check_socket
from tests.support.certificates import authority
from tests.support.endpoint import free_port


@pytest.fixture
def pair(tmp_path):
    certificate, key = authority("ours").signs("here").written(tmp_path, "here")
    return {"tls_cert": certificate, "tls_key": key}


def verdicts(findings):
    return [(each.check, each.verdict) for each in findings]


def test_nothing_is_said_of_what_is_not_set():
    assert check_guards(Settings()) == []


def test_a_certificate_that_ends_soon_and_one_that_has_ended_are_told(pair):
    settings = Settings(**pair)
    assert verdicts(check_guards(settings)) == [("TLS", "warning")]
    long_ago = dt.datetime.now(dt.UTC) - dt.timedelta(days=100)
    assert verdicts(check_guards(settings, long_ago)) == [("TLS", "ok")]
    later = dt.datetime.now(dt.UTC) + dt.timedelta(days=100)
    assert verdicts(check_guards(settings, later)) == [("TLS", "failed")]


def test_a_key_that_is_not_the_certificates_is_told(pair, tmp_path):
    _, other = authority("other").written(tmp_path, "other")
    [finding] = check_guards(Settings(tls_cert=pair["tls_cert"], tls_key=other))
    assert finding.verdict == "failed"
    assert "MME_TLS_KEY" in finding.found


def test_a_file_of_tokens_that_cannot_be_used_is_told(tmp_path):
    [finding] = check_guards(Settings(tokens_file=tmp_path / "none"))
    assert (finding.check, finding.verdict) == ("callers", "failed")
    assert "MME_TOKENS_FILE" in finding.found


def test_a_port_of_management_is_looked_at_as_well():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        port = taken.getsockname()[1]
        found = check_listening(Settings(port=free_port(), management_port=port))
    assert verdicts(found) == [("port", "ok"), ("port: management", "failed")]
    assert "MME_MANAGEMENT_PORT" in found[1].advice


def test_settings_of_listening_that_say_nothing_are_told(tmp_path):
    found = check_listening(Settings(tls_key=tmp_path / "key"))
    assert verdicts(found) == [("port", "failed")]


def test_a_socket_is_free_left_over_or_taken(tmp_path, monkeypatch):
    monkeypatch.setattr("mme.doctor.listening.PATIENCE_S", 0.2)
    path = tmp_path / "s"
    assert check_socket(path).verdict == "ok"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(1)
        assert check_socket(path).verdict == "failed"
    assert "left over" in check_socket(path).found
    assert path.exists()


def test_an_endpoint_of_ours_at_a_socket_is_known(tmp_path):
    path = tmp_path / "s"

    def answer():
        connection, _ = listener.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 200 OK\r\nServer: mme\r\nContent-Length: 0\r\n\r\n")

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(1)
        thread = threading.Thread(target=answer)
        thread.start()
        finding = check_socket(path)
        thread.join()
    assert finding.verdict == "ok"
    assert "endpoint of ours" in finding.found


@pytest.mark.parametrize("name", ["none/s", "x" * 200])
def test_a_place_no_socket_can_be_at_is_told(tmp_path, name):
    assert check_socket(tmp_path / name).verdict == "failed"


def test_something_else_at_the_place_of_a_socket_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    assert check_listening(Settings(socket=tmp_path / "file"))[0].verdict == "failed"
