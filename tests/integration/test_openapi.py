"""The description of the HTTP interface: whole, valid, as it is committed, and true of an endpoint.

`make openapi` writes the committed one.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import requests
from openapi_spec_validator import validate

from tests.support.endpoint import PROJECT, running_endpoint

DOCUMENT = PROJECT / "docs" / "openapi.json"
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,"
    "response_schema_conformance"
)


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory):
    scratch = tmp_path_factory.mktemp("openapi")
    with running_endpoint(str(PROJECT / "artifacts"), scratch) as running:
        yield running


@pytest.fixture(scope="module")
def document(endpoint):
    return requests.get(f"{endpoint.url}/openapi.json", timeout=30).json()


def test_the_description_is_valid_and_is_the_committed_one(document, request):
    validate(document)
    text = json.dumps(document, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    if request.config.getoption("--write-openapi"):
        DOCUMENT.write_text(text, encoding="utf-8")
    assert DOCUMENT.read_text(encoding="utf-8") == text, "run `make openapi`"


def test_the_description_has_the_calls_that_clients_send(document):
    assert "post" in document["paths"]["/endpoints/{endpoint}/invocations"]
    operations = document["components"]["schemas"]["ControlPlaneOperation"]["enum"]
    assert "SageMaker.CreateEndpoint" in operations
    headers = [
        each["name"]
        for each in document["paths"]["/invocations"]["post"]["parameters"]
        if each["in"] == "header"
    ]
    assert "X-Amzn-SageMaker-Target-Model" in headers


def test_an_endpoint_answers_as_it_is_described(endpoint, tmp_path):
    """The control plane is left out: its bodies are botocore's shapes, which it checks itself."""
    ran = subprocess.run(
        [
            sys.executable, "-m", "schemathesis.cli", "run", f"{endpoint.url}/openapi.json",
            "--checks", CHECKS, "--phases", "coverage,fuzzing", "--exclude-path", "/",
            "--max-examples", "15", "--generation-deterministic", "--warnings", "off", "--no-color",
            "--request-timeout", "60",
        ],
        cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout[-8000:] + ran.stderr[-2000:]
    assert "No issues found" in ran.stdout
