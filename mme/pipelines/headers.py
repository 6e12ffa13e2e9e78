"""Which headers a step of a pipeline gets. Pure.

The content type of an answer is the next request's; custom attributes go on to all steps as the
caller sent them, or as a step before has set them; Accept is for the last, the target model for
the one it chooses. Nothing else goes from the caller to a step, or from a step to the next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mme.core.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mme.core.answer import Answer
    from mme.pipelines.definition import Step

CONTENT_TYPE, ACCEPT = "content-type", "accept"
ATTRIBUTES = "x-amzn-sagemaker-custom-attributes"
TARGET = "x-amzn-sagemaker-target-model"
SESSION = "x-amzn-sagemaker-session-id"
MOST_CHARS = 1024
"""Of a header's value, as the service has it."""


def of_caller(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers of a request to a pipeline, names in lower case. Raises InvalidRequest."""
    given = {name.lower(): value for name, value in headers.items()}
    if given.get(SESSION):
        raise InvalidRequest(
            "SessionId cannot be used with a pipeline: sessions are a model's, and it has several"
        )
    return given


def of_step(step: Step, carried: Mapping[str, str], *, is_last: bool) -> dict[str, str]:
    """What a step gets of what has been carried so far."""
    names = (CONTENT_TYPE, ATTRIBUTES, ACCEPT) if is_last else (CONTENT_TYPE, ATTRIBUTES)
    headers = {name: carried[name] for name in names if name in carried}
    if step.accept:
        headers[ACCEPT] = step.accept
    if step.target and not step.url and TARGET in carried:
        headers[TARGET] = carried[TARGET]
    return headers


def after(carried: Mapping[str, str], answer: Answer) -> dict[str, str]:
    """What is carried after an answer."""
    going_on = {name: value for name, value in carried.items() if name != CONTENT_TYPE}
    for name in (CONTENT_TYPE, ATTRIBUTES):
        value = answer.headers.get(name)
        if value is not None:
            going_on[name] = _sendable(value)
    return going_on


def _sendable(value: str) -> str:
    """A value that a model, or a container, chose, as a header may hold it: printable ASCII."""
    if not (value.isascii() and value.isprintable()):
        value = value.encode("ascii", "backslashreplace").decode("ascii")
        value = "".join(letter for letter in value if letter.isprintable())
    return value[:MOST_CHARS]
