"""Archives for tests: well-made, broken and hostile."""

from __future__ import annotations

import gzip
import io
import tarfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def tar_gz(files: Mapping[str, bytes], *members: tarfile.TarInfo) -> bytes:
    """A gzipped tar of `files` by name, then `members` without content."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for member in members:
            archive.addfile(member)
    return out.getvalue()


def member(name: str, kind: bytes, linkname: str = "") -> tarfile.TarInfo:
    """A member without content: a link, a device, a FIFO."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, linkname
    return info


def bomb(size_bytes: int) -> bytes:
    """An archive of one file of zeros, a thousandth of its size."""
    info = tarfile.TarInfo("zeros")
    info.size = size_bytes
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb") as packed:
        packed.write(info.tobuf())
        for _ in range(size_bytes // 1_000_000):
            packed.write(bytes(1_000_000))
    return out.getvalue()


def raw_header(
    name: bytes = b"a",
    size: bytes | int = 0,
    kind: bytes = b"0",
    linkname: bytes = b"",
    magic: bytes = b"ustar\x0000",
) -> bytes:
    """A header block with whatever is in its fields, the checksum right."""
    if isinstance(size, int):
        size = b"%011o\0" % size
    block = bytearray(512)
    block[: len(name)] = name
    block[100:136] = b"0000644\0" + b"0000000\0" * 2 + size
    block[136:148] = b"%011o\0" % 0
    block[148:156] = b" " * 8
    block[156:157] = kind
    block[157 : 157 + len(linkname)] = linkname
    block[257:265] = magic
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def records(values: Mapping[str, bytes]) -> bytes:
    """The records of a pax header, their lengths right."""
    lines = b""
    for key, value in values.items():
        body = b" " + key.encode() + b"=" + value + b"\n"
        length = len(body) + 1
        while length != len(str(length)) + len(body):
            length = len(str(length)) + len(body)
        lines += str(length).encode() + body
    return lines


def extended(content: bytes, kind: bytes = b"x") -> bytes:
    """An extended header: of pax, for the next member (x) or for all (g), or of GNU (L, K)."""
    return raw_header(b"extended", len(content), kind) + padded(content)


def padded(content: bytes) -> bytes:
    """Content, to the end of its last block."""
    return content + bytes(-len(content) % 512)


def pax(values: Mapping[str, bytes], name: bytes = b"a", content: bytes = b"") -> bytes:
    """A member with an extended header before it."""
    return extended(records(values)) + raw_header(name, len(content)) + padded(content)
