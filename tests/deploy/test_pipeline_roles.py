"""What each role of the pipeline and the API may do, and what it may not, by IAM's evaluation."""

from __future__ import annotations

import pytest

from tests.support.cloudformation import ACCOUNT, FOLDER, REGION, Resolved, read
from tests.support.iam import allows

GIVEN = {
    "Stage": "dev",
    "EndpointName": "texts",
    "ModelBucket": "models",
    "ModelPrefix": "dev/",
    "Source": "S3",
    "SourceBucket": "sources",
    "ImageRepository": "mme",
    "CorpusBucket": "corpora",
    "CorpusPrefix": "de/",
    "CodeBucket": "code",
    "CodePrefix": "1/",
}
PIPELINE, API = FOLDER / "pipeline.yml", FOLDER / "api.yaml"
WORK = f"arn:aws:s3:{REGION}:{ACCOUNT}:WorkBucket"
JOBS = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:training-job"
ENDPOINTS = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:endpoint"
CASES = [
    (True, "TrainingRole", "s3:GetObject", "arn:aws:s3:::corpora/de/a.csv", {}),
    (True, "TrainingRole", "s3:ListBucket", "arn:aws:s3:::corpora", {"s3:prefix": "de/"}),
    (False, "TrainingRole", "s3:GetObject", "arn:aws:s3:::corpora/en/a.csv", {}),
    (False, "TrainingRole", "s3:ListBucket", "arn:aws:s3:::corpora", {"s3:prefix": "en/"}),
    (False, "TrainingRole", "s3:GetObject", "arn:aws:s3:::corpora-of-others/de/a.csv", {}),
    (False, "TrainingRole", "s3:PutObject", "arn:aws:s3:::corpora/de/a.csv", {}),
    (False, "TrainingRole", "s3:PutObject", "arn:aws:s3:::models/dev/A-1.tar.gz", {}),
    (True, "PublishRole", "s3:PutObject", "arn:aws:s3:::models/dev/A-1.tar.gz", {}),
    (True, "PublishRole", "s3:ListBucket", WORK, {}),
    (False, "PublishRole", "s3:ListBucket", "arn:aws:s3:::models", {"s3:prefix": "prod/"}),
    (False, "PublishRole", "s3:PutObject", "arn:aws:s3:::models/prod/A-1.tar.gz", {}),
    (False, "PublishRole", "s3:DeleteObject", "arn:aws:s3:::models/dev/A-1.tar.gz", {}),
    (True, "PublishRole", "sagemaker:InvokeEndpoint", f"{ENDPOINTS}/texts", {}),
    (False, "PublishRole", "sagemaker:InvokeEndpoint", f"{ENDPOINTS}/texts-prod", {}),
    (True, "TrainRole", "sagemaker:ListTags", f"{JOBS}/mme-dev-DocSim-0a", {}),
    (True, "TrainRole", "sagemaker:CreateTrainingJob", f"{JOBS}/mme-dev-DocSim-0a", {}),
    (False, "TrainRole", "sagemaker:CreateTrainingJob", f"{JOBS}/mme-prod-DocSim-0a", {}),
    (False, "TrainRole", "sagemaker:CreateEndpoint", f"{ENDPOINTS}/texts", {}),
    (False, "BuildRole", "s3:GetObject", "arn:aws:s3:::models/dev/A-1.tar.gz", {}),
    (True, "PipelineRole", "s3:GetObject", "arn:aws:s3:::sources/sources.zip", {}),
    (False, "PipelineRole", "s3:GetObject", "arn:aws:s3:::sources/other.zip", {}),
    (False, "OutcomeRole", "s3:PutObject", "arn:aws:s3:::models/dev/models-id.json", {}),
    (False, "EmptyBucketRole", "s3:DeleteObject", "arn:aws:s3:::models/dev/A-1.tar.gz", {}),
]


@pytest.mark.parametrize(("may", "role", "action", "resource", "context"), CASES)
def test_a_role_reaches_what_its_work_takes_and_nothing_else(may, role, action, resource, context):
    statements = Resolved(PIPELINE, GIVEN, "models-dev").statements(role)
    assert allows(statements, action, resource, context) is may


def test_training_jobs_are_lent_their_own_role_and_only_to_sagemaker():
    resolved = Resolved(PIPELINE, GIVEN, "models-dev")
    statements, arn = resolved.statements("TrainRole"), f"arn:aws:iam::{ACCOUNT}:role/TrainingRole"
    to_sagemaker = {"iam:PassedToService": "sagemaker.amazonaws.com"}
    assert allows(statements, "iam:PassRole", arn, to_sagemaker)
    assert not allows(statements, "iam:PassRole", arn, {"iam:PassedToService": "ec2.amazonaws.com"})
    assert not allows(statements, "iam:PassRole", arn + "2", to_sagemaker)


def test_the_api_reads_aliases_and_no_models():
    given = {name: GIVEN[name] for name in ("EndpointName", "ModelBucket", "ModelPrefix",
                                            "CodeBucket", "CodePrefix")}  # fmt: skip
    statements = Resolved(API, given, "api").statements("Role")
    assert allows(statements, "s3:GetObject", "arn:aws:s3:::models/dev/de/models-id.json")
    assert not allows(statements, "s3:GetObject", "arn:aws:s3:::models/dev/A-1.tar.gz")
    assert not allows(statements, "s3:PutObject", "arn:aws:s3:::models/dev/models-id.json")
    assert not allows(statements, "sagemaker:InvokeEndpoint", f"{ENDPOINTS}/other")


def test_nothing_writes_into_the_bucket_when_it_is_emptied_to_be_deleted():
    resources = read(PIPELINE)["Resources"]
    writers = {"PublishRole", "TrainingRole", "BuildRole", "PipelineRole"}
    assert {
        name for name in writers if resources[name].get("DependsOn") == "EmptiedBucket"
    } == writers


@pytest.mark.parametrize(
    ("template", "role"), [(PIPELINE, "PublishRole"), (PIPELINE, "TrainingRole"), (API, "Role")]
)
def test_a_key_is_used_where_the_bucket_is_encrypted_with_one_and_no_other(template, role):
    key = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/a"
    given = {**GIVEN, "KmsKeyArn": key}
    statements = Resolved(template, given, "models-dev").statements(role)
    assert allows(statements, "kms:Decrypt", key)
    assert not allows(statements, "kms:Decrypt", key + "b")
    statements = Resolved(template, GIVEN, "models-dev").statements(role)
    assert not allows(statements, "kms:Decrypt", key)
