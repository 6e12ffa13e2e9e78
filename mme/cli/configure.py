"""`mme configure`: a profile with which AWS's programs ask an endpoint of ours, and back."""

from __future__ import annotations

import contextlib
import os
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mme.cli import aws_config
from mme.cli.client import endpoint_url
from mme.cli.codes import EXIT_FAILED, EXIT_OK, EXIT_USAGE
from mme.cli.commands import say
from mme.core.command_options import option

if TYPE_CHECKING:
    from collections.abc import Mapping

EXAMPLES = """\
examples:
  mme configure                                  then: export AWS_PROFILE=mme
  mme configure --endpoint http://models:8080 --profile team
  mme configure --also s3=http://127.0.0.1:9000 --also sns=http://127.0.0.1:9000
  mme configure --undo                           leaves the file as it was

The file is AWS_CONFIG_FILE or ~/.aws/config; nothing else in it is touched."""
SERVICES = ("sagemaker", "sagemaker_runtime", "application_auto_scaling", "cloudwatch_logs")
"""What an endpoint of ours answers, of logs that there are none; as AWS's configuration says it."""
OVERRULING = ("AWS_ENDPOINT_URL", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "AWS_ACCESS_KEY_ID")
"""Variables that count more than a profile."""
DEFAULT_REGION = "us-east-1"
PING_S = 2.0


class CannotConfigure(Exception):
    """Why nothing was done."""


def configure(
    *,
    endpoint: Annotated[
        str | None,
        option(
            "--endpoint",
            "URL",
            "where the endpoint is (default: MME_ENDPOINT, else this machine's, at MME_PORT)",
        ),
    ] = None,
    profile: Annotated[str, typer.Option(metavar="NAME")] = "mme",
    region: Annotated[
        str | None, option("--region", "NAME", f"default: AWS_REGION or {DEFAULT_REGION}")
    ] = None,
    also: Annotated[
        list[str] | None,
        option(
            "--also", "SERVICE=URL", "where another service is, as s3 or sns; may be given again"
        ),
    ] = None,
    undo: Annotated[bool, typer.Option("--undo", help="take the profile out again")] = False,
) -> int:
    """Write a profile into AWS's configuration, so that AWS_PROFILE alone leads to mme."""
    environ = os.environ
    url = _url(endpoint or endpoint_url(None, environ), "--endpoint")
    services = dict.fromkeys(SERVICES, url) | dict(map(_service, also or ()))
    made = aws_config.Profile(
        _name(profile, "--profile"),
        _name(region or environ.get("AWS_REGION") or DEFAULT_REGION, "--region"),
        services,
    )
    try:
        path = config_file(environ)
        if undo:
            take_out(path, profile)
        else:
            put_in(path, made, credentials_file(environ))
            _tell(path, made, url, environ)
    except CannotConfigure as error:
        say(str(error))
        return EXIT_USAGE
    except BrokenPipeError:  # the file is written; who reads what is told has left
        raise
    except OSError as error:
        say(f"{error.filename or path}: {error.strerror}")
        return EXIT_FAILED
    return EXIT_OK


def config_file(environ: Mapping[str, str]) -> Path:
    """The configuration file, that of a link where it is one. Raises CannotConfigure."""
    return _place(environ, "AWS_CONFIG_FILE", "config")


def credentials_file(environ: Mapping[str, str]) -> Path:
    """The file whose profiles count more. Raises CannotConfigure."""
    return _place(environ, "AWS_SHARED_CREDENTIALS_FILE", "credentials")


def put_in(path: Path, profile: aws_config.Profile, credentials: Path) -> None:
    """Write the profile. Raises CannotConfigure, OSError."""
    if aws_config.has_section(_content(credentials) or b"", profile.name):
        raise CannotConfigure(
            f"{credentials} has credentials for {profile.name!r}, which would count more: choose"
            " another --profile"
        )
    content, new = _content(path), ""
    if content is None:
        new = aws_config.NEW_FILE if path.parent.is_dir() else aws_config.NEW_FOLDER
    try:
        written = aws_config.with_profile(content or b"", profile, new=new)
    except aws_config.ProfileTaken as error:
        raise CannotConfigure(f"{path}: {error}: choose another --profile") from None
    if written != content:
        _write(path, written)


def take_out(path: Path, name: str) -> None:
    """Take a profile out. Raises CannotConfigure if it was not written here, OSError."""
    found = aws_config.without_profile(_content(path) or b"", name)
    if found is None:
        raise CannotConfigure(f"{path} has no profile {name!r} that `mme configure` has written")
    content, was_new = found
    if was_new and not content:
        path.unlink()
        if was_new == aws_config.NEW_FOLDER:
            with contextlib.suppress(OSError):  # something else has come into it
                path.parent.rmdir()
    else:
        _write(path, content)
    print(f"The profile {name} is gone from {path}")


def _place(environ: Mapping[str, str], variable: str, name: str) -> Path:
    try:
        told = environ.get(variable)
        return Path(told).expanduser().resolve() if told else Path.home() / ".aws" / name
    except RuntimeError:
        raise CannotConfigure(f"there is no home folder: set {variable} to a file") from None


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _write(path: Path, content: bytes) -> None:
    """Replace a file at once, keeping who may read it; a new one is the user's alone."""
    path = path.resolve()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            with contextlib.suppress(FileNotFoundError):
                former = path.stat()
                os.fchmod(file.fileno(), former.st_mode & 0o7777)
                with contextlib.suppress(PermissionError):
                    os.fchown(file.fileno(), former.st_uid, former.st_gid)
            os.fsync(file.fileno())
        Path(partial).replace(path)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise


def _tell(
    path: Path, profile: aws_config.Profile, endpoint: str, environ: Mapping[str, str]
) -> None:
    print(f"{path} has the profile {profile.name} now:")
    for service, url in profile.endpoints.items():
        print(f"  {service:<26}{url}")
    if not _answers(endpoint):
        print(f"Nothing answers at {endpoint} yet: start it with `make serve` or `mme serve`.")
    for variable in (
        *OVERRULING,
        *(f"{OVERRULING[0]}_{each.upper()}" for each in profile.endpoints),
    ):
        if environ.get(variable):
            print(f"Beware: {variable} is set, and counts more than a profile.")
            break
    print(f"\nNext:\n  export AWS_PROFILE={profile.name}\n  aws sagemaker list-endpoints")


def _answers(endpoint: str) -> bool:
    try:
        with urllib.request.urlopen(f"{endpoint}/ping", timeout=PING_S):  # noqa: S310 - http only
            return True
    except urllib.error.HTTPError:
        return True
    except (OSError, ValueError):
        return False


def _url(text: str, option: str) -> str:
    parts = urllib.parse.urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.netloc or any(map(str.isspace, text)):
        raise typer.BadParameter(f"{text!r} is no http:// or https:// address", param_hint=option)
    return text.rstrip("/")


def _name(text: str, option: str) -> str:
    if not aws_config.PROFILE_NAME.fullmatch(text):
        raise typer.BadParameter(
            f"{text!r}: letters, digits, '.', '_' and '-' only", param_hint=option
        )
    return text


def _service(text: str) -> tuple[str, str]:
    service, separator, url = text.partition("=")
    if not separator or not aws_config.PROFILE_NAME.fullmatch(service):
        raise typer.BadParameter(
            f"{text!r}: write SERVICE=URL, as s3=http://127.0.0.1:9000", param_hint="--also"
        )
    return service.lower().replace("-", "_"), _url(url, "--also")
