"""Whoever creates something hears at once that it names a place it may not name."""

from __future__ import annotations

import pytest

from mme.core.errors import InvalidRequest
from mme.endpoints.places import with_places_checked

OUTSIDE: dict[str, list[dict[str, object]]] = {
    "CreateModel": [
        {"PrimaryContainer": {"ModelDataUrl": "s3://other/a.tar.gz"}},
        {"PrimaryContainer": {"ModelDataUrl": "https://other.s3.amazonaws.com/a.tar.gz"}},
        {"Containers": [{"ModelDataSource": {"S3DataSource": {"S3Uri": "s3://other/a"}}}]},
    ],
    "CreateEndpointConfig": [
        {"AsyncInferenceConfig": {"OutputConfig": {"S3OutputPath": "s3://other/"}}},
        {"AsyncInferenceConfig": {"OutputConfig": {"S3FailurePath": "s3://other"}}},
    ],
    "CreateTransformJob": [
        {"TransformInput": {"DataSource": {"S3DataSource": {"S3Uri": "s3://other/in"}}}},
        {"TransformOutput": {"S3OutputPath": "s3://other/out"}},
    ],
}


@pytest.fixture
def done():
    return []


@pytest.fixture
def operations(done):
    async def operation(request):
        done.append(request)
        return {}

    def check(uri):
        if not uri.startswith("s3://ours"):
            raise InvalidRequest(uri)

    return with_places_checked(dict.fromkeys([*OUTSIDE, "ListModels"], operation), check)


@pytest.mark.hostile("stores")
@pytest.mark.parametrize(
    ("name", "request_"), [(name, each) for name, all_ in OUTSIDE.items() for each in all_]
)
async def test_a_place_outside_is_refused_before_anything_is_done(operations, done, name, request_):
    with pytest.raises(InvalidRequest, match="s3://other"):
        await operations[name](request_)
    assert not done


@pytest.mark.parametrize(
    ("name", "request_"),
    [
        ("CreateModel", {"PrimaryContainer": {"ModelDataUrl": "s3://ours/a.tar.gz"}}),
        ("CreateModel", {"PrimaryContainer": {"Environment": {"INPUT": "s3://other/a"}}}),
        ("CreateModel", {"PrimaryContainer": {"ModelDataUrl": "no place"}}),
        ("ListModels", {"S3Uri": "s3://other/a"}),
    ],
)
async def test_all_else_is_up_to_the_operation(operations, done, name, request_):
    await operations[name](request_)
    assert done == [request_]
