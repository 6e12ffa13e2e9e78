"""What is said at the start of an endpoint that others reach."""

from __future__ import annotations

import pytest

from mme.app.openness import code_allowed, open_doors
from mme.core.settings import Settings

HERE = [
    {"host": "127.0.0.1"}, {"host": "::1"}, {"host": "localhost"}, {"host": "127.8.0.1"},
    {"host": "0.0.0.0", "socket": "/run/mme.sock"},
]  # fmt: skip
ELSEWHERE = [
    {"host": "0.0.0.0"}, {"host": "::"}, {"host": "10.0.0.1"}, {"host": "serving.example"},
    {"management_port": 8081, "management_host": "0.0.0.0"},
    {"host": "0.0.0.0", "management_port": 8081, "socket": "/run/mme.sock"},
]  # fmt: skip
ANYBODY, PLAIN = "anyone who reaches", "unencrypted"


@pytest.mark.parametrize("settings", HERE)
def test_on_this_machine_anybody_may_and_nothing_is_said(settings):
    assert open_doors(Settings(**settings)) == []


@pytest.mark.parametrize("settings", ELSEWHERE)
def test_beyond_this_machine_what_is_off_is_said(settings):
    said = " ".join(open_doors(Settings(**settings)))
    assert ANYBODY in said
    assert PLAIN in said
    assert (settings.get("management_host") or settings["host"]) in said


@pytest.mark.parametrize("name", ["tokens_file", "sigv4_keys_file"])
def test_where_callers_are_known_only_what_else_is_off_is_said(tmp_path, name):
    (said,) = open_doors(Settings(host="0.0.0.0", **{name: tmp_path}))
    assert PLAIN in said


def test_where_clients_show_certificates_nothing_is_said(tmp_path):
    certified = Settings(host="0.0.0.0", tls_cert=tmp_path, tls_client_ca=tmp_path)
    assert open_doors(certified) == []


@pytest.mark.parametrize("settings", HERE)
def test_whose_code_may_run_is_said_wherever_it_is(settings):
    (said,) = open_doors(Settings(**settings, allow_code="team/*,Ranker.tar.gz"))
    assert "team/*, Ranker.tar.gz" in said


def test_where_all_code_may_run_everybody_is_named_who_writes_artifacts():
    (said,) = code_allowed(Settings(allow_code="1"))
    assert said.startswith("whoever writes artifacts to where models come from may run code")
    assert said.endswith("MME_ALLOW_CODE=1")


def test_where_no_code_may_run_nothing_is_said_of_it():
    assert code_allowed(Settings(allow_code="0")) == []
