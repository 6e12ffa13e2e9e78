"""What is refused of models and endpoint configurations that the service's own model allows.

Either the service refuses it too, or it is not served here; then it is named.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from mme.core.errors import InvalidRequest
from mme.endpoints.model_data import s3_uri, source_of
from mme.endpoints.operation import ControlPlaneError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mme.endpoints.model_data import ModelSource

log = logging.getLogger(__name__)

OURS = "mme"
"""What the names of this project's images have in them."""
WITHOUT_EFFECT = ("DataCaptureConfig", "ShadowProductionVariants")


def refused(message: str) -> ControlPlaneError:
    """A request that the service's model allows, and that is refused all the same."""
    return ControlPlaneError("ValidationException", message)


def source_in(model: Mapping[str, Any]) -> ModelSource:
    """What a model's one container names. Raises ControlPlaneError."""
    containers = model.get("Containers", [])
    if len(containers) > 1:
        raise refused(
            "Containers: pipelines of several containers are not served here; name one container"
        )
    if bool(containers) == ("PrimaryContainer" in model):
        raise refused("Name either PrimaryContainer or Containers, with one container")
    try:
        return source_of(containers[0] if containers else model["PrimaryContainer"])
    except InvalidRequest as error:
        raise refused(error.message) from None


def check_model(model: Mapping[str, Any]) -> None:
    """Raise ControlPlaneError for a model that cannot be served here."""
    source = source_in(model)
    if OURS not in source.image.rpartition("/")[2]:
        log.warning(
            "model %s names the image %r, which is not this project's: the families here serve it",
            model["ModelName"],
            source.image,
        )


def check_config(config: Mapping[str, Any], source_of_model: Callable[[str], ModelSource]) -> None:
    """Raise ControlPlaneError for an endpoint configuration that cannot be served here.

    `source_of_model` raises it for a model that is not there.
    """
    variants = [*config["ProductionVariants"], *config.get("ShadowProductionVariants", [])]
    names = [variant["VariantName"] for variant in variants]
    if len(set(names)) < len(names):
        raise refused("Each VariantName may be there once")
    for variant in variants:
        _check_variant(variant, source_of_model)
    if "ExplainerConfig" in config:
        raise refused("ExplainerConfig is not served here: no answer would be explained")
    _check_async(config)
    for member in WITHOUT_EFFECT:
        if member in config:
            log.info(
                "%s of endpoint configuration %s is kept and has no effect here",
                member,
                config["EndpointConfigName"],
            )


def _check_variant(
    variant: Mapping[str, Any], source_of_model: Callable[[str], ModelSource]
) -> None:
    name = variant["VariantName"]
    if "ModelName" not in variant:
        raise refused(
            f"The variant {name} has no ModelName: inference components are not served here"
        )
    source = source_of_model(variant["ModelName"])
    if "ServerlessConfig" in variant:
        if source.is_multi:
            raise refused(f"The variant {name}: a multi-model endpoint cannot be serverless")
        if "InstanceType" in variant or "InitialInstanceCount" in variant:
            raise refused(f"The variant {name} names both ServerlessConfig and instances")
    elif "InstanceType" not in variant and "InstancePools" not in variant:
        raise refused(f"The variant {name} has no InstanceType")


def _check_async(config: Mapping[str, Any]) -> None:
    if "AsyncInferenceConfig" not in config:
        return
    if any("ServerlessConfig" in variant for variant in config["ProductionVariants"]):
        raise refused("AsyncInferenceConfig cannot be used with ServerlessConfig")
    if "ShadowProductionVariants" in config:
        raise refused("AsyncInferenceConfig cannot be used with ShadowProductionVariants")
    output = config["AsyncInferenceConfig"]["OutputConfig"]
    for member in ("S3OutputPath", "S3FailurePath"):
        if output.get(member):
            try:
                s3_uri(output[member])
            except InvalidRequest as error:
                raise refused(f"{member}: {error.message}") from None
