"""docs/api-coverage.md: botocore's models of the services, and what becomes of each member here.

Whether the tables in `api_members.py` name every member, and how they look as a page; whether they
are true is for tests to try.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from typing import TYPE_CHECKING

import botocore
from botocore.loaders import Loader
from botocore.model import ListShape, ServiceModel, StructureShape

from tests.support.api_members import ABSENT, TABLE, Members

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from botocore.model import Shape

HEADER = f"""# API coverage

Every operation that the endpoint answers, and what becomes of each of its members, by the services'
models in botocore {botocore.__version__}. `make coverage-page` writes this file anew; tests hold it
against the code.

| | |
|---|---|
| served | does what it does on SageMaker, as far as there is here what it is about |
| kept | checked, stored and described; nothing else comes of it |
| ignored | checked and taken; nothing comes of it, and it is not described |
| refused | by a `ValidationError` (`ValidationException` but at the runtime) that names it |
| answered | is in answers where there is something to tell |
| never answered | is in none |
| raised, never raised | errors that the service names with the operation |

A structure stands for all that is in it, but for what is named of it in another row. Other members
than these are refused, too; other headers of an invocation are ignored.
"""
INPUTS = ("served", "kept", "ignored", "refused")
OUTPUTS = ("answered", "never")
ERRORS = ("raised", "unraised")
WORDS = {"never": "never answered", "unraised": "never raised"}
TITLES = {
    "sagemaker-runtime": "SageMaker Runtime",
    "sagemaker": "SageMaker",
    "application-autoscaling": "Application Auto Scaling",
}
OTHERS = "others"


@cache
def model(service: str) -> ServiceModel:
    """botocore's model of a service."""
    return ServiceModel(Loader().load_service_model(service, "service-2"), service)


def named(members: Members, *kinds: str) -> list[str]:
    """The members that are said to be of some kinds, in the order of the table."""
    return [name for kind in kinds for name in getattr(members, kind).split()]


def structure(shape: Shape | None) -> StructureShape | None:
    """The structure that a member is, or is a list of."""
    while isinstance(shape, ListShape):
        shape = shape.member
    return shape if isinstance(shape, StructureShape) else None


def members_of(shape: Shape | None) -> Mapping[str, Shape]:
    """The members of a structure, or of the structures in a list."""
    found = structure(shape)
    return found.members if found is not None else {}


def leaves(
    members: Mapping[str, Shape], classified: Iterable[str] = (), place: str = ""
) -> Iterator[str]:
    """The members, or those of structures among them where the tables name some of them."""
    classified = set(classified)
    for name, member in members.items():
        path = place + name
        if path not in classified and any(each.startswith(f"{path}.") for each in classified):
            yield from leaves(members_of(member), classified, f"{path}.")
        else:
            yield path


def differences(service: str, operation: str) -> list[str]:
    """What the model has and the table has not, or the table twice, or it alone."""
    found = []
    description = model(service).operation_model(operation)
    members = TABLE[service][operation]
    sides = (
        (INPUTS, members_of(description.input_shape)),
        (OUTPUTS, members_of(description.output_shape)),
        (ERRORS, {error.name: error for error in description.error_shapes}),
    )
    for kinds, known in sides:
        counted = Counter(named(members, *kinds))
        there = set(leaves(known, counted))
        found += [f"{name} is not classified" for name in there - counted.keys()]
        found += [f"{name} is no member" for name in counted.keys() - there]
        found += [f"{name} is there {count} times" for name, count in counted.items() if count > 1]
    told = set(named(members, *INPUTS, *OUTPUTS))
    found += [f"the note on {name} is on no member" for name in members.notes.keys() - told]
    return sorted(found)


def page() -> str:
    """The whole page."""
    lines = [HEADER]
    for service, operations in TABLE.items():
        absent = [name for name in model(service).operation_names if name not in operations]
        lines += [f"## {TITLES[service]}", ""]
        lines += [_summary(service, len(operations), absent), ""]
        for operation, members in operations.items():
            lines += [f"### {operation}", "", *_rows(members), ""]
    return "\n".join(lines)


def groups(names: list[str]) -> Counter[str]:
    """What operations are about, and how many are."""
    return Counter(
        next((group for group, words in ABSENT.items() if re.search(words, name)), OTHERS)
        for name in names
    )


def _summary(service: str, served: int, absent: list[str]) -> str:
    there = f"{served} of {served + len(absent)} operations."
    if not absent:
        return there
    if service != "sagemaker":
        return f"{there} Not there: {', '.join(f'`{name}`' for name in absent)}."
    counted = groups(absent)
    about = [f"{group} ({counted[group]})" for group in (*ABSENT, OTHERS) if counted[group]]
    return f"{there} Deliberately not there are {len(absent)}: {'; '.join(about)}."


def _rows(members: Members) -> list[str]:
    rows = ["| | |", "|---|---|"]
    for kind in (*INPUTS, *OUTPUTS, *ERRORS):
        by_place: dict[str, list[str]] = {}
        for name in named(members, kind):
            place, _, own = name.rpartition(".")
            is_other = kind not in INPUTS and name in named(members, *INPUTS)
            note = "" if is_other else members.notes.get(name, "")
            by_place.setdefault(place, []).append(f"`{own}`" + (f" ({note})" if note else ""))
        for place, told in sorted(by_place.items(), key=lambda item: item[0]):
            within = "of" if kind in ERRORS else "in"
            where = f" {within} `{place}`" if place else ""
            rows.append(f"| {WORDS.get(kind, kind)}{where} | {', '.join(told)} |")
    return rows
