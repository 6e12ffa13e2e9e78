"""Errors on the wire: the shapes a SageMaker client reads."""

from __future__ import annotations

import json

import pytest

from mme.core import errors
from mme.gateway.errors import error_response, model_error


def read(response):
    return response.status, response.headers["x-amzn-ErrorType"], json.loads(response.body)


@pytest.mark.parametrize(
    ("error", "status", "error_type"),
    [
        (errors.TargetNotFound("t", "s3://b/t"), 400, "ValidationError"),
        (errors.ArtifactRejected("s3://b/t", "not a gzip file"), 400, "ValidationError"),
        (errors.PayloadTooLarge(5), 400, "ValidationError"),
        (errors.EndpointNotFound("e", ("a",)), 400, "ValidationError"),
        (errors.NotLoaded("t"), 404, "ResourceNotFound"),
        (errors.ModelNotReady("t", "still loading"), 429, "ModelNotReadyException"),
        (errors.Busy("t", 100), 503, "ServiceUnavailable"),
        (errors.ShuttingDown(), 503, "ServiceUnavailable"),
        (errors.StoreUnavailable("s3://b", "timeout"), 530, "InternalDependencyException"),
    ],
)
def test_each_error_has_its_status_and_type_and_says_why(error, status, error_type):
    assert read(error_response(error)) == (status, error_type, {"Message": error.message})


def test_a_failed_load_is_a_model_error_with_what_the_worker_said():
    status, error_type, body = read(error_response(errors.LoadFailed("t", 507, "no room")))
    assert (status, error_type) == (424, "ModelError")
    assert body["OriginalStatusCode"] == 507
    assert body["OriginalMessage"] == "no room"
    assert body["ErrorCode"] == "INTERNAL_FAILURE_FROM_MODEL"


def test_no_answer_counts_as_status_zero_and_the_servers_fault():
    _, _, body = read(model_error(0, "no answer within 60 s"))
    assert body["Message"].startswith("Received server error (0) from model")


def test_long_messages_are_cut_as_the_service_does():
    assert len(read(model_error(400, "x" * 5000))[2]["OriginalMessage"]) == 2048


def test_an_unforeseen_error_shows_nothing_of_itself():
    status, error_type, body = read(error_response(KeyError("/secret/path")))
    assert (status, error_type) == (500, "InternalFailure")
    assert "secret" not in body["Message"]
