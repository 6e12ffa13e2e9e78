"""Which requests are in the protocol, and where in a body the JSON ends and tensors begin.

A body is JSON, followed by the bytes of those tensors that are sent as bytes. The content type says
how long the JSON is, as Triton's SageMaker front end has it; without that all of it is JSON.
"""

from __future__ import annotations

import re
from enum import StrEnum

from models.errors import BadInput, shorten


class Kind(StrEnum):
    """What a body holds, by its media type."""

    INFER = "application/vnd.sagemaker-triton.binary+json"
    """Tensors."""
    GENERATE = "application/vnd.mme.generate+json"
    """A text, in the JSON of Triton's generate extension."""
    SIGNATURE = "application/vnd.mme.signature+json"
    """Nothing: the model is asked what it takes and gives."""


JSON_SIZE = ";json-header-size="
STRICT = re.compile(re.escape(Kind.INFER + JSON_SIZE) + "([0-9]{1,10})", re.ASCII)
KINDS = {kind.value: kind for kind in Kind}


def kind_of(content_type: str | None) -> Kind | None:
    """What a request of this content type is; None: it is none of the protocol."""
    if content_type is None:
        return None
    return KINDS.get(content_type.partition(";")[0].strip().lower())


def json_bytes_of(content_type: str, body_bytes: int) -> int | None:
    """How many bytes of the body are JSON; None: all, and there are no others.

    As strict as Triton, which would take a size that is spelt otherwise for none at all. Raises
    BadInput.
    """
    if ";" not in content_type:
        return None
    found = STRICT.fullmatch(content_type)
    if found is None:
        raise BadInput(
            f"Content-Type {shorten(content_type)} must be {Kind.INFER}, or"
            f" {Kind.INFER}{JSON_SIZE}N with the number of bytes of the JSON, without blanks"
        )
    size = int(found[1])
    if size > body_bytes:
        raise BadInput(f"The JSON is said to have {size} bytes, and the body has {body_bytes}")
    return size


def content_type_of(json_bytes: int) -> str:
    """The content type of a body whose first `json_bytes` are JSON."""
    return f"{Kind.INFER}{JSON_SIZE}{json_bytes}"
