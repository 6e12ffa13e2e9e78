"""Headers between callers and models: which pass, and in what spelling.

SageMaker lets few through to a container, and few back; everything else stays here. Their values
come as bytes of unknown encoding and go on as ASCII, since the model server takes nothing else.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from multidict import CIMultiDict, istr

from mme.core.errors import InvalidRequest
from mme.core.names import TARGET_HEADER
from mme.core.pipeline_key import SCHEME

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mme.core.answer import Answer
    from mme.core.timing import StepTime
    from mme.endpoints.serving import Chosen

CONTENT_TYPE = istr("Content-Type")
ACCEPT = istr("Accept")
CUSTOM_ATTRIBUTES = istr("X-Amzn-SageMaker-Custom-Attributes")
TARGET = istr(TARGET_HEADER)
TARGET_VARIANT = istr("X-Amzn-SageMaker-Target-Variant")
TARGET_CONTAINER = istr("X-Amzn-SageMaker-Target-Container-Hostname")
VARIANT = istr("x-Amzn-Invoked-Production-Variant")
SERVICE_ACCEPT = istr("X-Amzn-SageMaker-Accept")
"""The Accept of operations whose own answer is no model's."""
SERVICE_CONTENT_TYPE = istr("X-Amzn-SageMaker-Content-Type")
SAMPLE = istr("X-Mme-Sample")
"""In the answers of shipped samples: nobody shall take one for a model of their own."""
REQUEST_ID = istr("x-amzn-RequestId")
MODEL_VERSION = istr("X-Mme-Model-Version")
STEPS = istr("X-Mme-Steps")
"""Of a pipeline: what each step took, in milliseconds, written as in `Server-Timing`."""
MEANT_TARGET = istr("X-Mme-Target-Model")
MODEL_NAME = "X-Mme-Model-Name"
"""What the caller calls the model, percent-encoded: its answer in tensors has it."""
ERROR_TYPE = istr("x-amzn-ErrorType")
TARGET_ATTRIBUTE = re.compile(r"(?:^|[,;])[ \t]*target-model[ \t]*=([^,;]*)", re.IGNORECASE)
SESSION = istr("X-Amzn-SageMaker-Session-Id")
"""A session is the model's: it names one when it is asked for NEW_SESSION, and closes it."""
NEW_SESSION = istr("X-Amzn-SageMaker-New-Session-Id")
CLOSED_SESSION = istr("X-Amzn-SageMaker-Closed-Session-Id")
INFERENCE_ID = istr("X-Amzn-SageMaker-Inference-Id")
PASSED_ON = (CONTENT_TYPE, ACCEPT, CUSTOM_ATTRIBUTES, SESSION)
PASSED_BACK = tuple(
    (name, name.lower()) for name in (CONTENT_TYPE, CUSTOM_ATTRIBUTES, NEW_SESSION, CLOSED_SESSION)
)
"""Name on the wire, name in an answer of the engine."""


def passed_on(
    headers: Mapping[str, str], *, content_type: istr = CONTENT_TYPE, accept: istr = ACCEPT
) -> dict[str, str]:
    """The headers of a request that a model sees, the target model aside.

    `content_type` and `accept` are where the request has the forms given to and wanted of it.
    """
    passed = {}
    places = {CONTENT_TYPE: content_type, ACCEPT: accept}
    for name in PASSED_ON:
        value = headers.get(places.get(name, name))
        if value is not None:
            passed[str(name)] = printable(decoded(value))
    return passed


def passed_back(answer: Answer) -> CIMultiDict[str]:
    """The headers of a model's answer that a caller sees."""
    given = answer.headers
    passed: CIMultiDict[str] = CIMultiDict()
    for wire_name, name in PASSED_BACK:
        value = given.get(name)
        if value is not None:
            passed[wire_name] = printable(value)
    return passed


def version_headers(chosen: Chosen, target: str, version: str) -> dict[str, str]:
    """Which artifact answered, as the caller would name it, and which version of it."""
    where = len(chosen.key) - len(chosen.target)
    if chosen.key.startswith(SCHEME):  # what answered is one of its models
        return {}
    headers = {MEANT_TARGET: printable(target[where:]), MODEL_VERSION: printable(version)}
    return {name: value for name, value in headers.items() if value}


def step_headers(steps: Sequence[StepTime]) -> dict[str, str]:
    """What the steps of a pipeline took, if it was one."""
    if not steps:
        return {}
    return {STEPS: ", ".join(f"{name};dur={seconds * 1000:.1f}" for name, seconds in steps)}


def target_in(headers: Mapping[str, str]) -> str | None:
    """The target model that a request names, if it names one."""
    raw = headers.get(TARGET)
    return None if raw is None else decoded(raw)


def target_named(headers: Mapping[str, str]) -> str | None:
    """The target model of an operation that has no parameter for it, or None.

    It is named in InvokeEndpoint's header, or else in the custom attributes. Raises InvalidRequest.
    """
    return decoded(headers.get(TARGET, "")) or target_in_attributes(headers)


def target_in_attributes(headers: Mapping[str, str]) -> str | None:
    """The target model among the custom attributes, or None.

    Written as `target-model=NAME`, alone or before, after or between others, which commas or
    semicolons divide. Raises InvalidRequest where it is named twice.
    """
    named = TARGET_ATTRIBUTE.findall(decoded(headers.get(CUSTOM_ATTRIBUTES, "")))
    if len(named) > 1:
        raise InvalidRequest(f"The custom attributes have target-model {len(named)} times")
    return named[0].strip() or None if named else None


def decoded(raw: str) -> str:
    """A header's value as its sender meant it: UTF-8, or else Latin-1.

    Clients built on http.client send Latin-1, of which aiohttp makes surrogates.
    """
    if raw.isascii():
        return raw
    try:
        raw.encode("utf-8")
    except UnicodeEncodeError:
        return raw.encode("utf-8", "surrogateescape").decode("latin-1")
    return raw


def printable(value: str) -> str:
    """`value` as a header may hold it: ASCII, without control characters but the tab."""
    if value.isascii() and value.isprintable():
        return value
    ascii_value = value.encode("ascii", "backslashreplace").decode("ascii")
    return "".join(
        letter if letter.isprintable() or letter == "\t" else f"\\x{ord(letter):02x}"
        for letter in ascii_value
    )
