"""The parameters of an artifact: values out of `<Family>-params.json`, checked one by one.

A number may also be written as a string (`"window": "10"`), and null as `"None"`. Keys that nobody
asks for are ignored. Which keys there are is each family's matter.
"""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from models.errors import ArtifactError, shorten

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MAX_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Params:
    """The parameters in `file`, which errors name. Without a default a key must be there."""

    file: str
    values: Mapping[str, object]

    def text(self, key: str, default: str | None = None) -> str:
        """A string that is not blank."""
        value = self._get(key, default)
        if not isinstance(value, str) or not value.strip():
            self._refuse(key, value, "must be a string that is not blank")
        return value

    def choice(self, key: str, options: tuple[str, ...], default: str | None = None) -> str:
        """One of `options`; JSON's null stands for "None"."""
        value = self._get(key, default)
        value = "None" if value is None else value
        if not isinstance(value, str) or value not in options:
            self._refuse(key, value, f"must be one of {', '.join(options)}")
        return value

    def whole_number(
        self, key: str, default: int | None = None, *, minimum: int = 1, maximum: int = 10**9
    ) -> int:
        """A whole number from `minimum` to `maximum`, written as a number or a string."""
        value = self._get(key, default)
        number = _whole(value)
        if number is None or not minimum <= number <= maximum:
            self._refuse(key, value, f"must be a whole number from {minimum} to {maximum}")
        return number

    def number(
        self, key: str, default: float | None = None, *, minimum: float = 0, maximum: float = 1e9
    ) -> float:
        """A number from `minimum` to `maximum`, written as a number or a string."""
        value = self._get(key, default)
        number = _number(value)
        if not minimum <= number <= maximum:
            self._refuse(key, value, f"must be a number from {minimum:g} to {maximum:g}")
        return number

    def flag(self, key: str, *, default: bool) -> bool:
        """True or false."""
        value = self.values.get(key, default)
        known = {"true": True, "false": False}
        value = known.get(value.lower(), value) if isinstance(value, str) else value
        if not isinstance(value, bool):
            self._refuse(key, value, "must be true or false")
        return value

    def words(self, key: str) -> frozenset[str] | None:
        """A list of strings as a set, or None if the key is not there or null."""
        value = self.values.get(key)
        if value is None:
            return None
        if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
            self._refuse(key, value, "must be a list of strings")
        return frozenset(value)

    def _get(self, key: str, default: object) -> object:
        if key not in self.values and default is None:
            raise ArtifactError(self.file, f"{key} is missing")
        return self.values.get(key, default)

    def _refuse(self, key: str, value: object, rule: str) -> NoReturn:
        raise ArtifactError(self.file, f"{key} is {shorten(value)}: it {rule}")


def _whole(value: object) -> int | None:
    """The whole number that `value` is or spells, or None."""
    number = _number(value)
    return int(number) if number.is_integer() else None


def _number(value: object) -> float:
    """The number that `value` is or spells, or NaN."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return math.nan
    try:
        return float(value)
    except (ValueError, OverflowError):
        return math.nan


def read_params(model_dir: Path, family: str) -> Params:
    """Read `<family>-params.json` in `model_dir`; ArtifactError if it is no JSON object."""
    path = model_dir / f"{family}-params.json"
    try:
        with path.open("rb") as file:
            # Not MAX_BYTES at once: each worker would allocate a buffer of that size.
            raw = file.read(min(os.fstat(file.fileno()).st_size, MAX_BYTES) + 1)
        if len(raw) > MAX_BYTES:
            raise ArtifactError(path, f"is larger than {MAX_BYTES} bytes")
        values = json.loads(raw)
    except OSError as error:
        raise ArtifactError(path, f"cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ArtifactError(path, f"is not JSON: {error}") from error
    if not isinstance(values, dict):
        raise ArtifactError(path, f"must hold a JSON object, not {type(values).__name__}")
    return Params(path.name, values)
