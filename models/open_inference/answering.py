"""From a model's outputs to a body: JSON, followed by the bytes of those that are wanted so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from models import bodies
from models.media import JSON
from models.open_inference.arrays import to_bytes, to_json
from models.open_inference.framing import content_type_of
from models.open_inference.reading import BINARY_SIZE
from models.serving import Response

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from models.open_inference.arrays import Array
    from models.open_inference.reading import Wanted

VERSION = "1"
"""The one version that a model has at a time, as the protocol counts them."""


def response(
    name: str, request_id: str | None, wanted: Iterable[Wanted], outputs: Mapping[str, Array]
) -> Response:
    """The answer of the model called `name`. Raises BadInput for what has no form in JSON."""
    told: list[dict[str, Any]] = []
    data: list[bytes] = []
    for each in wanted:
        spec, array = each.spec, outputs[each.spec.name]
        one = {"name": spec.name, "datatype": spec.datatype, "shape": list(array.shape)}
        if each.is_binary:
            data.append(to_bytes(spec.datatype, array))
            told.append(one | {"parameters": {BINARY_SIZE: len(data[-1])}})
        else:
            told.append(one | {"data": to_json(spec.name, spec.datatype, array)})
    text = bodies.to_json(named(name, request_id) | {"outputs": told})
    if not data:
        return Response(JSON, text)
    head = text.encode()
    return Response(content_type_of(len(head)), b"".join([head, *data]))


def named(name: str, request_id: str | None) -> dict[str, Any]:
    """How each answer begins."""
    begun: dict[str, Any] = {} if request_id is None else {"id": request_id}
    return begun | {"model_name": name, "model_version": VERSION}
