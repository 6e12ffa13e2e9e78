"""A deployment: the stack of an endpoint, made, changed and deleted.

The image comes first (`images.py`), then the stack (`stacks.py`). What is shown of one that runs is
in `status.py`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from mme.deploy.calls import is_refused
from mme.deploy.errors import DeployError, NoSuchDeployment, explained
from mme.deploy.states import kind_of_change
from mme.deploy.templates import ENDPOINT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mme.deploy.calls import Calls
    from mme.deploy.images import Images, Wanted
    from mme.deploy.stacks import Stacks
    from mme.deploy.states import Stack

NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
MOST_CHARS = 40
"""SageMaker allows 63; what is made beside the endpoint has a longer name."""
PLACE = re.compile(r"s3://(?P<bucket>[^/]+)/(?P<prefix>.*)")
INSTANCE_TYPE, SCALING = "InstanceType", "Scaling"


@dataclass(frozen=True, slots=True)
class Order:
    """What is wanted of a deployment; what is not named stays, or is as the template has it."""

    image: Wanted | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)


def check_name(name: str) -> None:
    """Raise DeployError for a name that stack, endpoint and repository cannot all have."""
    if not NAME.fullmatch(name) or len(name) > MOST_CHARS:
        raise DeployError(
            f"{name!r} cannot be the name of a deployment: lower case letters, digits and single"
            f" hyphens, a letter first, at most {MOST_CHARS}"
        )


def place_of(uri: str, bucket: str, prefix: str) -> dict[str, str]:
    """An address in S3 as two parameters of the template. Raises DeployError."""
    found = PLACE.fullmatch(uri)
    if not found or not found["prefix"].strip("/"):
        raise DeployError(
            f"{uri!r} is not of the form s3://bucket/prefix/: the role reaches one prefix, never a"
            " whole bucket"
        )
    return {bucket: found["bucket"], prefix: found["prefix"].rstrip("/") + "/"}


def steps(given: Mapping[str, str], former: Mapping[str, str]) -> Iterator[Mapping[str, str]]:
    """The changes that lead to the wanted parameters, one after the other. Pure.

    SageMaker refuses another instance type for a variant that is registered for scaling, so scaling
    is off meanwhile.
    """
    is_moved = given.get(INSTANCE_TYPE, "") not in ("", former.get(INSTANCE_TYPE, ""))
    if former.get(SCALING) == "on" and is_moved:
        yield {SCALING: "off"}
        if given.get(SCALING) != "off":
            yield {**given, SCALING: "off"}
            yield {SCALING: "on"}
            return
    yield given


class Deployment:
    """One endpoint by its name."""

    def __init__(
        self,
        name: str,
        calls: Calls,
        stacks: Stacks,
        images: Images,
    ) -> None:
        """Raises DeployError for a name that cannot be."""
        check_name(name)
        self.name = name
        self._calls = calls
        self._stacks = stacks
        self._images = images

    def up(self, order: Order) -> bool:
        """Make it, or change what is there; whether there was anything to do.

        Raises DeployError.
        """
        seen = self._stacks.find(self.name)
        kind = kind_of_change(seen, self.name)  # before anything is built
        if kind == "CREATE":
            self._check_free()
            if order.image is None or "ModelBucket" not in order.parameters:
                raise DeployError(
                    f"there is no deployment {self.name} yet: a new one needs --models, and --image"
                    " or --build"
                )
        return self._apply(order, seen if kind == "UPDATE" else None, seen)

    def update(self, order: Order) -> bool:
        """Change what is there. Raises NoSuchDeployment, DeployError."""
        seen = self.stack()
        kind_of_change(seen, self.name)
        return self._apply(order, seen, seen)

    def stack(self) -> Stack:
        """Its stack. Raises NoSuchDeployment, DeployError."""
        seen = self._stacks.find(self.name)
        if seen is None:
            raise NoSuchDeployment(f"there is no deployment {self.name} in {self._calls.region}")
        if seen.owner != self.name:
            kind_of_change(seen, self.name)  # which says so
        return seen

    def to_delete(self, *, keeps_repository: bool) -> list[str]:
        """What `delete` would take away, for people. Raises NoSuchDeployment for nothing."""
        found = [self._stacks.find(self.name)]
        if not keeps_repository:
            found.append(self._images.own_repository(self.name))
        stacks = [each for each in found if each is not None and each.owner == self.name]
        if not stacks:
            self.stack()
        lines = []
        for stack in stacks:
            lines.append(f"the stack {stack.name}")
            lines += [
                f"{each['type']} {each['name']}" for each in self._stacks.resources(stack.name)
            ]
        return lines

    def delete(self, *, keeps_repository: bool) -> None:
        """Delete endpoint and repository, as far as they were made here. Raises DeployError."""
        stack = self._stacks.find(self.name)
        if stack is not None and stack.owner == self.name:
            self._stacks.delete(stack)
        if not keeps_repository:
            self._images.delete_own(self.name)

    def _apply(self, order: Order, former: Stack | None, seen: Stack | None) -> bool:
        parameters = dict(order.parameters)
        self._stacks.known(ENDPOINT, parameters)  # before an image is built for nothing
        if order.image is not None:
            parameters |= self._images.bring(order.image, self.name).parameters
        is_changed = is_unscaled = False
        for step in steps(parameters, former.parameters if former else {}):
            try:
                is_changed |= self._stacks.apply(self.name, self.name, ENDPOINT, step, seen=seen)
            except DeployError as error:
                if is_unscaled:
                    self._scale_again(error, seen)
                raise
            is_unscaled = step.get(SCALING) == "off" and parameters.get(SCALING) != "off"
        return is_changed

    def _scale_again(self, error: DeployError, seen: Stack | None) -> None:
        """Leave no endpoint without scaling that had it. Raises DeployError, of `error` too."""
        try:
            self._stacks.apply(self.name, self.name, ENDPOINT, {SCALING: "on"}, seen=seen)
        except DeployError as other:
            raise DeployError(
                f"{error}\nand scaling is off still: {other}; when that is mended:"
                f" `mme deploy update {self.name} --set {SCALING}=on`"
            ) from error

    def _check_free(self) -> None:
        """Raise DeployError if an endpoint of that name is there, made by something else."""
        try:
            self._calls.read("sagemaker", "describe_endpoint", EndpointName=self.name)
        except ClientError as error:
            if is_refused(error, "ValidationException", "ResourceNotFound"):
                return
            raise explained(error, f"looking for an endpoint {self.name}") from None
        raise DeployError(
            f"the name {self.name} is taken: there is an endpoint {self.name} that no stack of that"
            " name has made; choose another name"
        )
