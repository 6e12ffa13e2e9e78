"""The sample request in an artifact: what an endpoint asks before it lets an alias mean it."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from mme.core.artifact import SAMPLE_REQUEST
from models.registry import family

if TYPE_CHECKING:
    from models.serving import Request


def write_sample(name: str, folder: Path) -> None:
    """Put a request that every model of the family `name` answers among an artifact's files."""
    with tempfile.TemporaryDirectory(prefix="mme-sample-") as scratch:
        model, mapped = Path(scratch, "model"), Path(scratch, "mapped")
        model.mkdir()
        mapped.mkdir()
        request = family(name).rehearse(model, mapped)
    said = json.dumps(as_invocation(request), ensure_ascii=False, indent=2)
    (folder / SAMPLE_REQUEST).write_text(said + "\n", encoding="utf-8")


def as_invocation(request: Request) -> dict[str, str]:
    """A request in the words of InvokeEndpoint."""
    members = {"ContentType": request.content_type, "Accept": request.accept}
    said = {member: value for member, value in members.items() if value is not None}
    return said | {"Body": request.body.decode("utf-8")}
