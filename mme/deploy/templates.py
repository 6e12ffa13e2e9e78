"""The CloudFormation templates: those of `deploy/aws`, which the package holds."""

from __future__ import annotations

from importlib import resources

ENDPOINT, REPOSITORY = "endpoint.yaml", "repository.yaml"
MOST_BYTES = 51_200
"""That CloudFormation takes in a call."""


def template(name: str) -> str:
    """The text of one."""
    return resources.files("mme.deploy").joinpath(name).read_text("utf-8")
