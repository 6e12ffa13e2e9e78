"""What is refused of models and endpoint configurations that the service's own model allows.

Either the service refuses it too, or it is not served here; then it is named.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from mme.core.errors import InvalidRequest
from mme.endpoints.containers import DIRECT, MOST_CONTAINERS, SERIAL, Containers
from mme.endpoints.model_data import container_of, s3_uri
from mme.endpoints.operation import ControlPlaneError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mme.endpoints.containers import Container

log = logging.getLogger(__name__)

OURS = "mme"
"""What the names of this project's images have in them."""
WITHOUT_EFFECT = ("DataCaptureConfig", "ShadowProductionVariants")
FEWEST_OF_SEVERAL = 2


def refused(message: str) -> ControlPlaneError:
    """A request that the service's model allows, and that is refused all the same."""
    return ControlPlaneError("ValidationException", message)


def containers_in(model: Mapping[str, Any]) -> Containers:
    """The containers of a model. Raises ControlPlaneError for what cannot be served here."""
    given = model.get("Containers", [])
    if bool(given) == ("PrimaryContainer" in model):
        raise refused("Name either PrimaryContainer or Containers")
    if len(given) > MOST_CONTAINERS:
        raise refused(f"Containers: there are {len(given)}, and may be {MOST_CONTAINERS}")
    mode = model.get("InferenceExecutionConfig", {}).get("Mode", SERIAL)
    if len(given) < FEWEST_OF_SEVERAL:
        return Containers((_container(given[0] if given else model["PrimaryContainer"]),))
    names = [each.get("ContainerHostname") for each in given]
    if any(names) and not all(names):
        raise refused("Containers: name all of them by ContainerHostname, or none")
    named = [name or f"container-{number}" for number, name in enumerate(names, 1)]
    if len(set(named)) < len(named):
        raise refused("Containers: each ContainerHostname may be there once")
    containers = tuple(_container(*each) for each in zip(given, named, strict=True))
    if mode == SERIAL and sum(each.is_multi for each in containers) > 1:
        raise refused("Containers: in a pipeline one container may have Mode=MultiModel")
    return Containers(containers, is_direct=mode == DIRECT)


def check_model(model: Mapping[str, Any]) -> None:
    """Raise ControlPlaneError for a model that cannot be served here."""
    for container in containers_in(model).all:
        if OURS not in container.image.rpartition("/")[2]:
            log.warning(
                "model %s names the image %r, which is not this project's: the families here"
                " serve it",
                model["ModelName"],
                container.image,
            )


def _container(given: Mapping[str, Any], name: str = "") -> Container:
    try:
        return container_of(given, name)
    except InvalidRequest as error:
        place = f"Container {name}: " if name else ""
        raise refused(f"{place}{error.message}") from None


def check_config(
    config: Mapping[str, Any], containers_of_model: Callable[[str], Containers]
) -> None:
    """Raise ControlPlaneError for an endpoint configuration that cannot be served here.

    `containers_of_model` raises it for a model that is not there.
    """
    variants = [*config["ProductionVariants"], *config.get("ShadowProductionVariants", [])]
    names = [variant["VariantName"] for variant in variants]
    if len(set(names)) < len(names):
        raise refused("Each VariantName may be there once")
    for variant in variants:
        _check_variant(variant, containers_of_model)
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
    variant: Mapping[str, Any], containers_of_model: Callable[[str], Containers]
) -> None:
    name = variant["VariantName"]
    if "ModelName" not in variant:
        raise refused(
            f"The variant {name} has no ModelName: inference components are not served here"
        )
    containers = containers_of_model(variant["ModelName"])
    if "ServerlessConfig" in variant:
        if containers.is_multi:
            raise refused(f"The variant {name}: a multi-model endpoint cannot be serverless")
        if len(containers.all) > 1:
            raise refused(f"The variant {name}: a model of several containers cannot be serverless")
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
