"""The operator's pipelines: the file that `MME_PIPELINES` names, read once at the start.

JSON: an object of pipelines by name, each a list of steps. A step is a text (a target model, or a
URL), or an object with `model`, `url` or `targets` (what the caller's target model is joined to),
and, if wanted, `name`, `accept` and `timeout_s`. What is off is told with its place.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mme.core.errors import InvalidRequest
from mme.core.names import S3_SCHEME, check_key
from mme.pipelines.definition import FEWEST_STEPS, MOST_STEPS, Pipeline, Step

if TYPE_CHECKING:
    from pathlib import Path

NAME = re.compile(r"(?=.{1,63}\Z)[A-Za-z0-9](-*[A-Za-z0-9])*", re.ASCII)
"""Of an endpoint, and of a container, as the service has it."""
MOST_BYTES = 1024 * 1024
MOST_S = 3600.0
MOST_ACCEPT_CHARS = 1024
WHAT = ("model", "targets", "url")
MEMBERS = (*WHAT, "name", "accept", "timeout_s")
URL_SCHEMES = ("http", "https")
SHOWN_CHARS = 100


class PipelineError(ValueError):
    """A pipeline that cannot be; the message says which, where, and why."""


def read_pipelines(path: Path) -> dict[str, Pipeline]:
    """The pipelines of a file by name. Raises PipelineError."""
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise PipelineError(f"it cannot be read: {error.strerror}") from None
    if len(content) > MOST_BYTES:
        raise PipelineError(f"it has more than {MOST_BYTES} bytes")
    try:
        found = json.loads(content, object_pairs_hook=_once)
    except PipelineError:
        raise
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise PipelineError(f"{place}: it is no JSON: {error.msg}") from None
    except (ValueError, RecursionError) as error:  # no UTF-8, a number of 5,000 digits, too deep
        raise PipelineError(f"it is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise PipelineError("it must be an object: names of pipelines and their lists of steps")
    return {name: _pipeline(name, steps) for name, steps in found.items()}


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose members are there once: which of two would hold, nobody could say."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise PipelineError(f"{twice[:SHOWN_CHARS]!r} is there more than once in one object")
    return found


def _pipeline(name: str, given: Any) -> Pipeline:
    if not NAME.fullmatch(name):
        raise PipelineError(
            f"pipeline {name[:SHOWN_CHARS]!r}: its name cannot be an endpoint's: 1 to 63 letters,"
            " digits and hyphens between them"
        )
    place = f"pipeline {name!r}"
    if not isinstance(given, list):
        raise PipelineError(f"{place}: it must be a list of steps")
    if not FEWEST_STEPS <= len(given) <= MOST_STEPS:
        raise PipelineError(
            f"{place}: it has {len(given)} steps; a pipeline has {FEWEST_STEPS} to {MOST_STEPS}"
        )
    steps = tuple(
        _step(each, f"{place}, step {number}", number) for number, each in enumerate(given, 1)
    )
    names = [step.name for step in steps]
    for number, step in enumerate(steps, 1):
        if names.index(step.name) < number - 1:
            raise PipelineError(f"{place}, step {number}: another is called {step.name!r} too")
    targeted = [number for number, step in enumerate(steps, 1) if step.is_targeted]
    if len(targeted) > 1:
        raise PipelineError(
            f"{place}, step {targeted[1]}: 'targets' may be in one step, and step {targeted[0]}"
            " has it: a request names one target model"
        )
    return Pipeline(name, steps)


def _step(given: Any, place: str, number: int) -> Step:
    if isinstance(given, str):
        is_url = given.partition("://")[0].lower() in URL_SCHEMES
        given = {"url" if is_url else "model": given}
    if not isinstance(given, dict):
        raise PipelineError(f"{place}: it must be a text or an object")
    for member in given:
        if member not in MEMBERS:
            raise PipelineError(
                f"{place}: there is no member {member[:SHOWN_CHARS]!r}; there are"
                f" {', '.join(MEMBERS)}"
            )
    what = [member for member in WHAT if member in given]
    if len(what) != 1:
        raise PipelineError(f"{place}: it must have one of {', '.join(WHAT)}; it has {len(what)}")
    for member in ("name", "accept", *what):
        if not isinstance(given.get(member, ""), str):
            raise PipelineError(f"{place}: {member!r} must be a text")
    return Step(
        _name(given.get("name", f"step-{number}"), place),
        key=_model(given, place),
        is_targeted="targets" in given,
        url=_url(given["url"], place) if "url" in given else "",
        accept=_accept(given.get("accept", ""), place),
        timeout_s=_timeout_s(given.get("timeout_s"), place),
    )


def _name(name: str, place: str) -> str:
    if not NAME.fullmatch(name):
        raise PipelineError(
            f"{place}: the name {name[:SHOWN_CHARS]!r} is none: 1 to 63 letters, digits and"
            " hyphens between them"
        )
    return name


def _model(given: dict[str, Any], place: str) -> str:
    """The key of a step's model, or what targets are joined to."""
    prefix = given.get("targets", "")
    try:
        if "model" in given:
            return check_key(given["model"])
        if prefix and prefix != S3_SCHEME:
            check_key(prefix.removesuffix("/"))
    except InvalidRequest as error:
        raise PipelineError(f"{place}: {error.message}") from None
    return str(prefix)


def _url(url: str, place: str) -> str:
    reason = _fault_of(url)
    if reason:
        shown = url.rpartition("@")[2]  # before it may be a password
        raise PipelineError(f"{place}: the URL {shown[:SHOWN_CHARS]!r} {reason}")
    return url


def _fault_of(url: str) -> str:
    if "@" in url:
        return "has a user in it; names and passwords are not sent"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        return f"is none: {error}"
    faults = {
        "must begin with http:// or https://, a host and, if wanted, a port": (
            parts.scheme not in URL_SCHEMES or not parts.hostname or port == 0
        ),
        "has other letters than ASCII's in it, or spaces": (
            not url.isascii() or not url.isprintable() or " " in url
        ),
        "has a '#' in it, which is sent to nobody": "#" in url,
        "names no path; a SageMaker container answers at /invocations": parts.path in ("", "/"),
    }
    return next((fault for fault, is_there in faults.items() if is_there), "")


def _accept(accept: str, place: str) -> str:
    if not (accept.isascii() and accept.isprintable() and len(accept) <= MOST_ACCEPT_CHARS):
        raise PipelineError(f"{place}: 'accept' must be a header's value, of printable ASCII")
    return accept


def _timeout_s(given: Any, place: str) -> float | None:
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 < given <= MOST_S:
        raise PipelineError(
            f"{place}: 'timeout_s' must be a number of seconds above 0, at most {MOST_S:g}"
        )
    return float(given)
