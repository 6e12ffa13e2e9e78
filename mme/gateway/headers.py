"""Headers between callers and models: which pass, and in what spelling.

SageMaker lets three through to a container and two back; everything else stays here. Their values
come as bytes of unknown encoding and go on as ASCII, since the model server takes nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from multidict import CIMultiDict, istr

from mme.core.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mme.core.answer import Answer

CONTENT_TYPE = istr("Content-Type")
ACCEPT = istr("Accept")
CUSTOM_ATTRIBUTES = istr("X-Amzn-SageMaker-Custom-Attributes")
TARGET = istr("X-Amzn-SageMaker-Target-Model")
VARIANT = istr("x-Amzn-Invoked-Production-Variant")
SAMPLE = istr("X-Mme-Sample")
"""In the answers of shipped samples: nobody shall take one for a model of their own."""
REQUEST_ID = istr("x-amzn-RequestId")
ERROR_TYPE = istr("x-amzn-ErrorType")
PASSED_ON = (CONTENT_TYPE, ACCEPT, CUSTOM_ATTRIBUTES)
PASSED_BACK = ((CONTENT_TYPE, "content-type"), (CUSTOM_ATTRIBUTES, CUSTOM_ATTRIBUTES.lower()))
"""Name on the wire, name in an answer of the engine."""


def passed_on(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers of a request that a model sees, the target model aside."""
    passed = {}
    for name in PASSED_ON:
        value = headers.get(name)
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


def target_in(headers: Mapping[str, str]) -> str:
    """The target model that a request names. Raises InvalidRequest if it names none."""
    raw = headers.get(TARGET)
    if raw is None:
        raise InvalidRequest(
            f"This is a multi-model endpoint: name a target model in the header {TARGET}"
            " (TargetModel in boto3)"
        )
    return decoded(raw)


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
