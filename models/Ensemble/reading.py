"""`ensemble.json`, read: inputs, steps and outputs, each checked by itself.

How the steps hang together is for `graph`. Everything wrong is an ArtifactError that names the
step, the key and what is there.
"""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any, NoReturn

from models.elsewhere import TARGET
from models.Ensemble.asking import SENT, RequestWork, TensorWork
from models.Ensemble.definition import FILE, NOTHING, TRACE, Definition, Input, Output, Step
from models.Ensemble.elsewhere import TargetWork
from models.Ensemble.kinds import ANY, Kind, WrongKind, fault, read_kind
from models.Ensemble.templates import (
    NAME,
    Reference,
    Template,
    read_reference,
    read_template,
    references,
)
from models.Ensemble.values import UnusableValue, check_value
from models.Ensemble.work import ASCENDING, DESCENDING, RankWork, TextWork, ValueWork
from models.errors import ArtifactError, shorten
from models.media import JSON

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from models.Ensemble.work import Work

MAX_FILE_BYTES = 1024 * 1024
MAX_STEPS = 64
MAX_MEMBERS = 16
MOST_REFERENCES = 1000
"""In what is one value: each may stand for a list of thousands."""
MOST_LISTS = 16
"""That one step goes through side by side, or ranks by."""
COMMON = ("each", "when", "optional", "otherwise", "type")
WORKS = {
    "model": ("request", "content_type", "accept", "tensors", "parameters", "outputs"),
    "target": ("request", "content_type", "accept"),
    "value": (),
    "text": ("separator",),
    "rank": ("by", "order", "top", "least"),
}
"""What a step does by which key, and the further keys of such a step."""


def read_definition(model_dir: Path) -> Definition:
    """Read and check the file. Raises ArtifactError."""
    said = _read(model_dir / FILE)
    _check_keys(said, ("inputs", "steps", "outputs"), "it")
    parts = {key: _object(said.get(key, {}), key) for key in ("inputs", "steps", "outputs")}
    if len(parts["steps"]) > MAX_STEPS:
        _refuse(f"it has {len(parts['steps'])} steps; at most {MAX_STEPS} are taken")
    if not parts["outputs"]:
        _refuse("it has no outputs")
    found = Definition(
        {name: _input(name, each) for name, each in _named(parts["inputs"], "input")},
        {name: _step(name, each) for name, each in _named(parts["steps"], "step")},
        {name: _output(name, each) for name, each in _named(parts["outputs"], "output")},
    )
    for name in found.steps:
        if name in found.inputs:
            _refuse(f"{name} is the name of an input and of a step")
    if TRACE in found.inputs or TRACE in found.outputs:
        _refuse(f"an input or output may not be called {TRACE}, which requests and answers use")
    if len(found.members) > MAX_MEMBERS:
        _refuse(f"its steps ask {len(found.members)} models; at most {MAX_MEMBERS} are taken")
    return found


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            raw = file.read(min(os.fstat(file.fileno()).st_size, MAX_FILE_BYTES) + 1)
        if len(raw) > MAX_FILE_BYTES:
            _refuse(f"is larger than {MAX_FILE_BYTES} bytes")
        said = json.loads(raw.decode("utf-8-sig"), object_pairs_hook=_without_repeats)
        check_value(said, "it")
    except OSError as error:
        raise ArtifactError(FILE, f"cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ArtifactError(FILE, f"is not JSON: {shorten(str(error))}") from error
    except UnusableValue as error:
        raise ArtifactError(FILE, error.message) from error
    return _object(said, "it")


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"{shorten(key, 60)} is there twice")
        found[key] = value
    return found


def _input(name: str, said: object) -> Input:
    what = f"input {name}"
    values = _object(said, what)
    _check_keys(values, ("type", "default"), what)
    kind = _kind(values.get("type"), what)
    default = values.get("default", NOTHING)
    if default is not NOTHING and default is not None and (found := fault(default, kind)):
        _refuse(f"{what}: its default {found}")
    return Input(kind, default)


def _output(name: str, said: object) -> Output:
    what = f"output {name}"
    values = _object(said, what)
    _check_keys(values, ("value", "type"), what)
    if "value" not in values:
        _refuse(f"{what}: value is missing")
    return Output(_template(values["value"], what), _kind(values.get("type", ANY), what))


def _step(name: str, said: object) -> Step:
    what = f"step {name}"
    values = _object(said, what)
    does = [key for key in WORKS if key in values]
    if len(does) != 1:
        found = " and ".join(does) or "none of them"
        _refuse(f"{what} must have one of {', '.join(WORKS)}; it has {found}")
    _check_keys(values, (does[0], *COMMON, *WORKS[does[0]]), what)
    each = {
        alias: _reference(reference, f"{what}: each")
        for alias, reference in _named(_object(values.get("each", {}), f"{what}: each"), "each")
    }
    if len(each) > MOST_LISTS:
        _refuse(f"{what}: each has {len(each)} lists; at most {MOST_LISTS} are taken")
    optional = values.get("optional", False)
    if not isinstance(optional, bool):
        _refuse(f"{what}: optional must be true or false, not {shorten(optional, 60)}")
    return Step(
        name,
        _work(does[0], values, what),
        each,
        None if "when" not in values else _reference(values["when"], f"{what}: when"),
        optional,
        _template(values.get("otherwise"), what),
        _kind(values.get("type", ANY), what),
    )


def _work(does: str, values: Mapping[str, Any], what: str) -> Work:
    match does:
        case "value":
            return ValueWork(_template(values["value"], what))
        case "text":
            parts = values["text"] if isinstance(values["text"], list) else [values["text"]]
            separator = _text(values.get("separator", " "), f"{what}: separator")
            return TextWork(_template(parts, what), separator)
        case "rank":
            return _rank(values, what)
        case "target":
            return _target(values, what)
        case _:
            return _asking(values, what)


def _rank(values: Mapping[str, Any], what: str) -> Work:
    order = values.get("order", DESCENDING)
    if order not in (DESCENDING, ASCENDING):
        _refuse(f"{what}: order must be {DESCENDING} or {ASCENDING}, not {shorten(order, 60)}")
    by = values.get("by")
    names = by if isinstance(by, list) and by else [by]
    if len(names) > MOST_LISTS:
        _refuse(f"{what}: by has {len(names)} paths; at most {MOST_LISTS} are taken")
    return RankWork(
        _reference(values["rank"], f"{what}: rank"),
        tuple(_within_item(each, f"{what}: by") for each in names),
        order,
        _template(values.get("top"), what),
        _template(values.get("least"), what),
    )


def _within_item(said: object, what: str) -> Reference:
    found = _reference(f"$item/{_text(said, what)}", what)
    return Reference(found.name, found.path, found.is_optional, str(said))


def _asking(values: Mapping[str, Any], what: str) -> Work:
    member = _text(values["model"], f"{what}: model")
    if re.fullmatch(NAME, member) is None:
        _refuse(f"{what}: model {shorten(member, 60)} is no name of a folder beside {FILE}")
    if ("request" in values) == ("tensors" in values):
        _refuse(f"{what} must have either request or tensors, what it asks {member}")
    if "tensors" in values:
        _check_keys(values, ("model", *COMMON, "tensors", "parameters", "outputs"), what)
        tensors = _object(values["tensors"], f"{what}: tensors")
        parameters = _object(values.get("parameters", {}), f"{what}: parameters")
        outputs = values.get("outputs")
        if outputs is not None and not (
            isinstance(outputs, list) and outputs and all(isinstance(each, str) for each in outputs)
        ):
            _refuse(f"{what}: outputs must be a list of names, not {shorten(outputs, 60)}")
        wanted = None if outputs is None else tuple(dict.fromkeys(outputs))
        return TensorWork(member, _template(tensors, what), _template(parameters, what), wanted)
    _check_keys(values, ("model", *COMMON, "request", "content_type", "accept"), what)
    return RequestWork(member, _template(values["request"], what), *_types(values, what))


def _target(values: Mapping[str, Any], what: str) -> Work:
    target = _text(values["target"], f"{what}: target")
    if re.fullmatch(TARGET, target) is None:
        _refuse(f"{what}: target {shorten(target, 60)} is no name in the ensemble's own folder")
    if "each" in values:
        _refuse(f"{what}: each is for models of the artifact, not for target models")
    if "request" not in values:
        _refuse(f"{what} must have a request, what it asks {target}")
    return TargetWork(target, _template(values["request"], what), *_types(values, what))


def _types(values: Mapping[str, Any], what: str) -> tuple[str, str]:
    """Content-Type and Accept of a request."""
    sent = _text(values.get("content_type", JSON), f"{what}: content_type")
    if sent not in SENT:
        _refuse(f"{what}: content_type must be one of {', '.join(SENT)}, not {shorten(sent, 60)}")
    accept = _text(values.get("accept", JSON), f"{what}: accept")
    if not (accept.isascii() and accept.isprintable()):
        _refuse(f"{what}: accept must be printable ASCII, not {shorten(accept, 60)}")
    return sent, accept


def _named(values: Mapping[str, Any], what: str) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if re.fullmatch(NAME, name) is None:
            _refuse(
                f"{what} {shorten(name, 60)}: a name is a letter, then letters, digits, _ and -,"
                " at most 64"
            )
        yield name, value


def _kind(said: object, what: str) -> Kind:
    try:
        return read_kind(said)
    except WrongKind as error:
        _refuse(f"{what}: type {error}")


def _template(said: object, what: str) -> Template:
    try:
        found = read_template(said)
    except ValueError as error:
        _refuse(f"{what}: {error}")
    count = sum(1 for _ in references(found))
    if count > MOST_REFERENCES:
        _refuse(f"{what} has {count} references; at most {MOST_REFERENCES} are taken")
    return found


def _reference(said: object, what: str) -> Reference:
    try:
        return read_reference(said)
    except ValueError as error:
        _refuse(f"{what}: {error}")


def _object(said: object, what: str) -> dict[str, Any]:
    if not isinstance(said, dict):
        _refuse(f"{what} must be a JSON object, not {shorten(said, 60)}")
    return said


def _text(said: object, what: str) -> str:
    if not isinstance(said, str):
        _refuse(f"{what} must be a string, not {shorten(said, 60)}")
    return said


def _check_keys(values: Mapping[str, Any], known: tuple[str, ...], what: str) -> None:
    unknown = [key for key in values if key not in known]
    if unknown:
        _refuse(f"{what} has an unknown key {shorten(unknown[0], 60)}; known: {', '.join(known)}")


def _refuse(reason: str) -> NoReturn:
    raise ArtifactError(FILE, reason)
