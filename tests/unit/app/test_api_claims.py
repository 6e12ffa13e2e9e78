"""What docs/api-coverage.md says of the control plane's operations, tried on them."""

from __future__ import annotations

import pytest
import pytest_asyncio

from tests.support.api_coverage import named
from tests.support.api_members import TABLE
from tests.support.api_scenario import SERVICE_OF, played
from tests.support.api_watching import found_at

DESCRIBED = {
    "CreateModel": ("DescribeModel", ""),
    "CreateEndpointConfig": ("DescribeEndpointConfig", ""),
    "CreateEndpoint": ("DescribeEndpoint", ""),
    "UpdateEndpoint": ("DescribeEndpoint", ""),
    "CreateTransformJob": ("DescribeTransformJob", ""),
    "RegisterScalableTarget": ("DescribeScalableTargets", "ScalableTargets."),
    "PutScalingPolicy": ("DescribeScalingPolicies", "ScalingPolicies."),
}
"""Where what an operation keeps is told."""
RENAMED = {"DeploymentConfig": "LastDeploymentConfig"}

each_operation = pytest.mark.parametrize("name", SERVICE_OF)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scenario(tmp_path_factory):
    return await played(tmp_path_factory.mktemp("state"))


def claimed(name, *kinds):
    return named(TABLE[SERVICE_OF[name]][name], *kinds)


def test_the_page_has_the_operations_that_are_served_and_no_others(scenario):
    assert scenario.operations.keys() == SERVICE_OF.keys()


@each_operation
def test_every_member_that_is_taken_was_tried(scenario, name):
    assert set(claimed(name, "served", "kept", "ignored")) <= scenario.given(name)


@each_operation
def test_what_is_served_is_looked_at(scenario, name):
    for path in claimed(name, "served"):
        assert any(f"{each}.".startswith(f"{path}.") for each in scenario.read[name]), path


@each_operation
def test_what_is_kept_is_described(scenario, name):
    describing, place = DESCRIBED.get(name, ("", ""))
    for path in claimed(name, "kept"):
        told = list(found_at(scenario.answers[describing], place + RENAMED.get(path, path)))
        for value in found_at(scenario.asked[name], path):
            assert value in told, path


@each_operation
def test_what_is_ignored_is_neither_looked_at_nor_told(scenario, name):
    describing, place = DESCRIBED.get(name, (name, ""))
    for path in claimed(name, "ignored"):
        assert path not in scenario.read[name]
        assert place + RENAMED.get(path, path) not in scenario.told(describing)


@each_operation
def test_what_is_refused_is_refused_by_its_name(scenario, name):
    for path in claimed(name, "refused"):
        assert path.rpartition(".")[2] in scenario.refusals[name, path]


@each_operation
def test_answers_have_what_they_are_said_to_have_and_nothing_else(scenario, name):
    told = scenario.told(name)
    assert set(claimed(name, "answered")) <= told
    assert not set(claimed(name, "never")) & told


@each_operation
def test_errors_are_those_that_it_is_said_to_raise(scenario, name):
    assert set(claimed(name, "raised")) <= scenario.errors[name]
    assert not set(claimed(name, "unraised")) & scenario.errors[name]
