"""Server-sent events as a client reads them: from lines to frames. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame: its id ("": none of its own), what kind it is, its data."""

    id: str
    event: str
    data: str


def frames_in(lines: Iterable[bytes]) -> Iterator[Frame]:
    """The frames of these lines; comments and what is not ended by an empty line are left out."""
    event_id, event = "", "message"
    data: list[str] = []
    for line in lines:
        text = line.decode("utf-8", "replace").rstrip("\r\n")
        if not text:
            if data:
                yield Frame(event_id, event, "\n".join(data))
            event_id, event, data = "", "message", []
            continue
        name, _, value = text.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            data.append(value)
        elif name == "event":
            event = value
        elif name == "id":
            event_id = value
