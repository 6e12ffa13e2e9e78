"""What docs/api-coverage.md says of invocations, tried with boto3.

A member is served if another value of it makes a difference to the model, the queue, the answer or
the log; and ignored if it makes none.
"""

from __future__ import annotations

import asyncio
import itertools
import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EventStreamError

from mme.core import errors
from mme.endpoints.containers import Container, Containers
from mme.endpoints.live import IN_SERVICE, Live, Variant
from mme.endpoints.serving import AsyncTerms, Serving
from mme.gateway import make_app
from mme.gateway.async_runtime import AsyncRuntime
from tests.support.api_coverage import leaves, members_of, model, named
from tests.support.api_members import RUNTIME
from tests.support.fake_engine import Answer, served

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX = "x-amzn-sagemaker-"
OF_ONE_REQUEST = re.compile(r"\d+\.\d+ ms \S+")
"""What differs from line to line of the log."""
TERMS = AsyncTerms("s3://data/out", "s3://data/failures")
COMMON = {
    "EndpointName": ("one", "two"),
    "Body": (b"a,b", b"c,d"),
    "ContentType": ("text/csv", "application/json"),
    "Accept": ("text/csv", "application/json"),
    "CustomAttributes": ("target-model=m", "target-model=n"),
    "TargetVariant": ("v1", "v2"),
    "InferenceId": ("first", "second"),
    "SessionId": ("s-1", "s-2"),
    "PrefixAwareId": ("p-1", "p-2"),
    "InferenceComponentName": ("c", "d"),
    "TargetContainerHostname": ("c", "d"),
}
VALUES: dict[str, dict[str, tuple[Any, Any]]] = {
    "InvokeEndpoint": COMMON
    | {
        "TargetModel": ("m", "n"),
        "SessionId": ("NEW_SESSION", "s-2"),
        "EnableExplanations": ("`a`", "`b`"),
    },
    "InvokeEndpointAsync": COMMON
    | {
        "EndpointName": ("later", "latest"),
        "InputLocation": ("s3://data/a", "s3://data/b"),
        "S3OutputPathExtension": ("today", "tomorrow"),
        "Filename": ("a.out", "b.out"),
        "RequestTTLSeconds": (100, 200),
        "InvocationTimeoutSeconds": (10, 20),
    },
    "InvokeEndpointWithResponseStream": COMMON,
}
SPEAKING = Answer(
    headers={
        "content-type": "application/json",
        f"{PREFIX}custom-attributes": "trace=1",
        f"{PREFIX}new-session-id": "s-1; Expires=2030-01-01T00:00:00Z",
        f"{PREFIX}closed-session-id": "s-2",
    }
)


FAILURES = (
    errors.InvalidRequest("no"),
    errors.ModelFailed("m", 500, "no"),
    errors.ModelTimedOut("m", 1.0),
    errors.ModelNotReady("m", "no"),
    errors.StoreUnavailable("there", "no"),
    errors.Overloaded(1),
    RuntimeError(),
)


def cases(*kinds: str) -> list[tuple[str, str]]:
    return [(name, path) for name, each in RUNTIME.items() for path in named(each, *kinds)]


class Created:
    """Endpoints of two variants, and ones that answer later."""

    def live(self, endpoint: str) -> Live | None:
        if endpoint not in ("one", "two", "later", "latest"):
            return None
        variants = tuple(
            Variant(
                name,
                1.0,
                Containers(
                    tuple(
                        Container(host, f"s3://models/{endpoint}/{name}/{host}/", is_multi=True)
                        for host in ("c", "d")
                    ),
                    is_direct=not endpoint.startswith("late"),
                ),
            )
            for name in ("v1", "v2")
        )
        terms = TERMS if endpoint.startswith("late") else None
        return Live(endpoint, IN_SERVICE, "", variants, terms)

    def idle_after_s(self) -> None:
        return None


class Queue:
    """Asynchronous inference that only takes."""

    def __init__(self) -> None:
        self.taken: list[Any] = []
        self.failure: Exception | None = None

    async def submit(self, request, body, ttl_s):
        if self.failure is not None:
            raise self.failure
        self.taken.append((asdict(request) | {"mark": ""}, body, ttl_s))

    async def standing(self, endpoint, inference_id):
        raise NotImplementedError

    async def metrics(self, endpoint):
        raise NotImplementedError


class Runtime:
    """A client of the endpoint, and what its invocations come to."""

    def __init__(self, url: str, engine, queue: Queue, caplog) -> None:
        self.engine, self.queue, self._caplog = engine, queue, caplog
        self._client = boto3.client(
            "sagemaker-runtime",
            endpoint_url=url,
            region_name="eu-west-3",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"total_max_attempts": 1}),
        )

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    async def invoke(self, name: str, **members: Any) -> dict[str, Any]:
        """The answer of an operation, the events of a stream read."""
        method = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()

        def call() -> dict[str, Any]:
            answer = getattr(self._client, method)(**members)
            if name == "InvokeEndpointWithResponseStream":
                answer["Body"] = events(answer["Body"])
            elif "Body" in answer:
                answer["Body"] = answer["Body"].read()
            return answer

        return await asyncio.to_thread(call)

    async def seen(self, name: str, **members: Any) -> list[Any]:
        """All that an invocation makes a difference to."""
        self.engine.asked.clear()
        self.queue.taken.clear()
        self._caplog.clear()
        answer = await self.invoke(name, **members)
        head = answer.pop("ResponseMetadata")["HTTPHeaders"]
        for header in ("date", "x-amzn-requestid"):
            head.pop(header)
        lines = [OF_ONE_REQUEST.sub("", line) for line in self._caplog.messages]
        return [answer, head, list(self.engine.asked), list(self.queue.taken), lines]


def events(stream) -> dict[str, Any]:
    """By kind, an error at the end too."""
    found: dict[str, Any] = {}
    try:
        for event in stream:
            found |= event
    except EventStreamError as error:
        found[error.response["Error"]["Code"]] = error
    finally:
        stream.close()
    return found


def errors_in(error: ClientError) -> Iterator[str]:
    """The error, and its members."""
    code = error.response["Error"]["Code"]
    yield code
    for member in (*error.response, *error.response["Error"]):
        yield f"{code}.{member}"


@pytest.fixture
async def runtime(settings, engine, bodies, caplog):
    caplog.set_level("INFO", "mme")
    serving = Serving(settings, engine, Created(), lambda: 0.0)
    queue = Queue()

    async def normal(uri: str) -> str:
        return uri

    routes = AsyncRuntime(serving, queue, normal).routes()
    app = make_app(settings, engine, serving, bodies, asynchronous=routes)
    async with served(app) as running:
        client = Runtime(running.url, engine, queue, caplog)
        yield client
        client.close()


def request(name: str, path: str) -> dict[str, Any]:
    """A request with all members that can go together with one."""
    left_out = [member for _, member in cases("refused")]
    if name == "InvokeEndpointAsync":
        left_out.append("Body" if path == "InputLocation" else "InputLocation")
    shape = model("sagemaker-runtime").operation_model(name).input_shape
    return {
        each: VALUES[name][each][0] for each in leaves(members_of(shape)) if each not in left_out
    }


@pytest.mark.parametrize(("name", "path"), cases("served"))
async def test_what_is_served_makes_a_difference(runtime, name, path):
    given = request(name, path)
    first = await runtime.seen(name, **given)
    assert first == await runtime.seen(name, **given)
    assert first != await runtime.seen(name, **given | {path: VALUES[name][path][1]})


@pytest.mark.parametrize(("name", "path"), cases("ignored"))
async def test_what_is_ignored_makes_none(runtime, name, path):
    given = request(name, path)
    first = await runtime.seen(name, **given)
    assert first == await runtime.seen(name, **given | {path: VALUES[name][path][1]})


@pytest.mark.parametrize(("name", "path"), cases("refused"))
async def test_what_is_refused_is_refused_by_its_name(runtime, name, path):
    with pytest.raises(ClientError) as caught:
        await runtime.invoke(name, **request(name, path), **{path: VALUES[name][path][0]})
    assert caught.value.response["Error"]["Code"] == "ValidationError"
    assert path in caught.value.response["Error"]["Message"]


@pytest.mark.parametrize("name", RUNTIME)
async def test_answers_have_what_they_are_said_to_have_and_nothing_else(runtime, name):
    runtime.engine.answer = SPEAKING
    runtime.engine.pieces = [b"one"]
    told = set()
    for failure in (
        None,
        *([errors.ModelTimedOut("m", 1.0), RuntimeError()] if "Stream" in name else []),
    ):
        runtime.engine.failure = failure
        answer = await runtime.invoke(name, **request(name, ""))
        if isinstance(answer.get("Body"), dict):
            told |= {f"Body.{kind}" for kind in answer.pop("Body")}
        told |= {member for member, value in answer.items() if value}
    assert set(named(RUNTIME[name], "answered")) == told - {"ResponseMetadata"}


@pytest.mark.parametrize("name", RUNTIME)
async def test_errors_are_those_that_it_is_said_to_raise(runtime, name):
    told = set()
    for pieces, failure in itertools.product(([], [b"one"]), FAILURES):
        runtime.engine.pieces = pieces
        runtime.engine.failure = runtime.queue.failure = failure
        try:
            answer = await runtime.invoke(name, **request(name, ""))
            told |= set(answer["Body"])
        except ClientError as error:
            told |= set(errors_in(error))
    assert set(named(RUNTIME[name], "raised")) <= told
    assert not set(named(RUNTIME[name], "unraised")) & told


@pytest.mark.parametrize("name", model("sagemaker-runtime").operation_names)
async def test_every_operation_of_the_service_is_there(runtime, name):
    assert name in RUNTIME
    await runtime.invoke(name, **request(name, ""))
