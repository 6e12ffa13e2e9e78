"""`mme deploy`: an endpoint on SageMaker, from image to end; options, and what is printed."""

from __future__ import annotations

import contextlib
import re
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self, TypeAlias

import boto3
import typer
from botocore.exceptions import BotoCoreError, ClientError

from mme.cli import tables
from mme.cli.codes import EXIT_FAILED, EXIT_NOT_FOUND, EXIT_OK, EXIT_USAGE
from mme.cli.commands import HELP, as_written, say
from mme.cli.options import FollowOption, JsonOption  # noqa: TC001 - typer reads them
from mme.core.command_options import argument, option
from mme.deploy.calls import Calls
from mme.deploy.endpoint import Deployment, Order, place_of
from mme.deploy.errors import DeployError, NoSuchDeployment, explained
from mme.deploy.images import Images, Wanted
from mme.deploy.stacks import Stacks
from mme.deploy.status import log_of, status_of

if TYPE_CHECKING:
    from mme.deploy.calls import Told
    from mme.deploy.status import Status

EXAMPLES = """\
examples:
  mme deploy up texts --build . --models s3://my-bucket/models/
  mme deploy up texts --image mme --models s3://my-bucket/models/ --dry-run
  mme deploy status texts
  mme deploy update texts --instance-type ml.c5.xlarge --set MaxInstances=8
  mme deploy logs texts --since 15m -f
  mme deploy delete texts

Docs: docs/deploy-aws.md. The templates are in deploy/aws, for those who use them without this."""
SPAN = re.compile(r"(\d+)([smhd])")
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
HEAD = ("variant", "type", "instances", "wanted", "scaled", "image")

deploy = typer.Typer(
    help="Deploy to SageMaker: an image, and a CloudFormation stack an endpoint.",
    epilog=as_written(EXAMPLES),
    add_completion=False,
    rich_markup_mode=None,
    context_settings=HELP,
    no_args_is_help=True,
)
NameArgument: TypeAlias = Annotated[
    str, argument("NAME", "of the deployment: its stack and endpoint are called so")
]
RegionOption: TypeAlias = Annotated[
    str | None, option("--region", "REGION", "default: AWS_DEFAULT_REGION, or the profile's")
]
DryRunOption: TypeAlias = Annotated[
    bool,
    typer.Option("--dry-run", help="print every call, and make none that changes anything"),
]
ModelsOption: TypeAlias = Annotated[
    str | None, option("--models", "S3", "where the models are: s3://bucket/prefix/")
]
ImageOption: TypeAlias = Annotated[
    str | None,
    option("--image", "IMAGE", "take this image: one of ECR, or one of this machine to be pushed"),
]
BuildOption: TypeAlias = Annotated[
    Path | None,
    option("--build", "FOLDER", "build the image there, by its Dockerfile, and push it"),
]
RepositoryOption: TypeAlias = Annotated[
    str, option("--repository", "NAME", "push there; default: a repository made for the deployment")
]
EngineOption: TypeAlias = Annotated[
    str, option("--engine", "NAME", "docker or podman; default: what is there")
]
TypeOption: TypeAlias = Annotated[
    str | None, option("--instance-type", "TYPE", "default: ml.m5.large")
]
ArtifactOption: TypeAlias = Annotated[
    str | None, option("--artifact", "KEY", "serve only this one below --models")
]
InputOption: TypeAlias = Annotated[
    str | None,
    option("--async-input", "S3", "asynchronous: where callers put requests, s3://bucket/prefix/"),
]
OutputOption: TypeAlias = Annotated[
    str | None, option("--async-output", "S3", "asynchronous: where answers go")
]
SetOption: TypeAlias = Annotated[
    list[str] | None,
    option(
        "--set", "NAME=VALUE", "any other parameter of deploy/aws/endpoint.yaml; again for more"
    ),
]


@deploy.command()
def up(
    name: NameArgument,
    *,
    models: ModelsOption = None,
    image: ImageOption = None,
    build: BuildOption = None,
    repository: RepositoryOption = "",
    engine: EngineOption = "",
    instance_type: TypeOption = None,
    artifact: ArtifactOption = None,
    async_input: InputOption = None,
    async_output: OutputOption = None,
    settings: SetOption = None,
    region: RegionOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> int:
    """Make an endpoint, or bring the one of that name to what is told; what is not, stays.

    As `mme deploy up texts --build . --models s3://my-bucket/models/`.
    """
    with _Run(name, region, is_dry_run=dry_run, as_json=as_json) as run:
        order = Order(
            _image_of(image, build, repository, engine),
            _parameters(
                models=models,
                artifact=artifact,
                instance_type=instance_type,
                async_input=async_input,
                async_output=async_output,
                settings=settings,
            ),
        )
        run.tell_change(is_changed=run.deployment.up(order))
    return run.code


@deploy.command()
def update(
    name: NameArgument,
    *,
    models: ModelsOption = None,
    image: ImageOption = None,
    build: BuildOption = None,
    repository: RepositoryOption = "",
    engine: EngineOption = "",
    instance_type: TypeOption = None,
    artifact: ArtifactOption = None,
    async_input: InputOption = None,
    async_output: OutputOption = None,
    settings: SetOption = None,
    region: RegionOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> int:
    """Change an endpoint that is there; what is not told stays.

    New instances come up before the old ones go. What goes wrong is taken back.
    """
    with _Run(name, region, is_dry_run=dry_run, as_json=as_json) as run:
        order = Order(
            _image_of(image, build, repository, engine),
            _parameters(
                models=models,
                artifact=artifact,
                instance_type=instance_type,
                async_input=async_input,
                async_output=async_output,
                settings=settings,
            ),
        )
        run.tell_change(is_changed=run.deployment.update(order))
    return run.code


@deploy.command()
def status(name: NameArgument, *, region: RegionOption = None, as_json: JsonOption = False) -> int:
    """Show stack, endpoint, instances, alarms that are on, and what failed.

    The exit code is 1 where it does not serve as it was told to.
    """
    with _Run(name, region, as_json=as_json) as run:
        run.tell_status()
    return run.code


@deploy.command()
def logs(
    name: NameArgument,
    *,
    since: Annotated[str, option("--since", "SPAN", "as 90s, 15m, 2h or 3d; default: 10m")] = "10m",
    follow: FollowOption = False,
    region: RegionOption = None,
    as_json: JsonOption = False,
) -> int:
    """Print the containers' log, from CloudWatch."""
    with _Run(name, region, as_json=as_json) as run:
        run.deployment.stack()
        since_ms = int((time.time() - _seconds(since)) * 1000)
        for event in log_of(
            run.calls, f"/aws/sagemaker/Endpoints/{name}", since_ms, follows=follow
        ):
            if as_json:
                tables.print_json_line(event)
            else:
                at = datetime.fromtimestamp(event["timestamp"] / 1000, UTC).isoformat()
                text = tables.plain(event["message"].rstrip())
                print(f"{tables.clock(at)}  {text}", flush=follow)
    return run.code


@deploy.command()
def delete(
    name: NameArgument,
    *,
    keep_repository: Annotated[
        bool, typer.Option("--keep-repository", help="keep the images that were pushed for it")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="do not ask")] = False,
    region: RegionOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> int:
    """Delete an endpoint with all that was made for it; never the bucket of the models.

    Says first what that is.
    """
    with _Run(name, region, is_dry_run=dry_run, as_json=as_json) as run:
        lines = run.deployment.to_delete(keeps_repository=keep_repository)
        for line in lines:
            run.say(f"deletes {line}")
        if not (yes or dry_run):
            _confirm(name)
        run.deployment.delete(keeps_repository=keep_repository)
        run.done({"name": name, "deleted": lines}, f"{name} is deleted")
    return run.code


class _Run:
    """One run of a command: its collaborators, and what it prints in the end."""

    def __init__(
        self, name: str, region: str | None, *, is_dry_run: bool = False, as_json: bool
    ) -> None:
        self._name = name
        self._region = region
        self._is_dry_run = is_dry_run
        self._as_json = as_json
        self._told: list[Told] = []
        self.code = EXIT_OK

    def __enter__(self) -> Self:
        try:
            session = boto3.session.Session(region_name=self._region)
        except BotoCoreError as error:
            say(str(explained(error, "AWS")))
            raise typer.Exit(EXIT_FAILED) from None
        self.calls = Calls(session, self._tell, is_dry_run=self._is_dry_run)
        self._stacks = Stacks(self.calls, self.say)
        images = Images(self.calls, self._stacks, self.say)
        try:
            self.deployment = Deployment(self._name, self.calls, self._stacks, images)
        except DeployError as error:
            say(str(error))
            raise typer.Exit(EXIT_USAGE) from None
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if isinstance(error, ClientError):
            error = explained(error, str(error.operation_name))
        if not isinstance(error, DeployError):
            return False
        say(str(error))
        self.code = EXIT_NOT_FOUND if isinstance(error, NoSuchDeployment) else EXIT_FAILED
        return True

    def say(self, text: str) -> None:
        """Progress is for people: standard output has what was asked for."""
        say(tables.plain(text))

    def _tell(self, told: Told) -> None:
        self._told.append(told)
        if not self._as_json:
            print(tables.plain(told), flush=True)

    def done(self, content: dict[str, Any], text: str) -> None:
        """Print the end of what changes something: in a dry run, the calls."""
        if self._is_dry_run and self._as_json:
            tables.print_json([each.as_json() for each in self._told])
        elif self._as_json:
            tables.print_json(content)
        elif not self._is_dry_run:
            print(text)

    def tell_change(self, *, is_changed: bool) -> None:
        """What there is after a change."""
        if self._is_dry_run:
            self.done({}, "")
        else:
            self.tell_status({"is_changed": is_changed})

    def tell_status(self, more: dict[str, Any] | None = None) -> None:
        """Print the state; the exit code says whether it is good."""
        found = status_of(self.deployment.stack(), self.calls, self._stacks)
        if self._as_json:
            tables.print_json(found.as_json() | {"is_well": found.is_well, **(more or {})})
        else:
            _print_status(found)
        self.code = EXIT_OK if found.is_well else EXIT_FAILED


def _print_status(found: Status) -> None:
    print(f"stack     {found.name}: {found.stack}")
    print(f"endpoint  {found.endpoint or '-'}: {found.endpoint_status}")
    print(f"models    {found.models}")
    if found.instances:
        tables.print_table(HEAD, [_row(each) for each in found.instances], right=HEAD[2:4])
    for alarm in found.alarms:
        print(f"ALARM     {tables.plain(alarm)}")
    for failure in found.failures:
        print(f"failed    {tables.plain(failure)}")


def _row(each: dict[str, Any]) -> tuple[object, ...]:
    scaled = "off" if each["most"] is None else f"{each['least']} to {each['most']}"
    counts = ["" if each[name] is None else each[name] for name in ("current", "wanted")]
    return (each["variant"], each["type"], *counts, scaled, each["image"])


def _image_of(
    image: str | None, folder: Path | None, repository: str, engine: str
) -> Wanted | None:
    if image is None and folder is None:
        return None
    return Wanted(image or "", folder, repository, engine)


def _parameters(
    *,
    models: str | None,
    artifact: str | None,
    instance_type: str | None,
    async_input: str | None,
    async_output: str | None,
    settings: list[str] | None,
) -> dict[str, str]:
    """What the options say of the template's parameters. Raises DeployError, BadParameter."""
    found: dict[str, str] = {}
    if models is not None:
        found |= place_of(models, "ModelBucket", "ModelPrefix")
    if artifact is not None:
        found["Artifact"] = artifact
    if instance_type is not None:
        found["InstanceType"] = instance_type
    if async_input is not None:
        found |= place_of(async_input, "InputBucket", "InputPrefix")
    if async_output is not None:
        found |= place_of(async_output, "OutputBucket", "OutputPrefix")
        found["Inference"] = "Asynchronous"
    for each in settings or ():
        name, separator, value = each.partition("=")
        if not separator or not name.isalnum():
            raise typer.BadParameter(f"{each!r}: write NAME=VALUE", param_hint="--set")
        found[name] = value
    return found


def _seconds(span: str) -> int:
    found = SPAN.fullmatch(span)
    if not found:
        raise typer.BadParameter(f"{span!r}: write as 90s, 15m, 2h or 3d", param_hint="--since")
    return int(found[1]) * SECONDS[found[2]]


def _confirm(name: str) -> None:
    """Ask. Raises DeployError for no, and where nobody can be asked."""
    if not sys.stdin.isatty():
        raise DeployError("nobody can be asked here: say --yes")
    with contextlib.suppress(typer.Abort):
        if typer.confirm(f"Delete {name}?", err=True):
            return
    raise DeployError("nothing was deleted")
