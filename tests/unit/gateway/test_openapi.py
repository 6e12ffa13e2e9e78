"""The description of the interface: operations with their shapes, errors, summaries for callers."""

from __future__ import annotations

import pytest

from mme.endpoints.control_plane import SERVED
from mme.endpoints.operation import ControlPlaneError
from mme.gateway.control_plane import ControlPlaneSurface
from mme.gateway.openapi.describing import Result, described
from mme.gateway.openapi.document import FAILURES, document_of
from mme.gateway.refused import Refused
from mme.gateway.service_errors import SERVICE_ERRORS

OPERATIONS = [name for names in SERVED.values() for name in names]
# Whose answers need more than a message: they are looked at where they are made.
OTHERS = {ControlPlaneError, Refused}


async def nothing(_):
    return {}


@pytest.fixture(scope="module")
def document():
    surface = ControlPlaneSurface(dict.fromkeys(OPERATIONS, nothing), None)
    return document_of(surface.routes(), "1", surface.schemas())


def test_each_operation_of_the_control_plane_has_its_request_and_answer(document):
    schemas = document["components"]["schemas"]
    said = schemas["ControlPlaneOperation"]["x-operations"]
    assert list(said) == schemas["ControlPlaneOperation"]["enum"]
    assert len(said) == len(OPERATIONS)
    assert said["SageMaker.CreateModel"] == {
        "request": {"$ref": "#/components/schemas/CreateModelInput"},
        "answer": {"$ref": "#/components/schemas/CreateModelOutput"},
    }
    assert "answer" not in said["SageMaker.DeleteModel"]
    assert said["SageMaker.CreateModel"]["answer"] in schemas["ControlPlaneAnswer"]["anyOf"]


def test_what_is_referred_to_is_there(document):
    schemas, missing = document["components"]["schemas"], []

    def look(part):
        if isinstance(part, dict):
            name = str(part.get("$ref", "")).rpartition("/")[2]
            if name and name not in schemas:
                missing.append(name)
            part = list(part.values())
        if isinstance(part, list):
            for each in part:
                look(each)

    look(document)
    assert missing == []


def test_a_summary_says_nothing_of_what_the_code_raises(document):
    class Surface:
        @described(Result("All is well."))
        async def ask(self, _):
            """What this is for. Raises NoSuchPath, Busy."""

    [operation] = document_of([("GET", "/ping", Surface().ask)], "1")["paths"]["/ping"].values()
    assert operation["summary"] == "What this is for."


@pytest.mark.parametrize("error_class", [e for e in SERVICE_ERRORS._forms if e not in OTHERS])
def test_the_status_of_every_error_is_described(error_class):
    error = error_class.__new__(error_class)
    error.__dict__.update(message="it broke", body="", status=500, allowed="GET")
    assert SERVICE_ERRORS.answer(error).status in FAILURES
