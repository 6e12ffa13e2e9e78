"""Who may, as the settings say: files of callers, and their limits."""

from __future__ import annotations

import glob
from typing import TYPE_CHECKING, TypeVar

from mme.access.keys import parse_keys
from mme.access.limits import Limits
from mme.access.secret_file import FileRefused, Watched
from mme.access.signatures import Signatures
from mme.access.tokens import Tokens, parse_tokens
from mme.core.names import S3_SCHEME
from mme.core.settings import SettingsError
from mme.gateway.gate import Gate
from mme.store.buckets import Buckets

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mme.access.secret_file import SecretText
    from mme.core.settings import Settings

Content = TypeVar("Content")


def gate_of(settings: Settings) -> Gate | None:
    """The gate that the settings want, if they want one. Raises SettingsError."""
    tokens = signatures = None
    if settings.tokens_file is not None:
        tokens = Tokens(_watched("MME_TOKENS_FILE", settings.tokens_file, parse_tokens))
    if settings.sigv4_keys_file is not None:
        keys = _watched("MME_SIGV4_KEYS_FILE", settings.sigv4_keys_file, parse_keys)
        signatures = Signatures(keys, skew_s=settings.sigv4_skew_s)
    is_anybody = tokens is None and signatures is None
    is_limited = settings.rate_limit is not None or settings.concurrency_limit is not None
    if is_anybody and not is_limited:
        return None
    limits = Limits(settings.rate_limit, settings.concurrency_limit)
    return Gate(tokens, signatures, limits, body_limit_bytes=settings.max_body_bytes)


def buckets_of(settings: Settings) -> Buckets:
    """What requests may name in S3; where the operator has answers put is among it."""
    patterns = settings.buckets
    if patterns and settings.async_output:
        place = settings.async_output.removeprefix(S3_SCHEME)
        patterns = (*patterns, f"{glob.escape(place.rstrip('/'))}/*")
    return Buckets(patterns)


def _watched(variable: str, path: Path, parse: Callable[[SecretText], Content]) -> Watched[Content]:
    try:
        return Watched(path, parse)
    except FileRefused as error:
        raise SettingsError(f"{variable}={str(path)!r}: {error}") from None
