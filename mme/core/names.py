"""Names: what a client calls a model, and what it is called inside.

A *target model* is the path below the store that a client sends. Inside, a model has an opaque
name derived from the target and the version of its artifact, as on SageMaker, so that a changed
artifact is another model to the workers, and its name can be a folder's.
"""

from __future__ import annotations

import hashlib

from mme.core.errors import InvalidRequest

MAX_TARGET_CHARS = 1024
S3_SCHEME = "s3://"
TARGET_HEADER = "X-Amzn-SageMaker-Target-Model"
"""What a request names its target model by."""


def check_target(target: str) -> str:
    """Return `target` if it may be joined to a store's root, else raise InvalidRequest.

    The rules are those of the service model (1-1024 printable characters, no leading white space)
    and one of ours: no part of the path may be empty, `.` or `..`, so that no client reaches
    beside the store.
    """
    if not target:
        raise InvalidRequest("The target model is empty: name an artifact below the model store")
    shown = target if len(target) <= MAX_TARGET_CHARS else target[:64] + "…"
    if len(target) > MAX_TARGET_CHARS:
        raise InvalidRequest(
            f"Target model {shown!r} has {len(target)} characters; {MAX_TARGET_CHARS} are allowed"
        )
    if target[0].isspace() or not target.isprintable():
        raise InvalidRequest(f"Target model {shown!r} has leading white space or unprintable parts")
    if "\\" in target or any(part in ("", ".", "..") for part in target.split("/")):
        raise InvalidRequest(
            f"Target model {shown!r} is not a plain path below the model store"
            " (no leading slash, no empty part, no '.', '..' or backslash)"
        )
    return target


def check_key(key: str) -> str:
    """Return `key` if it is a target model, or `s3://bucket/` and one, else raise InvalidRequest.

    So models are called inside: by their target, or by where the artifact of a created endpoint is.
    """
    if not key.startswith(S3_SCHEME):
        return check_target(key)
    check_target(key.removeprefix(S3_SCHEME))
    return key


def as_header(target: str) -> str:
    """A header's text, as `http.client` sends it: names beyond Latin 1 go as their UTF-8."""
    return target.encode().decode("latin-1")


def model_name(target: str, version: str) -> str:
    """The name of one version of an artifact inside: 32 hex digits, as SageMaker's are."""
    digest = hashlib.sha256(f"{target}\0{version}".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:32]
