"""Whether an artifact is fit to serve: it comes in, loads, and answers its own sample request.

An artifact may carry `sample-request.json`, an InvokeEndpoint request in that call's own words:
`{"ContentType": "text/csv", "Body": "a text,another one"}`, with `Accept` and `CustomAttributes` if
wanted. A body that is no string is sent as JSON.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mme.core.artifact import SAMPLE_REQUEST
from mme.core.errors import LoadFailed
from mme.core.names import TARGET_HEADER
from mme.core.terms import PLAIN

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

    from mme.cache.threads import Run
    from mme.core.answer import Answer
    from mme.core.artifact import Admitted
    from mme.core.terms import Terms
    from mme.residency.residency import Residency

    Invoke = Callable[[str, Mapping[str, str], bytes, Terms], Awaitable[Answer]]

MOST_BYTES = 1024 * 1024
SHOWN_CHARS = 300
SUCCESS = range(200, 300)
HEADERS = {
    "ContentType": "Content-Type",
    "Accept": "Accept",
    "CustomAttributes": "X-Amzn-SageMaker-Custom-Attributes",
}
DEFAULT_TYPE = "application/json"


class SampleFailed(LoadFailed):
    """A model does not answer its own sample request, or that is none."""

    def __init__(self, target: str, reason: str) -> None:
        super().__init__(target, 0, reason)
        self.message = f"{target} is not fit to serve: {reason}"


@dataclass(frozen=True, slots=True)
class Sample:
    """A request as the engine takes it."""

    headers: Mapping[str, str]
    body: bytes


async def tried(residency: Residency, target: str, run: Run, ask: Invoke) -> Admitted:
    """An artifact that is in memory and has answered its sample request, if it has one.

    `ask` invokes it as callers do, with what it asks of other target models. Raises
    what `Residency.invoke` does, and SampleFailed.
    """
    residency.table.forgive(target)  # whoever tries knows that it has changed since it failed
    artifact = (await residency.load(target)).artifact
    sample = await run(lambda: read_sample(artifact.model_dir, target))
    if sample is not None:
        answer = await ask(target, sample.headers, sample.body, PLAIN)
        if answer.status not in SUCCESS:
            said = answer.body[:SHOWN_CHARS].decode("utf-8", "replace")
            raise SampleFailed(
                target, f"it answers its own {SAMPLE_REQUEST} with {answer.status}: {said}"
            )
    return artifact


def read_sample(model_dir: Path, target: str) -> Sample | None:
    """The sample request in an unpacked artifact; None: it has none. Raises SampleFailed."""
    path = model_dir / SAMPLE_REQUEST
    try:
        if not path.is_file():
            return None
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise SampleFailed(
            target, f"its {SAMPLE_REQUEST} cannot be read: {error.strerror}"
        ) from error
    if len(content) > MOST_BYTES:
        raise SampleFailed(target, f"its {SAMPLE_REQUEST} is larger than {MOST_BYTES} bytes")
    try:
        said = json.loads(content)
    except (ValueError, RecursionError):
        raise SampleFailed(target, f"its {SAMPLE_REQUEST} is no JSON") from None
    if not isinstance(said, dict) or "Body" not in said:
        raise SampleFailed(target, f"its {SAMPLE_REQUEST} is no JSON object with a Body")
    return Sample(_headers(said, target), _body(said["Body"]))


def _headers(said: Mapping[str, Any], target: str) -> dict[str, str]:
    headers = {"Content-Type": DEFAULT_TYPE}
    for member, header in HEADERS.items():
        value = said.get(member)
        if value is None:
            continue
        if not isinstance(value, str) or not (value.isascii() and value.isprintable()):
            raise SampleFailed(target, f"{member} in its {SAMPLE_REQUEST} is no header's value")
        headers[header] = value
    headers[TARGET_HEADER] = target.encode("ascii", "backslashreplace").decode()
    return headers


def _body(said: object) -> bytes:
    text = said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace")
