"""What `mme serve` tells its operator when the endpoint is ready."""

from __future__ import annotations

import ast
import shlex

import pytest

from mme.app.life import Address
from mme.app.offered import Call, Offered
from mme.app.openness import is_loopback, open_doors
from mme.cli.banner import boto3_call, curl_call, ready_text
from mme.core.settings import Settings

URL = "http://127.0.0.1:18080"
ADDRESS = Address("127.0.0.1", 18080)
STORE = "s3://bucket/prefix/"
SEARCH = Call("de/Such'e.tar.gz", {"Content-Type": "text/plain"}, 'it\'s "so"', "Search")
DOCSIM = Call("de/DocSim.tar.gz", {"Content-Type": "text/csv", "Accept": "text/csv"}, "a,b", "D")


def said(*calls, trouble="", address=ADDRESS, **settings):
    return ready_text(Settings(**settings), address, Offered(STORE, calls, trouble))


def test_the_store_is_named_and_a_call_on_what_it_has():
    text = said(SEARCH)
    assert f"The endpoint is ready at {URL}; models come from {STORE}. Try:" in text
    assert f"curl {URL}/endpoints/demo/invocations" in text
    assert text.rstrip().endswith("Ctrl-C stops it.")


def test_where_programs_read_it_is_one_line():
    text = said(SEARCH, log_format="json", host="0.0.0.0")
    assert text == f"The endpoint is ready at {URL}; models come from {STORE}."


def test_with_tokens_a_call_has_one(tmp_path):
    text = said(SEARCH, DOCSIM, tokens_file=tmp_path / "tokens")
    assert text.count('-H "Authorization: Bearer $MME_TOKEN"') == 2
    assert "boto3" not in text


def test_no_call_is_shown_on_a_store_that_has_nothing():
    text = said()
    assert "It has no artifact yet" in text
    assert "curl" not in text


def test_why_nothing_is_known_of_a_store_is_told():
    text = said(trouble="access is denied")
    assert "Nothing is known of it yet: access is denied" in text
    assert "curl" not in text


def test_a_call_by_curl_is_what_a_shell_reads():
    words = shlex.split(curl_call(Settings(), ADDRESS, SEARCH))
    assert words[:2] == ["curl", f"{URL}/endpoints/demo/invocations"]
    assert f"X-Amzn-SageMaker-Target-Model: {SEARCH.target}" in words
    assert "Content-Type: text/plain" in words
    assert words[-1] == SEARCH.body


def test_a_call_by_boto3_is_what_python_reads():
    call = boto3_call(Settings(), ADDRESS, SEARCH)
    program = call.split("\n", 1)[1].removesuffix("EOF")
    tree = ast.parse(program)
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    assert {SEARCH.target, SEARCH.body, URL, "demo"} <= texts


def test_the_last_of_several_calls_is_one_of_boto3():
    text = said(SEARCH, DOCSIM)
    assert text.count("curl ") == 1
    assert 'TargetModel="de/DocSim.tar.gz"' in text
    assert 'Accept="text/csv"' in text


def test_a_unix_socket_is_not_for_boto3():
    text = said(SEARCH, DOCSIM, address=Address("", 0, socket="/run/mme.sock"))
    assert text.count("curl --unix-socket /run/mme.sock http://localhost/endpoints") == 2
    assert "boto3" not in text


def test_a_name_that_is_served_is_asked():
    assert "/endpoints/live/invocations" in said(SEARCH, endpoint_names=("live", "test"))


def test_an_address_of_grpc_is_told():
    address = Address("127.0.0.1", 18080, grpc="127.0.0.1:18082")
    assert "is answered by gRPC too, at 127.0.0.1:18082." in said(SEARCH, address=address)


def test_a_port_of_grpc_is_open_as_the_other_is():
    told = open_doors(Settings(host="0.0.0.0", grpc_port=9))
    assert any("0.0.0.0 port 9 may invoke models, load" in each for each in told)


def test_an_address_of_management_is_told():
    address = Address("127.0.0.1", 18080, management=Address("127.0.0.1", 18081))
    assert "Management is at http://127.0.0.1:18081" in said(SEARCH, address=address)


def test_on_loopback_nothing_is_open():
    assert "Open:" not in said(SEARCH)


def test_what_is_open_to_others_is_told():
    text = said(SEARCH, host="0.0.0.0", port=8080)
    assert "Open: anyone who reaches 0.0.0.0 port 8080 may invoke" in text
    assert "MME_TLS_CERT" in text


@pytest.mark.parametrize(
    ("host", "is_local"),
    [
        ("127.0.0.1", True), ("127.1.2.3", True), ("::1", True), ("localhost", True),
        ("a.localhost", True), ("0.0.0.0", False), ("::", False), ("10.0.0.5", False),
        ("example.org", False), ("", False),
    ],
)  # fmt: skip
def test_loopback_is_told_from_the_rest(host, is_local):
    assert is_loopback(host) == is_local


def test_a_unix_socket_is_not_open(tmp_path):
    assert open_doors(Settings(host="0.0.0.0", socket=tmp_path / "s")) == []


def test_management_that_is_local_is_not_open_to_others():
    told = open_doors(Settings(host="0.0.0.0", management_port=9, management_host="127.0.0.1"))
    assert not any("load and unload" in each for each in told)
    assert any("load and unload" in each for each in open_doors(Settings(host="0.0.0.0")))


def test_management_alone_may_be_open(tmp_path):
    told = open_doors(Settings(socket=tmp_path / "s", management_port=9, management_host="::"))
    assert told[0].startswith("anyone who reaches :: port 9 may load and unload models")
    assert "invoke" not in told[0]


def test_where_callers_must_prove_who_they_are_it_is_not_open(tmp_path):
    told = open_doors(Settings(host="0.0.0.0", tokens_file=tmp_path / "tokens"))
    assert not any("anyone" in each for each in told)


def test_certificates_make_it_no_plain_text():
    told = open_doors(Settings(host="0.0.0.0", tls_cert="/x/cert.pem"))
    assert not any("unencrypted" in each for each in told)
