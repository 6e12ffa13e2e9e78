"""The image: built or taken, pushed to ECR, and found there by its digest.

A digest never moves, so every instance that comes later has the same image. Where no repository is
named one is made, by a stack of its own.
"""

from __future__ import annotations

import base64
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from mme.deploy.calls import is_refused
from mme.deploy.errors import DeployError, explained
from mme.deploy.states import GOOD
from mme.deploy.templates import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mme.deploy.calls import Calls
    from mme.deploy.stacks import Stacks
    from mme.deploy.states import Stack

ENGINES = ("docker", "podman")
IN_REGISTRY = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/"
    r"(?P<repository>[a-z0-9._/-]+?)(?P<version>:[\w.-]+|@sha256:[0-9a-f]{64})?"
)
DIGEST = "sha256:"
ID_CHARS = 12
"""Of an image's id, its tag: what is pushed twice is the same."""
MOST_DELETED = 100
UNBUILT = "TAG"
"""In a dry run, of an image that is not there yet."""


@dataclass(frozen=True, slots=True)
class Image:
    """An image in a repository of ECR, as the template's parameters name it."""

    repository: str
    version: str
    """`:tag` or `@sha256:…`."""

    @property
    def parameters(self) -> Mapping[str, str]:
        """Of the endpoint's template."""
        return {"Repository": self.repository, "ImageVersion": self.version}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which image: one of a registry or of this machine, or a folder that it is built in."""

    name: str = ""
    folder: Path | None = None
    repository: str = ""
    """Where it goes; "": one that is made for the deployment."""
    engine: str = ""
    """docker or podman; "": the first that is there."""


def repository_stack(deployment: str) -> str:
    """The name of the stack with a deployment's own repository."""
    return f"{deployment}-repository"


class Images:
    """Brings images to ECR."""

    def __init__(self, calls: Calls, stacks: Stacks, say: Callable[[str], None]) -> None:
        self._calls = calls
        self._stacks = stacks
        self._say = say

    def bring(self, wanted: Wanted, deployment: str) -> Image:
        """Have the image in ECR. Raises DeployError."""
        if found := IN_REGISTRY.fullmatch(wanted.name):
            return self._taken(found, wanted.name)
        engine = engine_of(wanted.engine)
        local, tag = self._local(wanted, engine)
        repository = wanted.repository or self._own_repository(deployment)
        if tag != UNBUILT and (there := self._find(repository, f":{tag}")):
            self._say(f"{repository}:{tag} is in the registry already")
            return there
        uri = self._push(engine, local, repository, tag)
        if self._calls.is_dry_run:
            return Image(repository, f":{tag}")
        pushed = self._find(repository, f":{tag}")
        if pushed is None:
            raise DeployError(
                f"{uri} was pushed and is not in the registry: is that the account's?"
            )
        return pushed

    def delete_own(self, deployment: str) -> bool:
        """Delete the repository made for a deployment, with its images; whether there was one."""
        stack = self._stacks.find(repository_stack(deployment))
        if stack is None or stack.owner != deployment:
            return False
        repository = deployment
        try:
            while ids := self._calls.read(
                "ecr", "list_images", repositoryName=repository, maxResults=MOST_DELETED
            )["imageIds"]:
                self._say(f"deleting {len(ids)} images of the repository {repository}")
                answer = self._calls.change(
                    "ecr", "batch_delete_image", repositoryName=repository, imageIds=ids
                )
                if self._calls.is_dry_run:
                    break
                failed = answer.get("failures")
                if failed and not answer.get("imageIds"):  # else those of an index that goes first
                    raise DeployError(f"{repository}: an image stays: {failed[0]}")
        except ClientError as error:
            if not is_refused(error, "RepositoryNotFoundException"):
                raise explained(error, f"deleting the images of {repository}") from None
        self._stacks.delete(stack)
        return True

    def own_repository(self, deployment: str) -> Stack | None:
        """The stack with a deployment's own repository."""
        stack = self._stacks.find(repository_stack(deployment))
        return stack if stack and stack.owner == deployment else None

    def _taken(self, found: re.Match[str], name: str) -> Image:
        """An image that is in ECR already."""
        account = self._account()
        if (found["account"], found["region"]) != (account, self._calls.region):
            raise DeployError(
                f"the image {name} is in another registry than that of the account {account} in"
                f" {self._calls.region}, where the endpoint takes it from: push it there"
            )
        version = found["version"] or ":latest"
        image = self._find(found["repository"], version)
        if image is None:
            raise DeployError(f"there is no image {found['repository']}{version} in the registry")
        return image

    def _find(self, repository: str, version: str) -> Image | None:
        """The image by its digest, if it is in the registry."""
        digest = version.removeprefix("@")
        named = {"imageDigest": digest} if version[0] == "@" else {"imageTag": version[1:]}
        try:
            answer = self._calls.read(
                "ecr", "describe_images", repositoryName=repository, imageIds=[named]
            )
        except ClientError as error:
            if is_refused(error, "ImageNotFoundException"):
                return None
            if is_refused(error, "RepositoryNotFoundException"):
                if self._calls.is_dry_run:
                    return None
                raise DeployError(
                    f"there is no repository {repository} in {self._calls.region}"
                ) from None
            raise explained(error, f"looking for {repository}{version}") from None
        return Image(repository, f"@{answer['imageDetails'][0]['imageDigest']}")

    def _local(self, wanted: Wanted, engine: str) -> tuple[str, str]:
        """The image's name on this machine, and the tag it gets."""
        name = wanted.name or "mme-deploy"
        if wanted.folder is not None:
            if not wanted.folder.is_dir():
                raise DeployError(f"{wanted.folder} is no folder to build an image in")
            self._calls.run(engine, "build", "--tag", name, str(wanted.folder))
            if self._calls.is_dry_run:
                return name, UNBUILT
        found = self._calls.output_of(engine, "image", "inspect", "--format", "{{.Id}}", name)
        return name, found.removeprefix(DIGEST)[:ID_CHARS]

    def _own_repository(self, deployment: str) -> str:
        name = repository_stack(deployment)
        seen = self._stacks.find(name)
        if seen is None or seen.owner != deployment or seen.status not in GOOD:
            self._stacks.apply(  # or is refused, with the reason
                name, deployment, REPOSITORY, {"RepositoryName": deployment}, seen=seen
            )
        return deployment

    def _push(self, engine: str, local: str, repository: str, tag: str) -> str:
        """Push an image; returns its address."""
        account = self._account()
        registry = f"{account}.dkr.ecr.{self._calls.region}.amazonaws.com"
        if self._calls.region.startswith("cn-"):
            registry += ".cn"
        uri = f"{registry}/{repository}:{tag}"
        self._calls.run(
            engine, "login", "--username", "AWS", "--password-stdin", registry,
            stdin=self._password(),
        )  # fmt: skip
        self._calls.run(engine, "tag", local, uri)
        # SageMaker takes Docker's manifests; those of podman are OCI's unless it is told.
        form = ("--format", "v2s2") if Path(engine).name == "podman" else ()
        self._calls.run(engine, "push", *form, uri)
        return uri

    def _password(self) -> str:
        if self._calls.is_dry_run:
            self._calls.change("ecr", "get_authorization_token")  # nothing to be read of a secret
            return "…"
        token = self._calls.read("ecr", "get_authorization_token")["authorizationData"][0]
        return base64.b64decode(token["authorizationToken"]).decode().partition(":")[2]

    def _account(self) -> str:
        try:
            return str(self._calls.read("sts", "get_caller_identity")["Account"])
        except ClientError as error:
            raise explained(error, "asking who we are") from None


def engine_of(named: str) -> str:
    """The engine that builds and pushes. Raises DeployError."""
    for engine in (named,) if named else ENGINES:
        if shutil.which(engine):
            return engine
    raise DeployError(
        f"there is no {named or ' or '.join(ENGINES)} here to push an image with; --image also"
        " takes one that is in ECR"
    )
