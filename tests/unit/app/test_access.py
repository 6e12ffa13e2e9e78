"""What the settings say of who may, and what is said at the start."""

from __future__ import annotations

import pytest

from mme.app.access import buckets_of, gate_of
from mme.core.settings import Settings, SettingsError
from mme.store.buckets import BucketNotNamed

SECRET = "a-secret-of-many-characters"


@pytest.fixture
def callers(tmp_path):
    path = tmp_path / "callers"
    path.touch(0o600)
    path.write_text(f"ci * {SECRET}")
    return path


HERE = [
    {"host": "127.0.0.1"}, {"host": "::1"}, {"host": "localhost"}, {"host": "127.8.0.1"},
    {"host": "0.0.0.0", "socket": "/run/mme.sock"},
]  # fmt: skip
ELSEWHERE = [
    {"host": "0.0.0.0"}, {"host": "::"}, {"host": "10.0.0.1"}, {"host": "serving.example"},
    {"management_port": 8081, "management_host": "0.0.0.0"},
    {"host": "0.0.0.0", "management_port": 8081, "socket": "/run/mme.sock"},
]  # fmt: skip
ANYBODY, PLAIN = "anybody may invoke and manage", "nothing is encrypted"


@pytest.mark.parametrize("settings", HERE)
def test_on_this_machine_anybody_may_and_nothing_is_said(caplog, settings):
    assert gate_of(Settings(**settings)) is None
    assert not caplog.records


@pytest.mark.parametrize("settings", ELSEWHERE)
def test_beyond_this_machine_the_start_says_what_is_off(caplog, settings):
    assert gate_of(Settings(**settings)) is None
    (line,) = caplog.messages
    assert ANYBODY in line
    assert PLAIN in line
    assert (settings.get("management_host") or settings["host"]) in line


@pytest.mark.parametrize("name", ["tokens_file", "sigv4_keys_file"])
def test_where_callers_are_known_only_what_else_is_off_is_said(caplog, callers, name):
    assert gate_of(Settings(host="0.0.0.0", **{name: callers})) is not None
    assert ANYBODY not in caplog.text
    assert PLAIN in caplog.text


def test_where_clients_show_certificates_nothing_is_said(caplog, callers):
    assert gate_of(Settings(host="0.0.0.0", tls_cert=callers, tls_client_ca=callers)) is None
    assert not caplog.records


def test_limits_alone_need_a_gate_too():
    assert gate_of(Settings(rate_limit=1.5)) is not None
    assert gate_of(Settings(concurrency_limit=1)) is not None


@pytest.mark.parametrize("name", ["tokens_file", "sigv4_keys_file"])
def test_a_file_that_cannot_be_used_ends_the_start_and_names_its_variable(callers, name):
    callers.chmod(0o644)
    with pytest.raises(SettingsError, match=f"MME_{name.upper()}=.*callers.*others may read it"):
        gate_of(Settings(**{name: callers}))
    callers.unlink()
    with pytest.raises(SettingsError, match="cannot be read: No such file"):
        gate_of(Settings(**{name: callers}))


def test_the_place_of_answers_need_not_be_listed():
    buckets = buckets_of(Settings(buckets="in,in2/x/", async_output="s3://out/a[b]/"))
    for uri in ("s3://in/x", "s3://in2/x/y", "s3://out/a[b]/x"):
        buckets.check(uri)
    for uri in ("s3://out/ab/x", "s3://out/other", "s3://in2/y"):
        with pytest.raises(BucketNotNamed):
            buckets.check(uri)
