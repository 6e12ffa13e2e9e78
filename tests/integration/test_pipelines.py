"""Serial pipelines of real endpoints: boto3 unmodified; one step is this image's single model."""

from __future__ import annotations

import contextlib
import http.server
import json
import subprocess
import sys
import tarfile
import threading

import boto3
import pytest
import requests
from botocore.config import Config

from tests.support.endpoint import PROJECT, free_port, running_endpoint
from tests.support.s3 import running_s3
from tests.support.waiting import eventually

TEXT = "Die neue Steuer auf Strom."
ROLE = "arn:aws:iam::111122223333:role/service-role/AmazonSageMaker-ExecutionRole"
IMAGE = "111122223333.dkr.ecr.eu-central-1.amazonaws.com/mme:1"
PHRASES, SIMILAR = "TopicalPageRank.tar.gz", "DocSim.tar.gz"
FIVE_MIB = 5 * 1024 * 1024


class Formatter(http.server.BaseHTTPRequestHandler):
    """A container of somebody else's: from keyphrases as JSON to pairs of them as CSV."""

    seen: list[dict[str, str]]
    left: threading.Event

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.seen.append({name.lower(): value for name, value in self.headers.items()})
        match self.path:
            case "/invocations":
                phrases = [phrase for phrase, _ in json.loads(body)]
                self.say(200, f"{phrases[0]},{phrases[-1]}\n".encode(), "text/csv")
            case "/large":
                self.say(200, b"x" * (FIVE_MIB + 1), "text/plain")
            case "/refuses":
                self.say(418, b"no tea", "text/plain")
            case "/late":
                self.wait_for_the_end()
            case "/hangs":
                self.wait_for_the_end()
                self.left.set()

    def say(self, status, body, content_type):
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # of one that is too large nothing is read
            self.wfile.write(body)

    def wait_for_the_end(self):
        """Return when whoever asked has gone."""
        self.connection.settimeout(30)
        with contextlib.suppress(ConnectionError):
            assert self.rfile.read(1) == b""

    def log_message(self, *args):
        """Say nothing."""


@pytest.fixture(scope="module")
def formatter():
    kept = {"seen": [], "left": threading.Event()}
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Kept", (Formatter,), kept))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    """The image's single-model container at the port it is told, as any step of a pipeline."""
    scratch = tmp_path_factory.mktemp("single")
    with tarfile.open(PROJECT / "artifacts" / SIMILAR) as archive:
        archive.extractall(scratch / "model", filter="data")
    settings = {"SAGEMAKER_BIND_TO_PORT": str(free_port()), "SAGEMAKER_SAFE_PORT_RANGE": "1-9"}
    program = ("-m", "tests.support.single_model", str(scratch / "model"))
    with running_endpoint("", scratch, settings, program=program) as running:
        assert running.url.endswith(settings["SAGEMAKER_BIND_TO_PORT"])
        yield running


@pytest.fixture(scope="module")
def endpoint(formatter, single, tmp_path_factory):
    other = f"http://127.0.0.1:{formatter.server_port}"
    pipelines = {
        "near": [
            {"name": "keyphrases", "model": PHRASES},
            {"name": "pairs", "url": f"{other}/invocations"},
            {"name": "similarity", "model": SIMILAR},
        ],
        "targeted": [PHRASES, f"{other}/invocations", {"name": "any", "targets": ""}],
        "far": [PHRASES, f"{other}/invocations", f"{single.url}/invocations"],
        "unfit": [PHRASES, SIMILAR],
        "large": [PHRASES, f"{other}/large", SIMILAR],
        "refuses": [PHRASES, {"name": "pot", "url": f"{other}/refuses"}],
        "late": [PHRASES, {"name": "slow", "url": f"{other}/late", "timeout_s": 0.3}],
        "hangs": [PHRASES, f"{other}/hangs"],
    }
    scratch = tmp_path_factory.mktemp("pipelines")
    (scratch / "pipelines.json").write_text(json.dumps(pipelines))
    settings = {"MME_PIPELINES": str(scratch / "pipelines.json"), "MME_LOG_LEVEL": "DEBUG"}
    with running_endpoint(str(PROJECT / "artifacts"), scratch, settings) as running:
        yield running


def invoke(endpoint, name, body=TEXT, **members):
    given = {"ContentType": "text/plain"} | members
    answer = endpoint.client().invoke_endpoint(EndpointName=name, Body=body, **given)
    return answer | {"Body": answer["Body"].read()}


def step_by_step(endpoint):
    """What the three steps answer, asked one by one."""
    phrases = json.loads(invoke(endpoint, "any", TargetModel=PHRASES)["Body"])
    pair = f"{phrases[0][0]},{phrases[-1][0]}\n"
    return invoke(endpoint, "any", pair, ContentType="text/csv", TargetModel=SIMILAR)["Body"]


def error_of(endpoint, name, kind, **members):
    client = endpoint.client()
    with pytest.raises(getattr(client.exceptions, kind)) as caught:
        client.invoke_endpoint(
            EndpointName=name, Body=TEXT, **{"ContentType": "text/plain"} | members
        )
    return caught.value.response


def test_a_pipeline_answers_what_its_steps_answer_one_by_one(endpoint, formatter):
    expected = step_by_step(endpoint)
    formatter.RequestHandlerClass.seen.clear()
    attributes = {"CustomAttributes": "a=b", "Accept": "application/json"}
    answer = invoke(endpoint, "near", **attributes)
    assert answer["Body"] == expected
    assert answer["InvokedProductionVariant"] == "AllTraffic"
    steps = answer["ResponseMetadata"]["HTTPHeaders"]["x-mme-steps"].split(", ")
    assert [each.partition(";dur=")[0] for each in steps] == ["keyphrases", "pairs", "similarity"]
    assert all(float(each.partition(";dur=")[2]) >= 0 for each in steps)
    [headers] = formatter.RequestHandlerClass.seen
    assert headers["content-type"] == "application/json"
    assert headers["x-amzn-sagemaker-custom-attributes"] == "a=b"
    assert "accept" not in headers
    endpoint.wait_for_log("pipeline near: keyphrases ")


def test_the_last_step_may_be_this_image_with_one_model(endpoint, single):
    assert requests.get(f"{single.url}/ping", timeout=10).status_code == 200
    assert invoke(endpoint, "far")["Body"] == step_by_step(endpoint)


def test_a_step_is_chosen_by_the_target_model(endpoint):
    answer = invoke(endpoint, "targeted", TargetModel=SIMILAR)
    assert answer["Body"] == step_by_step(endpoint)
    missing = error_of(endpoint, "targeted", "ValidationError")
    assert "name a target model" in missing["Message"]
    wrong = error_of(endpoint, "targeted", "ValidationError", TargetModel="none.tar.gz")
    assert "Step 'any' of the pipeline 'targeted': Target model 'none.tar.gz'" in wrong["Message"]


def test_a_stream_has_the_last_steps_answer(endpoint):
    answer = endpoint.client().invoke_endpoint_with_response_stream(
        EndpointName="near", Body=TEXT, ContentType="text/plain"
    )
    parts = [event["PayloadPart"]["Bytes"] for event in answer["Body"]]
    assert b"".join(parts) == step_by_step(endpoint)


@pytest.mark.parametrize(
    ("name", "status", "step", "words"),
    [
        ("unfit", 400, "step-2", ""),
        ("refuses", 418, "pot", "no tea"),
        ("large", 0, "step-2", f"its answer has {FIVE_MIB + 1} bytes; it may have {FIVE_MIB}"),
        ("late", 0, "slow", "did not answer within 0.3 s"),
    ],
)
def test_a_step_that_fails_is_named_with_what_it_said(endpoint, name, status, step, words):
    error = error_of(endpoint, name, "ModelError")
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert error["OriginalStatusCode"] == status
    side = "client" if 0 < status < 500 else "server"
    assert f"Received {side} error ({status}) from {step} with message" in error["Message"]
    assert words in error["OriginalMessage"]
    assert step in error["ResponseMetadata"]["HTTPHeaders"]["x-mme-steps"]


def test_a_caller_that_leaves_is_left_by_the_step_too(endpoint, formatter):
    with pytest.raises(requests.ReadTimeout):
        requests.post(
            f"{endpoint.url}/endpoints/hangs/invocations",
            data=TEXT.encode(),
            headers={"Content-Type": "text/plain"},
            timeout=(5, 1),
        )
    assert formatter.RequestHandlerClass.left.wait(20)


def test_a_file_that_is_off_ends_the_start_and_says_where(tmp_path):
    file = tmp_path / "pipelines.json"
    file.write_text('{"p": ["a.tar.gz", {"url": "ftp://x/y"}]}')
    ended = subprocess.run(
        [sys.executable, str(PROJECT / "serve.py")],
        env={"MME_PIPELINES": str(file), "MME_PORT": "0", "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 2
    assert (
        f"MME_PIPELINES='{file}': pipeline 'p', step 2: the URL 'ftp://x/y' must begin with"
        in ended.stderr
    )


@pytest.fixture(scope="module")
def created(tmp_path_factory):
    """Endpoints as a script deploys them; models answer how long their request was."""
    scratch = tmp_path_factory.mktemp("created")
    archive = scratch / "model.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(__file__, "file")
    with running_s3() as server:
        s3 = server.client()
        s3.create_bucket(Bucket="models")
        for key in ("one.tar.gz", "many/two.tar.gz"):
            s3.upload_file(str(archive), "models", key)
        settings = {
            "AWS_ENDPOINT_URL_S3": server.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "MME_HANDLER": str(PROJECT / "tests/support/plain_handler.py"),
        }
        with running_endpoint(str(scratch), scratch, settings) as running:
            deploy(running, "serial")
            deploy(running, "direct", InferenceExecutionConfig={"Mode": "Direct"})
            output = {"OutputConfig": {"S3OutputPath": "s3://models/out/"}}
            deploy(running, "queued", config={"AsyncInferenceConfig": output})
            yield running, s3


def control(endpoint):
    return boto3.client(
        "sagemaker",
        endpoint_url=endpoint.url,
        region_name="eu-central-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}),
    )


def deploy(endpoint, name, config=None, **members):
    client = control(endpoint)
    client.create_model(
        ModelName=name,
        ExecutionRoleArn=ROLE,
        Containers=[
            {
                "ContainerHostname": "first",
                "Image": IMAGE,
                "ModelDataUrl": "s3://models/one.tar.gz",
            },
            {
                "ContainerHostname": "second",
                "Image": IMAGE,
                "Mode": "MultiModel",
                "ModelDataUrl": "s3://models/many/",
            },
        ],
        **members,
    )
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": name,
        "InitialInstanceCount": 1,
        "InstanceType": "ml.m5.xlarge",
    }
    client.create_endpoint_config(
        EndpointConfigName=name, ProductionVariants=[variant], **config or {}
    )
    client.create_endpoint(EndpointName=name, EndpointConfigName=name)
    client.get_waiter("endpoint_in_service").wait(EndpointName=name)


def test_a_created_pipeline_answers_with_the_target_model_its_caller_names(created):
    endpoint, _ = created
    answer = invoke(endpoint, "serial", b"x" * 1000, TargetModel="two.tar.gz")
    assert answer["Body"] == b"ok m 9"  # of "ok m 1000"
    assert "first;dur=" in answer["ResponseMetadata"]["HTTPHeaders"]["x-mme-steps"]
    assert "name a target model" in error_of(endpoint, "serial", "ValidationError")["Message"]
    missing = error_of(endpoint, "serial", "ValidationError", TargetModel="none.tar.gz")
    assert (
        "Step 'second' of the pipeline 'serial': Target model 'none.tar.gz'" in missing["Message"]
    )


def test_a_worker_that_dies_fails_its_step_and_the_next_request_is_answered(created):
    endpoint, _ = created
    client = endpoint.client()
    with pytest.raises(client.exceptions.ModelError) as caught:
        client.invoke_endpoint(EndpointName="serial", Body=b"die", TargetModel="two.tar.gz")
    assert "error (0) from first with message" in caught.value.response["Message"]
    assert invoke(endpoint, "serial", b"x", TargetModel="two.tar.gz")["Body"] == b"ok m 6"


def test_of_direct_containers_a_request_names_one(created):
    endpoint, _ = created
    one = invoke(endpoint, "direct", b"x", TargetContainerHostname="first")
    assert one["Body"] == b"ok m 1"
    two = {"TargetContainerHostname": "second", "TargetModel": "two.tar.gz"}
    assert invoke(endpoint, "direct", b"xx", **two)["Body"] == b"ok m 2"
    refused = error_of(endpoint, "direct", "ValidationError")
    assert "there are first, second" in refused["Message"]


def test_asynchronous_invocations_go_through_all_steps(created):
    endpoint, s3 = created
    answer = endpoint.client().invoke_endpoint_async(
        EndpointName="queued", Body=b"x" * 100, CustomAttributes="target-model=two.tar.gz"
    )
    key = answer["OutputLocation"].removeprefix("s3://models/")
    eventually(lambda: s3.list_objects_v2(Bucket="models", Prefix=key).get("KeyCount"), bool)
    assert s3.get_object(Bucket="models", Key=key)["Body"].read() == b"ok m 8"


def test_a_transform_job_goes_through_all_steps(created):
    endpoint, s3 = created
    s3.put_object(Bucket="models", Key="in/a.txt", Body=b"x" * 10 + b"\n" + b"x" * 1000)
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://models/in/"}}
    control(endpoint).create_transform_job(
        TransformJobName="job",
        ModelName="serial",
        Environment={"MME_TARGET_MODEL": "two.tar.gz"},
        BatchStrategy="SingleRecord",
        TransformInput={"DataSource": source, "ContentType": "text/plain", "SplitType": "Line"},
        TransformOutput={"S3OutputPath": "s3://models/scores/", "AssembleWith": "Line"},
        TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
    )

    def job():
        return control(endpoint).describe_transform_job(TransformJobName="job")

    ended = eventually(job, lambda told: told["TransformJobStatus"] != "InProgress")
    assert ended["TransformJobStatus"] == "Completed", ended.get("FailureReason")
    body = s3.get_object(Bucket="models", Key="scores/a.txt.out")["Body"].read()
    assert body == b"ok m 7\nok m 9\n"
