"""CloudFormation templates read, and what their properties become with given parameters.

Moto's own resolver of intrinsic functions does it, with stand-ins for the resources: a resource is
named by its logical id, unless it names itself.
"""

from __future__ import annotations

import json
import re
from functools import cache
from typing import TYPE_CHECKING, Any

from cfnlint.decode import decode
from moto.cloudformation.parsing import ResourceMap, clean_json

from tests.support.endpoint import PROJECT

if TYPE_CHECKING:
    from pathlib import Path

HAS_RESOURCES = re.compile(r"^\s*\"?Resources\"?\s*:", re.MULTILINE)
FOLDER = PROJECT / "deploy" / "aws"
ACCOUNT, REGION, STACK = "111122223333", "eu-central-1", "texts"
SERVICES = {"SNS": "sns", "SQS": "sqs", "IAM": "iam", "Lambda": "lambda", "SageMaker": "sagemaker"}


def templates() -> list[Path]:
    """All of deploy/aws."""
    return [
        path
        for path in sorted(FOLDER.rglob("*"))
        if path.suffix in {".yaml", ".yml", ".json"}
        and HAS_RESOURCES.search(path.read_text("utf-8"))
    ]


@cache
def read(path: Path) -> Any:
    """A template with its functions in their long form. Shared: not to be changed."""
    template, problems = decode(str(path))
    assert not problems, problems
    return json.loads(json.dumps(template))


class _StandIn:
    """A resource that was not made: what `Ref` and `Fn::GetAtt` say of it."""

    def __init__(self, name: str, kind: str) -> None:
        self._name = name
        self._service = kind.split("::")[1]
        service = SERVICES.get(self._service, self._service.lower())
        self._arn = f"arn:aws:{service}:{REGION}:{ACCOUNT}:{name}"
        if self._service == "IAM":
            is_role = kind.endswith("::Role")
            self._arn = f"arn:aws:iam::{ACCOUNT}:{'role' if is_role else 'policy'}/{name}"
        self.physical_resource_id = (
            name
            if self._service in {"CloudWatch", "Logs"} or kind.endswith("::Role")
            else self._arn
        )

    def get_cfn_attribute(self, attribute: str) -> str:
        return self._arn if attribute == "Arn" else self._name


class Resolved(ResourceMap):
    """A template's resources and outputs with parameters filled in."""

    def __init__(self, path: Path, parameters: dict[str, str], stack: str = STACK) -> None:
        template = json.loads(json.dumps(read(path)))
        super().__init__(f"{stack}-id", stack, parameters, {}, REGION, ACCOUNT, template, {})
        self._kinds = {name: each["Type"] for name, each in template["Resources"].items()}
        self.load_mapping()
        self.load_parameters()
        self.load_conditions()

    def __getitem__(self, key: str) -> Any:
        if key in self._kinds and key not in self._parsed_resources:
            self._parsed_resources[key] = _StandIn(self._names_itself(key), self._kinds[key])
        return self._parsed_resources[key]

    def _names_itself(self, key: str) -> str:
        given = self._template["Resources"][key].get("Properties", {})
        member = self._kinds[key].rpartition("::")[2] + "Name"
        return str(clean_json(given[member], self)) if member in given else key

    def properties(self, logical_id: str) -> dict[str, Any]:
        """Of a resource, without what is not there."""
        found: dict[str, Any] = _whole(
            clean_json(self._template["Resources"][logical_id]["Properties"], self)
        )
        return found

    def made(self) -> dict[str, str]:
        """The resources whose condition holds, with their types."""
        return {
            name: self._kinds[name]
            for name, each in self._template["Resources"].items()
            if "Condition" not in each or self.lazy_condition_map[each["Condition"]]
        }

    def statements(self, role: str) -> list[dict[str, Any]]:
        """What a role may do, by its own policies and those that are attached."""
        given = self.properties(role)
        documents = [each["PolicyDocument"] for each in given.get("Policies", [])]
        for name, kind in self.made().items():
            if kind in {"AWS::IAM::Policy", "AWS::IAM::ManagedPolicy", "AWS::IAM::RolePolicy"}:
                policy = self.properties(name)
                arn = self[name].physical_resource_id
                attached = [*policy.get("Roles", []), policy.get("RoleName")]
                if arn in given.get("ManagedPolicyArns", []) or self[role]._name in attached:
                    documents.append(policy["PolicyDocument"])
        return [each for document in documents for each in document["Statement"]]


def _whole(value: Any) -> Any:
    """Without the nothings that `AWS::NoValue` leaves in lists."""
    if isinstance(value, dict):
        return {key: _whole(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_whole(each) for each in value if each is not None]
    return value
