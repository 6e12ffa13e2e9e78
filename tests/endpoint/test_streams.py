"""InvokeEndpointWithResponseStream as an unmodified boto3 sends it, both ways to ask workers."""

from __future__ import annotations

import json

import pytest
import requests
from botocore.exceptions import ClientError

from tests.endpoint.conftest import KEYPHRASES, REMOTE, SEARCH, SIMILARITY

CLAIMS = ["Die Impfung verändert das Erbgut", "", "Strom aus Sonne wird besteuert"]
ASKED = [
    (SEARCH, "application/json", json.dumps({"claims": CLAIMS}).encode()),
    (KEYPHRASES, "application/json", json.dumps({"texts": CLAIMS}).encode()),
    (KEYPHRASES, "text/plain", CLAIMS[0].encode()),
    (SIMILARITY, "text/csv", b"Impfstoff,Erbgut"),
]


def streamed(runtime, target, **asked):
    attributes = f"trace=1;target-model={target}"
    return runtime.invoke_endpoint_with_response_stream(
        EndpointName="demo", CustomAttributes=attributes, **asked
    )


@pytest.mark.parametrize(("target", "content_type", "body"), ASKED)
def test_the_parts_are_the_answer_of_an_invocation(runtime, target, content_type, body):
    asked = {"ContentType": content_type, "Body": body, "Accept": "application/json"}
    whole = runtime.invoke_endpoint(EndpointName="demo", TargetModel=target, **asked)
    answer = streamed(runtime, target, **asked)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert answer["ContentType"] == whole["ContentType"] == "application/json"
    assert answer["InvokedProductionVariant"] == "AllTraffic"
    parts = [event["PayloadPart"]["Bytes"] for event in answer["Body"]]
    assert b"".join(parts) == whole["Body"].read()


def test_many_texts_come_one_by_one(request, endpoint, runtime):
    if REMOTE or request.node.callspec.params["endpoint"] != "door":
        pytest.skip("through the model server an answer comes whole")
    answer = streamed(runtime, SEARCH, ContentType="application/json", Body=ASKED[0][2])
    parts = [event["PayloadPart"]["Bytes"] for event in answer["Body"]]
    assert len(parts) == len(CLAIMS) + 1


def test_accept_chooses_the_form_of_the_answer(runtime):
    asked = {"ContentType": "text/plain", "Body": CLAIMS[0].encode(), "Accept": "text/csv"}
    answer = streamed(runtime, KEYPHRASES, **asked)
    assert answer["ContentType"] == "text/csv"
    assert list(answer["Body"])


@pytest.mark.parametrize(
    ("target", "content_type", "code", "status"),
    [
        (SEARCH, "image/png", "ModelError", 424),
        ("none.tar.gz", "text/plain", "ValidationError", 400),
        ("../x", "text/plain", "ValidationError", 400),
    ],
)
def test_errors_before_the_first_byte_are_those_of_an_invocation(
    runtime, target, content_type, code, status
):
    with pytest.raises(ClientError) as raised:
        streamed(runtime, target, ContentType=content_type, Body=b"x")
    assert raised.value.response["Error"]["Code"] == code
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


def test_without_a_target_it_is_said_how_to_name_one(runtime):
    with pytest.raises(ClientError, match="target-model=NAME") as raised:
        runtime.invoke_endpoint_with_response_stream(EndpointName="demo", Body=b"x")
    assert raised.value.response["Error"]["Code"] == "ValidationError"


def test_get_is_not_allowed(endpoint):
    url = f"{endpoint.url}/endpoints/demo/invocations-response-stream"
    assert requests.get(url, timeout=10).status_code == 405
