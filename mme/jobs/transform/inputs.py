"""Which inputs a transform has, and where the output of each goes: `<name>.out`, as the service.

An input's *key* is its path below the place named: what lies in `s3://bucket/in/a/b.csv` is
`a/b.csv` of `s3://bucket/in` or `s3://bucket/in/`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mme.jobs.transform.errors import TransformRefused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mme.jobs.transform.places import ObjectRef, Places

ENDING = ".out"
MOST_MANIFEST_BYTES = 64 * 1024 * 1024
PREFIX, MANIFEST = "S3Prefix", "ManifestFile"


@dataclass(frozen=True, slots=True)
class Input:
    """One input, and the URI of its output."""

    key: str
    ref: ObjectRef
    output_uri: str


def inputs_below(places: Places, uri: str, output: str) -> Iterator[Input]:
    """What begins with `uri`, but outputs and markers of folders. Raises PlaceUnavailable."""
    for ref in places.list(uri):
        is_output = ref.uri.startswith(_folder(output)) and ref.uri.endswith(ENDING)
        if not ref.uri.endswith("/") and not is_output:
            yield _input(_key(ref.uri, uri), ref, output)


def inputs_of_manifest(places: Places, uri: str, output: str) -> Iterator[Input]:
    """What a ManifestFile lists: `[{"prefix": "s3://…"}, "a.csv", …]`, with these keys.

    Raises TransformRefused, PlaceUnavailable.
    """
    seen = set[str]()
    for prefix, key in _manifest(places, uri):
        if key in seen:
            continue
        seen.add(key)
        ref = places.find(prefix + key)
        if ref is None:
            raise TransformRefused(f"the manifest {uri} lists {prefix + key}, which is not there")
        yield _input(key, ref, output)


def _manifest(places: Places, uri: str) -> Iterator[tuple[str, str]]:
    ref = places.find(uri)
    if ref is None:
        raise TransformRefused(f"there is no manifest {uri}")
    with places.open(ref) as file:
        content = file.read(MOST_MANIFEST_BYTES + 1)
    if len(content) > MOST_MANIFEST_BYTES:
        raise TransformRefused(
            f"the manifest {uri} is larger than the {MOST_MANIFEST_BYTES} bytes one may have"
        )
    try:
        entries = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise TransformRefused(f"the manifest {uri} is no JSON: {error}") from None
    match entries:
        case [{"prefix": str(prefix)}, *keys] if all(isinstance(key, str) for key in keys):
            for key in keys:
                if any(part in ("", ".", "..") for part in key.split("/")):
                    raise TransformRefused(f"the manifest {uri} lists {key!r}, no plain path")
                yield prefix, key
        case _:
            raise TransformRefused(
                f'the manifest {uri} is not of the form [{{"prefix": "s3://…"}}, "key", …]'
            )


def _input(key: str, ref: ObjectRef, output: str) -> Input:
    return Input(key, ref, f"{_folder(output)}{key}{ENDING}")


def _folder(output: str) -> str:
    return output.rstrip("/") + "/"


def _key(found: str, uri: str) -> str:
    if found.startswith(uri.rstrip("/") + "/"):
        return found[len(uri.rstrip("/")) + 1 :]
    return found[uri.rfind("/") + 1 :]
