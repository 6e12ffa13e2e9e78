"""Operations that name places in S3 are refused at once where requests may not name them.

What is read and written later is looked at again then, by the store: this is so that whoever
creates something hears it, and not whoever uses it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mme.core.errors import InvalidRequest
from mme.endpoints.model_data import s3_uri

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from mme.endpoints.operation import Operation

NAMING = ("CreateModel", "CreateEndpointConfig", "CreateTransformJob")
MEMBERS = frozenset({"ModelDataUrl", "S3Uri", "S3OutputPath", "S3FailurePath"})


def with_places_checked(
    operations: Mapping[str, Operation], check: Callable[[str], None]
) -> dict[str, Operation]:
    """The same operations; `check` raises InvalidRequest for a URI that may not be named."""
    return {
        name: _checked(operation, check) if name in NAMING else operation
        for name, operation in operations.items()
    }


def _checked(operation: Operation, check: Callable[[str], None]) -> Operation:
    async def checked(request: dict[str, Any]) -> dict[str, Any]:
        for uri in _uris_in(request):
            check(uri)
        return await operation(request)

    return checked


def _uris_in(content: object) -> Iterator[str]:
    """The places that a request names; what is no address of S3's the operation refuses itself."""
    if isinstance(content, list):
        for each in content:
            yield from _uris_in(each)
    elif isinstance(content, dict):
        for name, value in content.items():
            if name in MEMBERS and isinstance(value, str):
                try:
                    yield s3_uri(value)
                except InvalidRequest:
                    continue
            else:
                yield from _uris_in(value)
