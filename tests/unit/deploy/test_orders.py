"""Names, places, steps and shown parameters of a deployment."""

from __future__ import annotations

from typing import Any

import pytest

from mme.deploy.calls import HIDDEN, Told, run_program, shown
from mme.deploy.endpoint import Deployment, Order, check_name, place_of, steps
from mme.deploy.errors import DeployError
from mme.deploy.images import IN_REGISTRY, Images
from mme.deploy.states import Stack

DIGEST = f"sha256:{'0' * 64}"


@pytest.mark.parametrize("name", ["texts", "texts-2", "t"])
def test_a_name_that_stack_endpoint_and_repository_can_have_is_taken(name):
    check_name(name)


@pytest.mark.parametrize("name", ["", "Texts", "2texts", "a--b", "a-", "a_b", "a" * 41, "a\n"])
def test_another_name_is_refused_with_what_was_sent(name):
    with pytest.raises(DeployError) as caught:
        check_name(name)
    assert repr(name) in str(caught.value)


def test_a_place_is_a_bucket_and_folders_with_a_slash_at_the_end():
    expected = {"ModelBucket": "b", "ModelPrefix": "x/y/"}
    for uri in ("s3://b/x/y", "s3://b/x/y/", "s3://b/x/y//"):
        assert place_of(uri, "ModelBucket", "ModelPrefix") == expected


@pytest.mark.parametrize("uri", ["s3://b", "s3://b/", "b/x/", "https://b/x/", "s3:///x/", ""])
def test_a_whole_bucket_and_what_is_no_place_are_refused(uri):
    with pytest.raises(DeployError, match="not of the form s3://bucket/prefix/"):
        place_of(uri, "ModelBucket", "ModelPrefix")


SCALED = {"InstanceType": "ml.m5.large", "Scaling": "on"}


@pytest.mark.parametrize(
    ("given", "former", "expected"),
    [
        ({"MaxInstances": "8"}, SCALED, [{"MaxInstances": "8"}]),
        ({"InstanceType": "ml.m5.large"}, SCALED, [{"InstanceType": "ml.m5.large"}]),
        ({"InstanceType": "ml.c5.large"}, {}, [{"InstanceType": "ml.c5.large"}]),
        (
            {"InstanceType": "ml.c5.large"},
            SCALED | {"Scaling": "off"},
            [{"InstanceType": "ml.c5.large"}],
        ),
        (
            {"InstanceType": "ml.c5.large", "MaxInstances": "8"},
            SCALED,
            [
                {"Scaling": "off"},
                {"InstanceType": "ml.c5.large", "MaxInstances": "8", "Scaling": "off"},
                {"Scaling": "on"},
            ],
        ),
        (
            {"InstanceType": "ml.c5.large", "Scaling": "off"},
            SCALED,
            [{"Scaling": "off"}, {"InstanceType": "ml.c5.large", "Scaling": "off"}],
        ),
    ],
)
def test_scaling_is_off_while_the_instance_type_changes(given, former, expected):
    assert list(steps(given, former)) == expected


@pytest.mark.parametrize(
    ("name", "repository", "version"),
    [
        ("111122223333.dkr.ecr.eu-central-1.amazonaws.com/mme:1", "mme", ":1"),
        ("111122223333.dkr.ecr.cn-north-1.amazonaws.com.cn/a/b", "a/b", None),
        (f"111122223333.dkr.ecr.eu-west-1.amazonaws.com/a@{DIGEST}", "a", f"@{DIGEST}"),
    ],
)
def test_an_image_of_ecr_is_known_by_its_name(name, repository, version):
    found = IN_REGISTRY.fullmatch(name)
    assert found is not None
    assert (found["repository"], found["version"]) == (repository, version)


@pytest.mark.parametrize("name", ["mme", "mme:1", "docker.io/library/mme:1", "localhost:5000/mme"])
def test_another_image_is_none_of_ecr(name):
    assert IN_REGISTRY.fullmatch(name) is None


def test_secrets_are_hidden_wherever_they_stand_and_a_template_is_told_by_its_length():
    given = {
        "TemplateBody": "x" * 10,
        "nextToken": "n",
        "authorizationToken": "t",
        "Parameters": [
            {"ParameterKey": "GitToken", "ParameterValue": "s"},
            {"ParameterKey": "MaxInstances", "ParameterValue": "4"},
        ],
    }
    assert shown(given) == {
        "TemplateBody": "(10 characters)",
        "nextToken": "n",
        "authorizationToken": HIDDEN,
        "Parameters": [
            {"ParameterKey": "GitToken", "ParameterValue": HIDDEN},
            {"ParameterKey": "MaxInstances", "ParameterValue": "4"},
        ],
    }


def test_a_call_is_told_on_one_line():
    assert str(Told("ecr.x", {"a": 1}, is_made=True)) == 'reads       ecr.x {"a": 1}'
    assert str(Told("docker push x", None, is_made=False)) == "would call  docker push x"


def test_a_program_that_fails_or_is_not_there_says_why():
    assert run_program(["echo", "a"], is_read=True) == "a\n"
    with pytest.raises(DeployError, match=r"ended with code 3: no such image"):
        run_program(["sh", "-c", "echo no such image >&2; exit 3"], is_read=True)
    with pytest.raises(DeployError, match="cannot be run"):
        run_program(["/nowhere/docker"])


class RefusingStacks:
    """Stacks of an endpoint whose changes are noted; those in `refused` fail."""

    def __init__(self, *refused):
        self._refused = refused
        self.steps = []

    def find(self, name):
        given = {"InstanceType": "ml.m5.large", "Scaling": "on"}
        return Stack(name, "id", "UPDATE_COMPLETE", "", name, given)

    def known(self, *_):
        return {"InstanceType", "Scaling"}

    def apply(self, *named, seen):
        assert seen is not None
        step = named[-1]
        self.steps.append(dict(step))
        if len(self.steps) in self._refused:
            raise DeployError("there are no such instances")
        return True


def refused_update(*refused):
    stacks: Any = RefusingStacks(*refused)
    nothing: Any = None
    deployment = Deployment("texts", nothing, stacks, nothing)
    with pytest.raises(DeployError) as caught:
        deployment.update(Order(parameters={"InstanceType": "ml.p5.48xlarge"}))
    return stacks.steps, str(caught.value)


def test_scaling_is_on_again_after_an_instance_type_that_was_refused():
    steps_made, said = refused_update(2)
    assert steps_made[-1] == {"Scaling": "on"}
    assert said == "there are no such instances"


def test_where_scaling_cannot_be_turned_on_again_that_is_said():
    _, said = refused_update(2, 3)
    assert "scaling is off still" in said
    assert "mme deploy update texts --set Scaling=on" in said


def test_a_failure_to_turn_scaling_off_turns_nothing_on():
    steps_made, _ = refused_update(1)
    assert steps_made == [{"Scaling": "off"}]


def test_an_image_is_built_without_attestations():
    printed = run_program(["sh", "-c", "echo $BUILDX_NO_DEFAULT_ATTESTATIONS"], is_read=True)
    assert printed == "1\n"


class Registry:
    """The part of `Calls` that deletes images: one that an index names goes after the index."""

    is_dry_run = False

    def __init__(self, *images, stays=()):
        self.images = list(images)
        self._stays = stays

    def read(self, _, operation, **__):
        assert operation == "list_images"
        return {"imageIds": [{"imageDigest": each} for each in self.images]}

    def change(self, *_, **__):
        named = "index" in self.images
        gone = [
            each
            for each in self.images
            if each not in self._stays and not (named and each != "index")
        ]
        failed = [{"imageId": {"imageDigest": each}} for each in self.images if each not in gone]
        self.images = [each for each in self.images if each not in gone]
        return {"imageIds": [{"imageDigest": each} for each in gone], "failures": failed}


class OwnStacks:
    """Stacks of which each is a deployment's own; those that were deleted are noted."""

    def __init__(self):
        self.deleted = []

    def find(self, name):
        return Stack(name, "id", "CREATE_COMPLETE", "", "texts", {})

    def delete(self, stack):
        self.deleted.append(stack.name)


def test_images_that_an_index_names_are_deleted_after_it():
    registry: Any = Registry("of-index", "index")
    stacks: Any = OwnStacks()
    assert Images(registry, stacks, lambda _: None).delete_own("texts")
    assert registry.images == []
    assert stacks.deleted == ["texts-repository"]


def test_an_image_that_stays_keeps_the_repository():
    registry: Any = Registry("pinned", stays=("pinned",))
    stacks: Any = OwnStacks()
    with pytest.raises(DeployError, match=r"an image stays: .*pinned"):
        Images(registry, stacks, lambda _: None).delete_own("texts")
    assert stacks.deleted == []
