"""Errors on the wire: the shapes a SageMaker client and a platform read."""

from __future__ import annotations

import json

import pytest
from aiohttp import web

from mme.core import errors
from mme.core.timing import StepTime
from mme.gateway.errors import ErrorTable
from mme.gateway.platform import PLATFORM_ERRORS
from mme.gateway.routing import MethodNotAllowed, NoSuchPath
from mme.gateway.service_errors import SERVICE_ERRORS, model_error
from mme.gateway.single import SINGLE_ERRORS

TABLES = [SERVICE_ERRORS, PLATFORM_ERRORS, SINGLE_ERRORS]


def read(response):
    return response.status, response.headers["x-amzn-ErrorType"], body_of(response)


def body_of(response):
    return json.loads(response.body)


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
        (errors.Overloaded(100), 503, "ServiceUnavailable"),
        (errors.ShuttingDown(), 503, "ServiceUnavailable"),
        (errors.NoDiskSpace("/cache", "t"), 503, "ServiceUnavailable"),
        (errors.StoreUnavailable("s3://b", "timeout"), 530, "InternalDependencyException"),
        (NoSuchPath("/x"), 404, "UnknownOperationException"),
        (MethodNotAllowed("PUT", "/ping", ["GET"]), 405, "MethodNotAllowed"),
    ],
)
def test_each_error_has_its_status_and_type_and_says_why(error, status, error_type):
    answer = read(SERVICE_ERRORS.answer(error))
    assert answer == (status, error_type, {"Message": error.message})


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (errors.PayloadTooLarge(5), 413, "RequestEntityTooLargeException"),
        (errors.InvalidRequest("no"), 400, "BadRequestException"),
        (errors.AlreadyLoaded("m"), 409, "ConflictStatusException"),
        (errors.NotLoaded("m"), 404, "ModelNotFoundException"),
        (errors.ModelNotReady("m", "gone"), 503, "ServiceUnavailableException"),
        (errors.Busy("m", 100), 503, "ServiceUnavailableException"),
        (errors.Overloaded(100), 503, "ServiceUnavailableException"),
        (errors.ShuttingDown(), 503, "ServiceUnavailableException"),
        (errors.StoreUnavailable("s", "r"), 500, "InternalServerException"),
        (NoSuchPath("/x"), 404, "ResourceNotFoundException"),
        (MethodNotAllowed("PUT", "/ping", ["GET"]), 405, "MethodNotAllowedException"),
    ],
)
def test_a_multi_model_container_answers_errors_as_the_model_server_does(error, status, kind):
    answer = PLATFORM_ERRORS.answer(error)
    assert answer.status == status
    body = {"code": status, "type": kind, "message": error.message}
    assert body_of(answer) == body


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (errors.PayloadTooLarge(5), 413, "PayloadTooLarge"),
        (errors.InvalidRequest("no"), 400, "BadInput"),
        (errors.ModelNotReady("m", "gone"), 503, "ModelNotReady"),
        (errors.Busy("m", 100), 503, "ServiceUnavailable"),
        (errors.Overloaded(100), 503, "ServiceUnavailable"),
        (NoSuchPath("/x"), 404, "NotFound"),
        (MethodNotAllowed("PUT", "/ping", ["GET"]), 405, "MethodNotAllowed"),
    ],
)
def test_a_single_model_container_answers_errors_as_workers_do(error, status, kind):
    answer = SINGLE_ERRORS.answer(error)
    assert answer.status == status
    body = {"type": kind, "message": error.message, "status": status}
    assert body_of(answer) == body


@pytest.mark.parametrize("table", [PLATFORM_ERRORS, SINGLE_ERRORS])
def test_in_containers_what_a_worker_says_of_its_failure_goes_out_as_it_is(table):
    said = '{"type": "ArtifactError", "message": "größe"}'
    answer = table.answer(errors.LoadFailed("m", 507, said))
    assert (answer.status, answer.body.decode()) == (507, said)
    assert answer.content_type == "application/json"


@pytest.mark.parametrize("table", [PLATFORM_ERRORS, SINGLE_ERRORS])
@pytest.mark.parametrize("body", ["it died", "[1]", "[" * 100_000])
def test_in_containers_a_failure_in_plain_words_gets_the_form_of_workers(table, body):
    answer = table.answer(errors.ModelFailed("m", 0, body))
    told = {"type": "ModelFailed", "message": body, "status": 502}
    assert (answer.status, body_of(answer)) == (502, told)


@pytest.mark.parametrize(("table", "status"), [*zip(TABLES, (424, 502, 504), strict=True)])
def test_a_model_that_takes_too_long_is_told_by_each_surface_in_its_way(table, status):
    answer = table.answer(errors.ModelTimedOut("m", 60.0))
    assert answer.status == status
    assert b"within 60 s" in answer.body


def test_a_failed_load_is_a_model_error_with_what_the_worker_said():
    status, error_type, body = read(SERVICE_ERRORS.answer(errors.LoadFailed("t", 507, "no room")))
    assert (status, error_type) == (424, "ModelError")
    assert body["OriginalStatusCode"] == 507
    assert body["OriginalMessage"] == "no room"
    assert body["ErrorCode"] == "INTERNAL_FAILURE_FROM_MODEL"


def test_no_answer_counts_as_status_zero_and_the_servers_fault():
    _, _, body = read(model_error(0, "no answer within 60 s"))
    assert body["Message"].startswith("Received server error (0) from model")


def test_of_a_pipeline_the_step_is_named_with_what_the_steps_took():
    failed = errors.ModelFailed("m", 500, "broken")
    failed.steps = (StepTime("clean", 0.0031), StepTime("rank", 1.25))
    answer = SERVICE_ERRORS.answer(failed)
    _, _, body = read(answer)
    assert body["Message"] == 'Received server error (500) from rank with message "broken"'
    assert answer.headers["X-Mme-Steps"] == "clean;dur=3.1, rank;dur=1250.0"


def test_long_messages_are_cut_as_the_service_does():
    assert len(read(model_error(400, "x" * 5000))[2]["OriginalMessage"]) == 2048


@pytest.mark.parametrize("table", TABLES)
def test_an_unforeseen_error_shows_nothing_of_itself(table):
    answer = table.answer(KeyError("/secret/path"))
    assert answer.status == 500
    assert b"secret" not in answer.body
    assert b"its log has the details" in answer.body


def form(text):
    return lambda _: web.Response(text=text)


def test_an_error_takes_the_form_of_the_nearest_class_it_descends_from():
    table = ErrorTable({Exception: form("any"), errors.InvalidRequest: form("invalid")})
    assert table.answer(errors.PayloadTooLarge(1)).text == "invalid"
    assert table.answer(errors.NotLoaded("m")).text == "any"


def test_a_table_that_does_not_know_every_error_cannot_be_made():
    with pytest.raises(ValueError, match="Exception"):
        ErrorTable({errors.InvalidRequest: form("invalid")})
