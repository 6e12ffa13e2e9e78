"""What the service takes in the headers of an invocation, as botocore's own model of it says.

SageMaker Runtime is described by a file that comes with botocore: the members of an operation's
input, the header of each, the least and greatest length and the pattern. Made into checks once, so
that what passes here passes there. Which target model is a good one is up to `mme.core.names`,
which lets through more letters than the service's pattern names; which variants there are, the
endpoint knows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.loaders import Loader
from botocore.model import ServiceModel
from multidict import istr

from mme.core.errors import InvalidRequest
from mme.gateway.headers import TARGET, decoded
from mme.gateway.shapes import compiled

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from multidict import MultiMapping

SERVICE = "sagemaker-runtime"
NAME_MEMBER, TARGET_MEMBER = "EndpointName", "TargetModel"
SHOWN_CHARS = 100
NUMBER = re.compile(r"-?[0-9]{1,18}", re.ASCII)
ABSENT = {
    "InferenceComponentName": "the endpoint has models, not inference components",
}
"""Members that name a part which an endpoint of this kind does not have."""


@dataclass(frozen=True, slots=True)
class Check:
    """What one member must be."""

    member: str
    header: istr | None
    """None: it is in the path."""
    least: int
    most: int | None
    pattern: re.Pattern[str] | None
    pattern_text: str
    is_sensitive: bool
    is_number: bool
    """Whether `least` and `most` are of its value, not its length."""

    def failures(self, value: str) -> Iterator[str]:
        """What is wrong with a value, in the service's words."""
        shown = "" if self.is_sensitive else f"'{value[:SHOWN_CHARS]}' "
        name = self.member[0].lower() + self.member[1:]
        start = f"Value {shown}at '{name}' failed to satisfy constraint: Member must"
        if self.is_number:
            yield from self._failures_of_number(value, start)
        elif len(value) < self.least:
            yield f"{start} have length greater than or equal to {self.least}"
        elif self.most is not None and len(value) > self.most:
            yield f"{start} have length less than or equal to {self.most}"
        elif self.pattern is not None and not self.pattern.fullmatch(value):
            yield f"{start} satisfy regular expression pattern: {self.pattern_text}"

    def _failures_of_number(self, value: str, start: str) -> Iterator[str]:
        if not NUMBER.fullmatch(value):
            yield f"{start} be a number"
        elif int(value) < self.least:
            yield f"{start} have value greater than or equal to {self.least}"
        elif self.most is not None and int(value) > self.most:
            yield f"{start} have value less than or equal to {self.most}"


class InvocationChecks:
    """The checks of the input of InvokeEndpoint, or of another operation that invokes a model."""

    def __init__(self, operation: str = "InvokeEndpoint") -> None:
        description = Loader().load_service_model(SERVICE, "service-2")
        shape = ServiceModel(description, SERVICE).operation_model(operation).input_shape
        members: Mapping[str, Any] = shape.members  # type: ignore[union-attr] # it has an input
        checks = {
            name: _check_of(name, member)
            for name, member in members.items()
            if member.serialization.get("location") in ("header", "uri")
        }
        self._name_check = checks.pop(NAME_MEMBER)
        self._good_name = ""
        checks.pop(TARGET_MEMBER, None)
        self._by_header = tuple(
            (check.header, check) for check in checks.values() if check.header is not None
        )
        self._good: dict[istr, str] = {}
        """The last good value of each header: most requests have the same."""

    def check_name(self, endpoint: str) -> None:
        """Raise InvalidRequest for an endpoint name the service would not take."""
        if endpoint != self._good_name:
            _raise_any(list(self._name_check.failures(endpoint)))
            self._good_name = endpoint

    def check_headers(self, headers: MultiMapping[str]) -> None:
        """Raise InvalidRequest for headers the service would not take."""
        good = self._good
        for header, _ in self._by_header:
            if header in headers and headers.getall(header) != [good.get(header)]:
                self._check_all(headers)
                break
        if TARGET in headers:
            _only(headers, TARGET)

    def _check_all(self, headers: MultiMapping[str]) -> None:
        given = [
            (check, header, _only(headers, header))
            for header, check in self._by_header
            if header in headers
        ]
        _raise_any(
            [failure for check, _, value in given for failure in check.failures(decoded(value))]
        )
        for check, header, value in given:
            _check_meaning(check.member, value)
            self._good[header] = value


def _only(headers: MultiMapping[str], header: istr) -> str:
    """The value of a header that may be there once: which of two would hold, nobody could say."""
    values = headers.getall(header)
    if len(values) > 1:
        raise InvalidRequest(f"The header {header} is there {len(values)} times; it may be once")
    return values[0]


def _check_meaning(member: str, value: str) -> None:
    if member in ABSENT:
        raise InvalidRequest(f"{member} {value[:SHOWN_CHARS]!r} cannot be used: {ABSENT[member]}")


def _raise_any(failures: list[str]) -> None:
    if failures:
        errors = "error" if len(failures) == 1 else "errors"
        raise InvalidRequest(f"{len(failures)} validation {errors} detected: {'; '.join(failures)}")


def _check_of(name: str, member: Any) -> Check:
    facts = member.metadata
    text = facts.get("pattern", "")
    return Check(
        member=name,
        header=istr(member.serialization["name"])
        if member.serialization["location"] == "header"
        else None,
        least=facts.get("min", 0),
        most=facts.get("max"),
        pattern=compiled(text) if text else None,
        pattern_text=text,
        is_sensitive=facts.get("sensitive", False),
        is_number=member.type_name == "integer",
    )
