"""`config.pbtxt` as text to the same in JSON's terms, by Triton's own schema.

The schema is tritonclient's, read from its file: to import it as a module of tritonclient would
import gRPC. What the configuration means is for `config`, whether it can be met for `support`.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.errors import ArtifactError

if TYPE_CHECKING:
    from types import ModuleType

FILE = "config.pbtxt"
EXTRA = "mme[triton]"
MOST_BYTES = 1024 * 1024
SHOWN_CHARS = 300
PARSERS = ("google.protobuf.text_format", "google.protobuf.json_format")
_SCHEMA = Path("grpc", "model_config_pb2.py")


def read_config(path: Path, file: str) -> dict[str, Any]:
    """The configuration at `path`, without what it leaves out; whole numbers are ints.

    Errors name `file`. Raises ArtifactError, also where the packages are missing.
    """
    try:
        with path.open("rb") as opened:
            raw = opened.read(MOST_BYTES + 1)
    except OSError as error:
        raise ArtifactError(file, f"cannot be read: {os.strerror(error.errno or 0)}") from error
    if len(raw) > MOST_BYTES:
        raise ArtifactError(file, f"is larger than {MOST_BYTES} bytes")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ArtifactError(file, f"is not UTF-8: {error.reason} at byte {error.start}") from error
    schema, text_format, json_format = _libraries(file)
    try:
        message = text_format.Parse(text, schema.ModelConfig())
        said = json_format.MessageToDict(message, preserving_proto_field_name=True)
        return _with_numbers(said, message.DESCRIPTOR)
    except (text_format.ParseError, ValueError) as error:  # of numbers beyond 32 bits ValueError
        raise ArtifactError(file, f"is no model configuration: {_words(error)}") from error
    except RecursionError as error:
        raise ArtifactError(file, "is nested too deeply") from error


def _words(error: Exception) -> str:
    return " ".join(str(error).split())[:SHOWN_CHARS]


def _with_numbers(said: dict[str, Any], descriptor: Any) -> dict[str, Any]:
    """The same with ints where JSON's form of Protocol Buffers has strings of digits.

    Raises ValueError for a number in place of a name that the schema does not know.
    """
    made: dict[str, Any] = {}
    for key, value in said.items():
        field = descriptor.fields_by_name[key]
        inner = field.message_type
        if field.enum_type is not None:
            _check_names(key, value)
            made[key] = value
        elif inner is None:
            made[key] = _number(value) if _is_long(field) else value
        elif inner.GetOptions().map_entry:
            of_values = inner.fields_by_name["value"].message_type
            made[key] = {
                name: each if of_values is None else _with_numbers(each, of_values)
                for name, each in value.items()
            }
        elif isinstance(value, list):
            made[key] = [_with_numbers(each, inner) for each in value]
        else:
            made[key] = _with_numbers(value, inner)
    return made


def _check_names(key: str, value: Any) -> None:
    for each in value if isinstance(value, list) else [value]:
        if not isinstance(each, str):
            raise ValueError(f"{key} {each} is none of its values")  # noqa: TRY004 - it is a value


def _is_long(field: Any) -> bool:
    return field.cpp_type in (field.CPPTYPE_INT64, field.CPPTYPE_UINT64)


def _number(value: Any) -> Any:
    return [int(each) for each in value] if isinstance(value, list) else int(value)


@cache
def _schema() -> ModuleType:
    """Raises ImportError."""
    found = importlib.util.find_spec("tritonclient")
    places = [] if found is None else found.submodule_search_locations or []
    for place in places:
        file = Path(place) / _SCHEMA
        if file.is_file():
            spec = importlib.util.spec_from_file_location("models_triton_schema", file)
            if spec is not None and spec.loader is not None:
                module = importlib.util.module_from_spec(spec)
                spec.loader.exec_module(module)
                return module
    raise ImportError("tritonclient")


def _libraries(file: str) -> tuple[Any, Any, Any]:
    try:
        text_format, json_format = map(importlib.import_module, PARSERS)
        return _schema(), text_format, json_format
    except ImportError as error:
        raise ArtifactError(
            file,
            f"needs protobuf and tritonclient, which are not installed here: pip install '{EXTRA}'",
        ) from error
