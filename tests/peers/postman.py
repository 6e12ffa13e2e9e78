"""A reader of Postman's collections, as far as the model server's go: requests, wanted statuses.

Their test scripts compare the status with a list; that is read, what else they do is not run.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import requests

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

VARIABLE = re.compile(r"\{\{([^{}]+)\}\}")
STATUSES = re.compile(r"response\.code\)\.to\.be\.oneOf\(\[([0-9, ]+)\]\)")
TIMEOUT_S = 60


@dataclass(frozen=True)
class Asked:
    """One request of a collection."""

    name: str
    method: str
    url: str
    file: str | None
    """Whose content is the body."""
    statuses: frozenset[int]
    """Those the test script takes; empty: it compares none."""


def read_collection(file: Path, variables: Mapping[str, str]) -> Iterator[Asked]:
    """Its requests in order, variables filled in. Raises KeyError for one that is not there."""

    def filled(text: str) -> str:
        return VARIABLE.sub(lambda found: variables[found[1]], text)

    for item in json.loads(file.read_bytes())["item"]:
        asked = item["request"]
        body = asked.get("body", {}).get("file", {}).get("src")
        yield Asked(
            item["name"],
            asked["method"],
            filled(asked["url"]["raw"]),
            None if body is None else filled(body),
            _statuses(item.get("event", [])),
        )


def read_environment(file: Path) -> dict[str, str]:
    """An environment's variables."""
    return {each["key"]: each["value"] for each in json.loads(file.read_bytes())["values"]}


def ask(asked: Asked, folder: Path) -> tuple[bool, str]:
    """Whether the answer has a wanted status, and what came; files are named as seen from there."""
    body = b"" if asked.file is None else (folder / asked.file).read_bytes()
    answer = requests.request(asked.method, asked.url, data=body, timeout=TIMEOUT_S)
    return answer.status_code in asked.statuses, f"{answer.status_code} {answer.text[:200]}"


def _statuses(events: list[dict[str, Any]]) -> frozenset[int]:
    script = "\n".join(
        line for each in events if each["listen"] == "test" for line in each["script"]["exec"]
    )
    return frozenset(int(text) for found in STATUSES.findall(script) for text in found.split(","))
