"""Models and endpoint configurations: created, described, listed, deleted.

They do nothing by themselves. What is asked of them beyond the service's own model: artifacts in
S3, one container, no serverless multi-model variant.
"""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from mme.core.errors import InvalidRequest
from mme.endpoints.arns import arn_of
from mme.endpoints.listing import page
from mme.endpoints.model_data import s3_uri
from mme.endpoints.operation import ControlPlaneError
from mme.endpoints.records import Record
from mme.endpoints.tags import tag_record, tags_key

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mme.endpoints.operation import Operation
    from mme.endpoints.records import Records

log = logging.getLogger(__name__)

MODEL, CONFIG = "model", "endpoint-config"
OURS = "mme"
"""What the names of this project's images have in them."""


class Definitions:
    """The operations of one kind of definition."""

    def __init__(
        self,
        records: Records,
        word: str,
        kind: str,
        check: Callable[[dict[str, Any]], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`word` is what the service's operations call the kind: `Model`, `EndpointConfig`."""
        self._records = records
        self._word = word
        self._kind = kind
        self._check = check
        self._clock = clock

    def operations(self) -> Mapping[str, Operation]:
        """By the names of the service."""
        return {
            f"Create{self._word}": self._create,
            f"Describe{self._word}": self._describe,
            f"List{self._word}s": self._list,
            f"Delete{self._word}": self._delete,
        }

    async def _create(self, request: dict[str, Any]) -> dict[str, Any]:
        self._check(request)
        name = request[f"{self._word}Name"]
        content = dict(request)
        tags = content.pop("Tags", [])
        async with self._records.lock:
            existing = self._records.get(self._kind, name)
            if existing is not None:
                raise already_there(self._kind, existing.arn)
            now_s = self._clock()
            arn = arn_of(self._kind, name.lower())
            record = Record(self._kind, name, arn, now_s, now_s, content)
            await self._records.put(record, tag_record(arn, tags, now_s))
        return {f"{self._word}Arn": arn}

    async def _describe(self, request: dict[str, Any]) -> dict[str, Any]:
        record = found(self._records, self._kind, request[f"{self._word}Name"])
        return {
            **record.content,
            f"{self._word}Arn": record.arn,
            "CreationTime": moment(record.created_at),
        }

    async def _list(self, request: dict[str, Any]) -> dict[str, Any]:
        shown, token = page(self._records.all(self._kind), request)
        return {
            f"{self._word}s": [
                {
                    f"{self._word}Name": each.name,
                    f"{self._word}Arn": each.arn,
                    "CreationTime": moment(each.created_at),
                }
                for each in shown
            ],
            "NextToken": token,
        }

    async def _delete(self, request: dict[str, Any]) -> dict[str, Any]:
        async with self._records.lock:
            record = found(self._records, self._kind, request[f"{self._word}Name"])
            await self._records.remove((self._kind, record.name), tags_key(record.arn))
        return {}


def moment(at_s: float) -> datetime:
    """A time as operations answer it."""
    return datetime.fromtimestamp(at_s, UTC)


def found(records: Records, kind: str, name: str) -> Record:
    """The record of that name; raises what the service says of one that is not there."""
    record = records.get(kind, name)
    if record is None:
        arn = arn_of(kind, name.lower())
        raise ControlPlaneError("ValidationException", f'Could not find {_words(kind)} "{arn}".')
    return record


def already_there(kind: str, arn: str) -> ControlPlaneError:
    """What the service says of a name that is taken."""
    return ControlPlaneError(
        "ValidationException", f'Cannot create already existing {_words(kind)} "{arn}".'
    )


def _words(kind: str) -> str:
    return "endpoint configuration" if kind == CONFIG else kind.replace("-", " ")


def container_of(model: Mapping[str, Any]) -> dict[str, Any]:
    """The one container of a model, however it was named."""
    container: dict[str, Any] = model.get("PrimaryContainer") or model["Containers"][0]
    return container


def check_model(request: dict[str, Any]) -> None:
    """Raise ControlPlaneError for a model that cannot be served here."""
    containers = request.get("Containers", [])
    if len(containers) > 1:
        raise refused(
            "Containers: pipelines of several containers are not served here; name one container"
        )
    if bool(containers) == ("PrimaryContainer" in request):
        raise refused("Name either PrimaryContainer or Containers, with one container")
    container = container_of(request)
    for member in ("ModelDataSource", "AdditionalModelDataSources", "ModelPackageName"):
        if container.get(member):
            raise refused(f"{member} is not served here: name an archive in ModelDataUrl")
    if not container.get("ModelDataUrl"):
        raise refused("The container has no ModelDataUrl: name where its artifacts are in S3")
    try:
        s3_uri(container["ModelDataUrl"])
    except InvalidRequest as error:
        raise refused(error.message) from None
    image = container.get("Image", "")
    if OURS not in image.rpartition("/")[2]:
        log.warning(
            "model %s names the image %r, which is not this project's: the families here serve it",
            request["ModelName"],
            image,
        )


def check_config(request: dict[str, Any]) -> None:
    """Raise ControlPlaneError for a configuration that cannot be served here."""
    names = [variant["VariantName"] for variant in request["ProductionVariants"]]
    if len(set(names)) < len(names):
        raise refused("ProductionVariants: each VariantName may be there once")
    for variant in request["ProductionVariants"]:
        if "ModelName" not in variant:
            raise refused(
                f"The variant {variant['VariantName']} has no ModelName: inference components are"
                " not served here"
            )
    if request.get("ShadowProductionVariants"):
        log.info(
            "endpoint configuration %s has a shadow variant: it gets no requests here",
            request["EndpointConfigName"],
        )


def refused(message: str) -> ControlPlaneError:
    """A request that the service's model allows, and that is refused all the same."""
    return ControlPlaneError("ValidationException", message)
