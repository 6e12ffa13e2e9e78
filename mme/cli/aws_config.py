"""A profile in AWS's configuration file: put there and taken out again, all else left as it was.

What is ours stands between two comment lines, the first of which says what undoing needs to know.
Pure: from bytes to bytes. Which file it is, and how it is written, is up to `configure.py`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

BEGIN, END = "# >>> mme configure: profile {}", "# <<< mme configure: profile {}"
NO_NEWLINE, NEW_FILE, NEW_FOLDER = "no newline before", "new file", "new file and folder"
PROFILE_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
SECTION = re.compile(rb"^[ \t]*\[[ \t]*(?P<words>[^\]\r\n]*?)[ \t]*\]", re.MULTILINE)
KEY = "mme"
"""Access key and secret: something must be sent, and nothing secret is."""


class ProfileTaken(ValueError):
    """There is a profile of that name which somebody else has written."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What is written."""

    name: str
    region: str
    endpoints: Mapping[str, str]
    """Service as the configuration calls it -> URL."""

    def lines(self) -> list[str]:
        """The lines between the two comments."""
        head = "default" if self.name == "default" else f"profile {self.name}"
        lines = [
            f"[{head}]",
            f"region = {self.region}",
            f"aws_access_key_id = {KEY}",
            f"aws_secret_access_key = {KEY}",
            f"services = {services_name(self.name)}",
            "",
            f"[services {services_name(self.name)}]",
        ]
        for service, url in self.endpoints.items():
            lines += [f"{service} =", f"  endpoint_url = {url}"]
        return lines


def services_name(profile: str) -> str:
    """What the section with the addresses is called."""
    return f"mme-{profile}" if profile != "mme" else "mme"


def with_profile(content: bytes, profile: Profile, *, new: str = "") -> bytes:
    """`content` with the profile at its end, or in place of the one written before.

    `new`: whether file, or folder too, were not there. Raises ProfileTaken.
    """
    block = _block(profile.name).search(content)
    if block is not None:
        told = _note(block)
        before, after = content[: block.start("block")], content[block.end("block") :]
    else:
        is_open = bool(content) and not content.endswith(b"\n")
        told = new or (NO_NEWLINE if is_open else "")
        before, after = content + (b"\n" if is_open else b""), b""
    _check_free(before + after, profile.name)
    note = f" ({told})" if told else ""
    lines = [BEGIN.format(profile.name) + note, *profile.lines(), END.format(profile.name), ""]
    return before + "\n".join(lines).encode() + after


def without_profile(content: bytes, name: str) -> tuple[bytes, str] | None:
    """`content` as it was before the profile came, and what was new then; None: it is not there."""
    block = _block(name).search(content)
    if block is None:
        return None
    told = _note(block)
    before, after = content[: block.start("block")], content[block.end("block") :]
    if told == NO_NEWLINE and not after:
        before = before.removesuffix(b"\n")
    return before + after, told if told != NO_NEWLINE else ""


def has_section(content: bytes, *names: str) -> bool:
    """Whether there is a section of one of these names, however it is spaced or quoted."""
    wanted = [name.split() for name in names]
    return any(
        match["words"].decode("utf-8", "replace").replace('"', " ").replace("'", " ").split()
        in wanted
        for match in SECTION.finditer(content)
    )


def _check_free(content: bytes, name: str) -> None:
    profile = ("default",) if name == "default" else (f"profile {name}",)
    if has_section(content, *profile, f"services {services_name(name)}"):
        raise ProfileTaken(f"there is a profile {name!r} already, and it was not written by mme")


def _block(name: str) -> re.Pattern[bytes]:
    begin, end = (re.escape(mark.format(name).encode()) for mark in (BEGIN, END))
    return re.compile(
        rb"^(?P<block>"
        + begin
        + rb"(?: \((?P<note>[a-z ]+)\))?\r?\n.*?^"
        + end
        + rb"(?:\r?\n|\Z))",
        re.MULTILINE | re.DOTALL,
    )


def _note(block: re.Match[bytes]) -> str:
    return (block["note"] or b"").decode()
