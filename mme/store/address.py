"""From the address of a store to the store."""

from __future__ import annotations

import urllib.parse
from pathlib import Path
from typing import TYPE_CHECKING

from mme.store.folder import FolderStore
from mme.store.s3 import S3Store
from mme.store.unpacked import MOST_FILES

if TYPE_CHECKING:
    from mme.store.base import Store


def open_store(uri: str, *, most_files: int = MOST_FILES) -> Store:
    """The store at a folder, `file:///...` or `s3://bucket/prefix/`; else ValueError.

    `most_files`: what an artifact that lies unpacked in a folder may have.
    """
    scheme, separator, rest = uri.partition("://")
    if not separator:
        if not uri:
            raise ValueError("the model store (MME_STORE) is empty")
        return FolderStore(Path(uri).expanduser(), most_files=most_files)
    if scheme == "s3":
        return open_s3(uri)
    if scheme == "file":
        if not rest.startswith("/"):
            raise ValueError(f"the model store {uri!r} must be file:///absolute/path")
        return FolderStore(Path(urllib.parse.unquote(rest)), most_files=most_files)
    raise ValueError(
        f"the model store {uri!r} is neither a folder, file:///... nor s3://bucket/prefix/"
    )


def open_s3(uri: str) -> S3Store:
    """The store at `s3://bucket/prefix/`; ValueError if there is no bucket in it."""
    bucket, prefix = bucket_and_prefix(uri)
    if not bucket:
        raise ValueError(f"the model store {uri!r} names no bucket")
    return S3Store(bucket, prefix)


def bucket_and_prefix(uri: str) -> tuple[str, str]:
    """What `s3://bucket/prefix/` names; a prefix is empty or ends in a slash."""
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    prefix = prefix.strip("/")
    return bucket, f"{prefix}/" if prefix else ""
