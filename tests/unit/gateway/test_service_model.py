"""Headers of an invocation: taken and refused as the service's own model says."""

from __future__ import annotations

import re

import pytest
from multidict import CIMultiDict

from mme.core.errors import InvalidRequest
from mme.gateway.service_model import InvocationChecks
from mme.gateway.shapes import in_python

PREFIX = "X-Amzn-SageMaker-"
TARGET = f"{PREFIX}Target-Model"
CHECKS = InvocationChecks()
ONE = "1 validation error detected: Value "

TAKEN = {
    "nothing but a target": {},
    "attributes": {"Custom-Attributes": "x" * 1024},
    "attributes, empty": {"Custom-Attributes": ""},
    "the one variant": {"Target-Variant": "AllTraffic"},
    "inference id": {"Inference-Id": "a b/c" + "x" * 59},
    "explanations": {"Enable-Explanations": "content_type=='text/csv'"},
    "new session": {"Session-Id": "NEW_SESSION"},
    "session": {"Session-Id": "a-1--b"},
}
REFUSED = {
    "long attributes": (
        {"Custom-Attributes": "x" * 1025},
        (
            "1 validation error detected: Value at 'customAttributes' failed to satisfy constraint:"
            " Member must have length less than or equal to 1024"
        ),
    ),
    "attributes beyond ASCII": ({"Custom-Attributes": "größe"}, r"pattern: \p{ASCII}*"),
    "no inference id": ({"Inference-Id": ""}, "greater than or equal to 1"),
    "long inference id": ({"Inference-Id": "x" * 65}, "'inferenceId' failed"),
    "inference id that begins with a tab": ({"Inference-Id": "\tx"}, "'inferenceId' failed"),
    "variant of other letters": ({"Target-Variant": "a_b"}, "'targetVariant' failed"),
    "component": ({"Inference-Component": "c"}, "InferenceComponentName"),
    "container of other letters": (
        {"Target-Container-Hostname": "c_d"},
        "'targetContainerHostname' failed",
    ),
    "session of other letters": ({"Session-Id": "a b"}, "'sessionId' failed"),
    "long session": ({"Session-Id": "a" * 257}, "'sessionId' failed"),
    "no explanations": ({"Enable-Explanations": ""}, "'enableExplanations' failed"),
    "dashes without end": ({"Session-Id": "a" + "-" * 255}, "'sessionId' failed"),
}


def headers(given, *more) -> CIMultiDict[str]:
    pairs = [(PREFIX + name, value) for name, value in given.items()]
    return CIMultiDict([(TARGET, "m"), *pairs, *more])


@pytest.mark.parametrize("given", TAKEN.values(), ids=TAKEN)
def test_what_the_service_takes_is_taken(given):
    for _ in range(2):
        CHECKS.check_headers(headers(given))


@pytest.mark.hostile("parameters")
@pytest.mark.parametrize(("given", "words"), REFUSED.values(), ids=REFUSED)
def test_what_the_service_refuses_is_refused_in_its_words(given, words):
    for _ in range(2):
        with pytest.raises(InvalidRequest, match=re.escape(words)):
            CHECKS.check_headers(headers(given))


def test_all_that_is_wrong_is_told_at_once():
    given = {"Inference-Id": "", "Session-Id": "?"}
    with pytest.raises(InvalidRequest, match=r"^2 validation errors detected: .*; Value '\?'"):
        CHECKS.check_headers(headers(given))


@pytest.mark.hostile("parameters")
@pytest.mark.parametrize("name", ["Target-Model", "Custom-Attributes", "Inference-Id"])
def test_a_header_that_is_there_twice_is_refused(name):
    CHECKS.check_headers(CIMultiDict([(TARGET, "a"), *([(PREFIX + name, "a")] * (name[0] != "T"))]))
    twice = [(PREFIX + name, "a"), ((PREFIX + name).lower(), "b")]
    given = CIMultiDict([(TARGET, "m"), *twice] if name != "Target-Model" else twice)
    with pytest.raises(InvalidRequest, match="2 times"):
        CHECKS.check_headers(given)


@pytest.mark.parametrize("name", ["demo", "a" * 63, "a-b--c", "1"])
def test_an_endpoint_may_have_the_names_it_may_have_there(name):
    CHECKS.check_name(name)


@pytest.mark.hostile("paths and names")
@pytest.mark.parametrize("name", ["a" * 64, "-a", "a-", "a_b", "ä", "a b", "a/b", "..", "\0", "٣"])
def test_an_endpoint_has_no_name_the_service_would_refuse(name):
    CHECKS.check_name("demo")
    with pytest.raises(InvalidRequest, match="at 'endpointName' failed"):
        CHECKS.check_name(name)


@pytest.mark.parametrize(
    ("pattern", "ours"),
    [(r"\p{ASCII}*", r"[\x00-\x7f]*"), (r"\A\S[\p{Print}]*\z", r"\A\S[\x20-\x7e]*\Z")],
)
def test_patterns_are_translated(pattern, ours):
    assert in_python(pattern) == ours


async def test_a_refusal_comes_before_the_body_is_read(endpoint, engine):
    sent = {TARGET: "m", f"{PREFIX}Session-Id": "?"}
    async with endpoint.client.post("/endpoints/demo/invocations", headers=sent) as answer:
        assert answer.status == 400
        assert answer.headers["x-amzn-ErrorType"] == "ValidationError"
        assert (await answer.json())["Message"].startswith(ONE + "'?' at 'sessionId'")
    assert engine.asked == []
