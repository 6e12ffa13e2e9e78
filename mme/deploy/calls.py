"""The calls to AWS, and the programs, that a deployment makes; a dry run tells them instead.

A reading call is made in a dry run too, since what is to be done depends on what is there. Secrets
are never told. Which calls are made is left to the callers; what an error means, to `errors.py`.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from mme.deploy.errors import DeployError, explained

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from boto3.session import Session

HIDDEN = "(hidden)"
STDERR = 2
ONE_IMAGE = {"BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}
"""For docker, which else pushes an index of image and attestations: SageMaker refuses that."""
SECRET = re.compile(r"password|secret|token(?!s\b)|credential", re.IGNORECASE)
NOT_SECRET = frozenset({"nextToken", "NextToken", "ClientRequestToken"})
TEMPLATE = "TemplateBody"
"""Told by its length alone."""


class Run(Protocol):
    """Runs a program; returns its standard output if that is wanted, else it is shown."""

    def __call__(self, argv: Sequence[str], *, stdin: str = "", is_read: bool = False) -> str:
        """Raises DeployError if it cannot be run or fails."""
        ...


@dataclass(frozen=True, slots=True)
class Told:
    """A call, as it is shown."""

    what: str
    """`cloudformation.create_change_set`, or a program with its arguments."""
    parameters: Mapping[str, Any] | None
    is_made: bool

    def __str__(self) -> str:
        given = "" if self.parameters is None else json.dumps(self.parameters, default=str)
        verb = "reads" if self.is_made else "would call"
        return f"{verb:<10}  {self.what} {given}".rstrip()

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {"call": self.what, "parameters": self.parameters, "is_made": self.is_made}


def run_program(argv: Sequence[str], *, stdin: str = "", is_read: bool = False) -> str:
    """See Run. What a program shows goes to standard error: ours is for answers."""
    try:
        ended = subprocess.run(  # noqa: S603 - an engine that the user has named
            list(argv),
            env=os.environ | ONE_IMAGE,
            input=stdin,
            text=True,
            check=False,
            stdout=subprocess.PIPE if is_read else STDERR,
            stderr=subprocess.PIPE if is_read else None,
        )
    except OSError as error:
        raise DeployError(f"{argv[0]} cannot be run: {error.strerror}") from None
    if ended.returncode:
        lines = [line for line in (ended.stderr or "").splitlines() if line.strip()]
        why = [line for line in lines if "rror" in line] or lines
        raise DeployError(
            f"`{' '.join(argv)}` ended with code {ended.returncode}"
            + (f": {why[-1]}" if why else ", as said above")
        )
    return ended.stdout or ""


class Calls:
    """Makes calls by a session's clients, and tells of each before."""

    def __init__(
        self,
        session: Session,
        tell: Callable[[Told], None],
        *,
        is_dry_run: bool = False,
        run: Run = run_program,
    ) -> None:
        self._session = session
        self._tell = tell
        self._run = run
        self._clients: dict[str, Any] = {}
        self.is_dry_run = is_dry_run

    @property
    def region(self) -> str:
        """Where all is done. Raises DeployError."""
        return str(self._client("cloudformation").meta.region_name)

    def read(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        """Make a call that changes nothing. Raises ClientError, and DeployError for the rest."""
        if self.is_dry_run:
            self._tell(Told(f"{service}.{operation}", shown(parameters), is_made=True))
        return self._send(service, operation, parameters)

    def change(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        """Make a call that changes something; in a dry run it is only told, and answers nothing."""
        if self.is_dry_run:
            self._tell(Told(f"{service}.{operation}", shown(parameters), is_made=False))
            return {}
        return self._send(service, operation, parameters)

    def watch(self, service: str, *operations: str, **parameters: Any) -> None:
        """Have a dry run tell of reading calls that follow what it does not do."""
        if self.is_dry_run:
            for operation in operations:
                self._tell(Told(f"{service}.{operation}", shown(parameters), is_made=False))

    def run(self, *argv: str, stdin: str = "") -> None:
        """Run a program that changes something; what it reads is never told."""
        if self.is_dry_run:
            given = " (the password on its standard input)" if stdin else ""
            self._tell(Told(" ".join(argv) + given, None, is_made=False))
            return
        self._run(argv, stdin=stdin)

    def output_of(self, *argv: str) -> str:
        """What a program prints that changes nothing."""
        if self.is_dry_run:
            self._tell(Told(" ".join(argv), None, is_made=True))
        return self._run(argv, is_read=True).strip()

    def _send(self, service: str, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = getattr(self._client(service), operation)(**parameters)
        except BotoCoreError as error:
            raise explained(error, f"{service}.{operation}") from None
        return answer

    def _client(self, service: str) -> Any:
        if service not in self._clients:
            try:
                make: Any = self._session.client
                self._clients[service] = make(service)
            except BotoCoreError as error:
                raise explained(error, service) from None
        return self._clients[service]


def is_refused(error: Exception, *codes: str) -> bool:
    """Whether a service has answered with one of these codes."""
    return isinstance(error, ClientError) and error.response["Error"].get("Code") in codes


def shown(value: Any, name: str = "") -> Any:
    """Parameters as they may be shown: secrets are hidden, and a template is told by its length."""
    if isinstance(value, dict):
        parameter = str(value.get("ParameterKey", ""))  # as CloudFormation has them
        return {
            key: shown(each, parameter if key == "ParameterValue" else key)
            for key, each in value.items()
        }
    if isinstance(value, list | tuple):
        return [shown(each, name) for each in value]
    if name not in NOT_SECRET and SECRET.search(name) and isinstance(value, str):
        return HIDDEN
    if name == TEMPLATE:
        return f"({len(value)} characters)"
    return value
