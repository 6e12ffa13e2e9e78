"""Batch transform of a real endpoint: by unmodified boto3, and by `mme batch`; S3 is moto's."""

from __future__ import annotations

import csv
import gzip
import json
import os
import signal
import subprocess
import sys
import uuid

import boto3
import pytest

from tests.support.endpoint import PROJECT, running_endpoint
from tests.support.s3 import running_s3

COMMAND = [sys.executable, "-c", "from mme.cli.main import run; run()", "batch"]
PAIRS = [
    ("the vaccine alters genes", "vaccines change the genome"),
    ("masks help against the virus", "face masks protect"),
    ("the earth is flat", "elections were rigged"),
]
ROWS = "".join(f"{a},{b}\n" for a, b in PAIRS)


@pytest.fixture(scope="module")
def s3():
    with running_s3() as server:
        server.client().create_bucket(Bucket="models")
        server.client().upload_file(
            str(PROJECT / "artifacts/DocSim.tar.gz"), "models", "all/en/DocSim.tar.gz"
        )
        yield server


@pytest.fixture(scope="module")
def settings(s3):
    return {
        "AWS_ENDPOINT_URL_S3": s3.url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }


@pytest.fixture(scope="module")
def endpoint(settings, tmp_path_factory):
    scratch = tmp_path_factory.mktemp("endpoint")
    with running_endpoint(str(PROJECT / "artifacts"), scratch, settings) as running:
        yield running


@pytest.fixture
def bucket(s3):
    name = f"data-{uuid.uuid4().hex}"
    s3.client().create_bucket(Bucket=name)
    return name


@pytest.fixture
def put(s3, bucket):
    return lambda key, body: s3.client().put_object(Bucket=bucket, Key=key, Body=body)


@pytest.fixture
def get(s3, bucket):
    def get(key):
        return s3.client().get_object(Bucket=bucket, Key=key)["Body"].read().decode()

    return get


@pytest.fixture
def objects(bucket, put, get):
    return bucket, put, get


def client_of(endpoint):
    return boto3.client(
        "sagemaker",
        endpoint_url=endpoint.url,
        region_name="eu-central-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


@pytest.fixture(scope="module")
def sagemaker(endpoint):
    client = client_of(endpoint)
    for name, uri, mode in (
        ("one", "s3://models/all/en/DocSim.tar.gz", "SingleModel"),
        ("many", "s3://models/all/", "MultiModel"),
    ):
        client.create_model(
            ModelName=name,
            ExecutionRoleArn="arn:aws:iam::000000000000:role/any",
            PrimaryContainer={"Image": "mme", "ModelDataUrl": uri, "Mode": mode},
        )
    return client


def job(bucket, model="one", **more):
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{bucket}/in"}}
    return {
        "TransformJobName": f"job-{uuid.uuid4().hex[:8]}",
        "ModelName": model,
        "TransformInput": {"DataSource": source, "ContentType": "text/csv", "SplitType": "Line"},
        "TransformOutput": {
            "S3OutputPath": f"s3://{bucket}/out",
            "Accept": "text/csv",
            "AssembleWith": "Line",
        },
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
        **more,
    }


def ended(client, name):
    client.get_waiter("transform_job_completed_or_stopped").wait(
        TransformJobName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )
    return client.describe_transform_job(TransformJobName=name)


TARGETS = {"one": {}, "many": {"MME_TARGET_MODEL": "en/DocSim.tar.gz"}}


@pytest.mark.parametrize("model", TARGETS)
def test_a_job_joins_its_scores_with_its_rows(sagemaker, endpoint, objects, model):
    bucket, put, get = objects
    put("in/a.csv", ROWS.encode())
    put("in/sub/b.csv", ROWS.encode())
    request = job(bucket, model, Environment=TARGETS[model], DataProcessing={"JoinSource": "Input"})
    sagemaker.create_transform_job(**request)
    told = ended(sagemaker, request["TransformJobName"])
    assert told["TransformJobStatus"] == "Completed"
    answer = endpoint.client().invoke_endpoint(
        EndpointName="any", TargetModel="DocSim.tar.gz", ContentType="text/csv", Body=ROWS
    )
    scores = json.loads(answer["Body"].read())
    for key in ("out/a.csv.out", "out/sub/b.csv.out"):
        rows = list(csv.reader(get(key).splitlines()))
        assert [row[:2] for row in rows] == [list(pair) for pair in PAIRS]
        assert [float(row[2]) for row in rows] == [float(score) for score in scores]


def test_jobs_are_listed_and_errors_are_of_the_services_classes(sagemaker, bucket, put):
    put("in/a.csv", ROWS.encode())
    request = job(bucket)
    arn = sagemaker.create_transform_job(**request, Tags=[{"Key": "k", "Value": "v"}])[
        "TransformJobArn"
    ]
    name = request["TransformJobName"]
    ended(sagemaker, name)
    (found,) = sagemaker.list_transform_jobs(NameContains=name)["TransformJobSummaries"]
    assert found["TransformJobArn"] == arn
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "k", "Value": "v"}]
    with pytest.raises(sagemaker.exceptions.ResourceInUse):
        sagemaker.create_transform_job(**request)
    with pytest.raises(sagemaker.exceptions.ResourceNotFound):
        sagemaker.describe_transform_job(TransformJobName="none")
    with pytest.raises(sagemaker.exceptions.ClientError, match="ValidationException"):
        sagemaker.create_transform_job(**job(bucket, "none"))


def test_a_bad_row_fails_the_job_and_the_waiter_says_so(sagemaker, bucket, put, get):
    put("in/a.csv", ROWS.encode())
    put("in/b.csv", b"only one column\n")
    request = job(bucket)
    sagemaker.create_transform_job(**request)
    with pytest.raises(Exception, match="Waiter TransformJobCompletedOrStopped failed"):
        ended(sagemaker, request["TransformJobName"])
    told = sagemaker.describe_transform_job(TransformJobName=request["TransformJobName"])
    assert "1 of 2 objects failed" in told["FailureReason"]
    assert "Row 1 has 1 columns instead of 2" in told["FailureReason"]
    assert len(get("out/a.csv.out").splitlines()) == len(PAIRS)


def test_a_job_goes_on_after_its_endpoint_was_killed(settings, bucket, put, s3, tmp_path):
    for number in range(150):
        put(f"in/{number:03}.csv", ROWS.encode() * 5)
    request = job(bucket, BatchStrategy="SingleRecord")
    with running_endpoint(str(PROJECT / "artifacts"), tmp_path, settings) as first:
        client = client_of(first)
        client.create_model(
            ModelName="one",
            ExecutionRoleArn="arn:aws:iam::000000000000:role/any",
            PrimaryContainer={"Image": "mme", "ModelDataUrl": "s3://models/all/en/DocSim.tar.gz"},
        )
        client.create_transform_job(**request)
        s3.client().get_waiter("object_exists").wait(
            Bucket=bucket, Key="out/010.csv.out", WaiterConfig={"Delay": 1, "MaxAttempts": 60}
        )
        before = {each["Key"]: each["LastModified"] for each in outputs(s3, bucket)}
        first.process.kill()
        first.process.wait()
    assert len(before) < 150
    with running_endpoint(str(PROJECT / "artifacts"), tmp_path, settings) as second:
        assert ended(client_of(second), request["TransformJobName"])["TransformJobStatus"] == (
            "Completed"
        )
    after = {each["Key"]: each["LastModified"] for each in outputs(s3, bucket)}
    assert len(after) == 150
    again = [key for key, written in before.items() if after[key] != written]
    assert len(again) <= 2  # what had been written and not been noted


def outputs(s3, bucket):
    pages = s3.client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="out/")
    return [each for page in pages for each in page.get("Contents", [])]


@pytest.fixture
def batch(endpoint, settings, tmp_path):
    """Runs `mme batch`; returns exit code, output and errors."""

    def batch(*arguments):
        environment = os.environ | settings
        environment |= {"MME_STATE_DIR": str(tmp_path / "state"), "MME_ENDPOINT": endpoint.url}
        ended = subprocess.run(
            [*COMMAND, *map(str, arguments)],
            cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        return ended.returncode, ended.stdout, ended.stderr

    return batch


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "in"
    (folder / "en").mkdir(parents=True)
    (folder / "a.csv").write_text(ROWS)
    (folder / "en" / "b.csv.gz").write_bytes(gzip.compress(ROWS.encode()))
    return folder


def test_a_folder_becomes_a_folder_of_outputs_and_is_not_done_twice(batch, folder, tmp_path):
    arguments = (
        "--input", folder, "--output", tmp_path / "out", "--split-type", "Line",
        "--target-model", "DocSim.tar.gz", "--summary", tmp_path / "summary.json",
    )  # fmt: skip
    code, printed, _ = batch(*arguments)
    assert code == 0, printed
    assert printed.startswith("2 inputs: 2 done (6 records in 2 requests), 0 done before, 0 failed")
    texts = [(tmp_path / "out" / name).read_text() for name in ("a.csv.out", "en/b.csv.gz.out")]
    assert texts[0] == texts[1]
    assert len(json.loads(texts[0])) == len(PAIRS)
    code, printed, _ = batch(*arguments)
    assert (code, printed[:44]) == (0, "2 inputs: 0 done (0 records in 0 requests), ")
    assert json.loads((tmp_path / "summary.json").read_text())["already_done"] == 2


def test_s3_and_several_models_by_a_pattern(batch, bucket, put, get, tmp_path):
    put("in/en/a.txt", b"The vaccine changes the genome, says a physician.")
    code, printed, errors = batch(
        "--input", f"s3://{bucket}/in", "--output", f"s3://{bucket}/out",
        "--target-pattern", "{folder}/TopicalPageRank.tar.gz",
    )  # fmt: skip
    assert code == 0, printed + errors
    phrases = json.loads(get("out/en/a.txt.out"))
    assert phrases
    assert isinstance(phrases[0][0], str)


def test_a_column_names_each_rows_model(batch, tmp_path):
    (tmp_path / "rows.csv").write_text(
        "model,text,other\n" + "".join(f"DocSim.tar.gz,{a},{b}\n" for a, b in PAIRS)
    )
    code, printed, errors = batch(
        "--input", tmp_path / "rows.csv", "--output", tmp_path / "out", "--split-type", "Line",
        "--target-column", "model", "--accept", "text/csv", "--assemble-with", "Line",
        "--join-source", "Input", "--output-filter", "$[1:]",
    )  # fmt: skip
    assert code == 0, printed + errors
    rows = list(csv.reader((tmp_path / "out" / "rows.csv.out").read_text().splitlines()))
    assert [tuple(row[:2]) for row in rows] == PAIRS
    assert [len(row) for row in rows] == [3, 3, 3]


def test_failures_are_told_and_the_exit_code_is_1(batch, folder, tmp_path):
    (folder / "bad.csv").write_text("one column\n")
    code, printed, _ = batch(
        "--input", folder, "--output", tmp_path / "out", "--target-model", "DocSim.tar.gz",
        "--summary", tmp_path / "summary.json",
    )  # fmt: skip
    assert code == 1
    assert "2 done" in printed
    assert f"failed: {folder}/bad.csv: record 1: DocSim.tar.gz answers 400: Row 1 has" in printed
    (failure,) = json.loads((tmp_path / "summary.json").read_text())["failures"]
    assert failure["uri"] == f"{folder}/bad.csv"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"--input": "no-such-folder"}, (2, "there is no no-such-folder")),
        ({"--input": "ftp://x/y"}, (2, "neither a folder nor s3://")),
        ({"--endpoint": "127.0.0.1:8080"}, (2, "write http://HOST:PORT")),
        ({"--input-filter": "$.a_b"}, (2, "no underscore")),
        ({"--max-payload-mb": "99", "--max-concurrent": "2"}, (2, "more than 100 MB")),
        ({"--endpoint": "http://127.0.0.1:9", "--retries": "0"}, (1, "cannot reach")),
        ({"--input": "s3://no-such-bucket/in"}, (1, "no-such-bucket")),
    ],
)
def test_what_cannot_be_done_is_said(batch, folder, tmp_path, changes, expected):
    arguments = {
        "--input": str(folder),
        "--output": str(tmp_path / "out"),
        "--target-model": "DocSim.tar.gz",
    }
    found, _, errors = batch(*(word for pair in (arguments | changes).items() for word in pair))
    code, why = expected
    assert found == code
    assert why in errors
    assert "Traceback" not in errors


def test_ctrl_c_stops_cleanly_and_the_next_run_goes_on(batch, endpoint, settings, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(300):
        (folder / f"{number:03}.csv").write_text(ROWS * 5)
    arguments = [
        "--input", str(folder), "--output", str(tmp_path / "out"), "--split-type", "Line",
        "--batch-strategy", "SingleRecord", "--target-model", "DocSim.tar.gz", "--quiet",
    ]  # fmt: skip
    environment = os.environ | settings
    environment |= {"MME_STATE_DIR": str(tmp_path / "state"), "MME_ENDPOINT": endpoint.url}
    process = subprocess.Popen(
        [*COMMAND, *arguments], cwd=PROJECT, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    while not (tmp_path / "out" / "003.csv.out").exists():
        assert process.poll() is None, process.communicate()
    process.send_signal(signal.SIGINT)
    printed, errors = process.communicate(timeout=30)
    assert process.returncode == 130, errors
    assert "run it again to go on" in errors
    assert "Traceback" not in errors
    done = len(list((tmp_path / "out").iterdir()))
    assert f"{done} done (" in printed
    assert 4 <= done < 300
    code, printed, errors = batch(*arguments)
    assert code == 0, printed + errors
    assert f"{done} done before, 0 failed" in printed
    assert len(list((tmp_path / "out").iterdir())) == 300
