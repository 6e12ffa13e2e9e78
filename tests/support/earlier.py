"""The work that an earlier version was given and left, and how its folders are laid down.

`tests/deploy/upgrade/write.py` gives it and packs what is left; `test_upgrade.py` has this version
go on with it.
"""

from __future__ import annotations

import json
import sqlite3
import tarfile
from contextlib import closing
from typing import TYPE_CHECKING, Any

import boto3

if TYPE_CHECKING:
    from pathlib import Path

BUCKET, TARGET = "work", "TopicalPageRank.tar.gz"
ENDPOINT, JOB = "claims", "monday"
ROLE = "arn:aws:iam::000000000000:role/any"
TAGS = [{"Key": "team", "Value": "checks"}]
TEXTS = (
    "Die Regierung plant eine neue Steuer auf Strom aus Solaranlagen.",
    "Impfungen verändern die Gene von Menschen.",
    "Der Bürgermeister von Berlin verbietet ab Montag alle Autos.",
)
FACTS, STORE, CACHE, STATE = "facts.json", "store", "cache", "state"
"""What is in an archive: what was accepted, then folders."""
TIMES = {
    "async_requests": ("due_at", "received_at", "expires_at", "started_at", "ended_at"),
    "created": ("created_at", "modified_at"),
}


def aws(service: Any, url: str) -> Any:
    """An unmodified client."""
    return boto3.client(
        service,
        endpoint_url=url,
        region_name="eu-central-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


def settings_for(s3_url: str) -> dict[str, str]:
    """What an endpoint needs to find the work's objects."""
    return {
        "AWS_ENDPOINT_URL_S3": s3_url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "eu-central-1",
    }


def fill(s3: Any, store: Path) -> None:
    """The objects of the work: the model, texts for a transform job."""
    s3.create_bucket(
        Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
    )
    s3.upload_file(str(store / TARGET), BUCKET, f"models/{TARGET}")
    for number, text in enumerate(TEXTS):
        s3.put_object(Bucket=BUCKET, Key=f"in/{number}.txt", Body=text.encode())


def keyphrases(url: str, text: str, endpoint: str = ENDPOINT) -> Any:
    """What the model answers at once."""
    answer = aws("sagemaker-runtime", url).invoke_endpoint(
        EndpointName=endpoint, TargetModel=TARGET, ContentType="text/plain", Body=text.encode()
    )
    return json.loads(answer["Body"].read())


def create(url: str) -> None:
    """A model, an asynchronous endpoint of it with tags, and its scaling."""
    client = aws("sagemaker", url)
    client.create_model(
        ModelName=ENDPOINT,
        ExecutionRoleArn=ROLE,
        PrimaryContainer={
            "Image": "mme", "Mode": "MultiModel", "ModelDataUrl": f"s3://{BUCKET}/models/",
        },
    )  # fmt: skip
    client.create_endpoint_config(
        EndpointConfigName=ENDPOINT,
        ProductionVariants=[
            {
                "VariantName": "first", "ModelName": ENDPOINT,
                "InstanceType": "ml.m5.large", "InitialInstanceCount": 1,
            }
        ],
        AsyncInferenceConfig={"OutputConfig": {"S3OutputPath": f"s3://{BUCKET}/out/"}},
    )  # fmt: skip
    client.create_endpoint(EndpointName=ENDPOINT, EndpointConfigName=ENDPOINT, Tags=TAGS)
    client.get_waiter("endpoint_in_service").wait(
        EndpointName=ENDPOINT, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )
    aws("application-autoscaling", url).register_scalable_target(
        ServiceNamespace="sagemaker",
        ResourceId=f"endpoint/{ENDPOINT}/variant/first",
        ScalableDimension="sagemaker:variant:DesiredInstanceCount",
        MinCapacity=1,
        MaxCapacity=3,
    )


def ask_later(url: str, text: str) -> dict[str, str]:
    """Have a request accepted; returns its id and the place of its answer."""
    answer = aws("sagemaker-runtime", url).invoke_endpoint_async(
        EndpointName=ENDPOINT,
        ContentType="text/plain",
        Body=text.encode(),
        CustomAttributes=f"target-model={TARGET}",
    )
    return {"id": answer["InferenceId"], "output": answer["OutputLocation"], "text": text}


def begin_job(url: str) -> None:
    """Have a transform of all texts accepted."""
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/in/"}}
    aws("sagemaker", url).create_transform_job(
        TransformJobName=JOB,
        ModelName=ENDPOINT,
        Environment={"MME_TARGET_MODEL": TARGET},
        TransformInput={"DataSource": source, "ContentType": "text/plain"},
        TransformOutput={"S3OutputPath": f"s3://{BUCKET}/transformed/"},
        TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
    )


def laid_down(archive: Path, folder: Path, now_s: float) -> dict[str, Any]:
    """Unpack an archive as if its endpoint had ended a moment ago; returns what was accepted."""
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="tar")
    facts: dict[str, Any] = json.loads((folder / FACTS).read_text())
    if (folder / STATE).is_dir():
        with closing(sqlite3.connect(folder / STATE / "state.sqlite")) as state, state:
            for table, columns in TIMES.items():
                moved = ", ".join(f"{column} = {column} + :past" for column in columns)
                past_s = now_s - facts["ended_at"]
                state.execute(f"UPDATE {table} SET {moved}", {"past": past_s})  # noqa: S608
    return facts
