"""What has arrived, by its key; and how its publishing ended, as the record beside it says. Pure.

A training job writes `training/NAME/ID/JOB/output/model.tar.gz`, where NAME may have slashes: what
the model is called, and as which version, was settled when the job was made.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from mme.core.errors import InvalidRequest
from mme.store.alias_file import artifact_of, check_alias, check_id

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "training/"
ENDING = "/output/model.tar.gz"
RECORD = "/output/outcome.json"
PARTS = 3
"""Of a key between prefix and ending, at least: name, id, job."""

State = Literal["serving", "refused", "rolled back", "superseded"]


@dataclass(frozen=True, slots=True)
class Arrived:
    """An artifact that a training job has left."""

    bucket: str
    key: str
    name: str
    """What the model is called: its alias."""
    id: str

    @property
    def target(self) -> str:
        """Its versioned name below the model store."""
        return artifact_of(self.name, self.id)

    @property
    def record_key(self) -> str:
        """Where is said how its publishing ended."""
        return self.key.removesuffix(ENDING) + RECORD


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the publishing of an artifact ended."""

    name: str
    id: str
    state: State
    reason: str = ""
    """Why it does not serve."""
    serves: str = ""
    """The id that the alias means now; "" if it means nothing."""

    @property
    def sentence(self) -> str:
        """The outcome for people."""
        if self.state == "serving":
            return f"{self.name} means {artifact_of(self.name, self.id)} now; it answers."
        rest = f"{self.name} means {self.serves}" if self.serves else f"{self.name} means nothing"
        return f"{artifact_of(self.name, self.id)} was {self.state}: {self.reason} ({rest}.)"

    def as_json(self) -> bytes:
        """The record; `read_outcome` reads it."""
        return json.dumps(asdict(self), ensure_ascii=False).encode()


def read_outcome(content: bytes) -> Outcome:
    """The outcome that a record tells."""
    return Outcome(**json.loads(content))


def read_event(event: Mapping[str, Any]) -> Arrived:
    """What EventBridge's "Object Created" tells of. Raises InvalidRequest."""
    try:
        bucket, key = event["detail"]["bucket"]["name"], event["detail"]["object"]["key"]
    except (KeyError, TypeError):
        raise InvalidRequest(f"no event of an object in S3: {json.dumps(event)[:300]}") from None
    return read_key(bucket, key)


def read_key(bucket: str, key: str) -> Arrived:
    """What a key tells of an artifact. Raises InvalidRequest."""
    parts = key.removeprefix(PREFIX).removesuffix(ENDING).split("/")
    if not (key.startswith(PREFIX) and key.endswith(ENDING)) or len(parts) < PARTS:
        raise InvalidRequest(
            f"s3://{bucket}/{key} is no {PREFIX}NAME/ID/JOB{ENDING}, so that it is not known what"
            " model it is"
        )
    *name, version_id, _ = parts
    return Arrived(bucket, key, check_alias("/".join(name)), check_id(version_id))


def place_of(uri: str) -> tuple[str, str]:
    """Bucket and key of `s3://bucket/key`."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key
