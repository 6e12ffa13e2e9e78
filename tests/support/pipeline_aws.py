"""The AWS of the pipeline's tests: moto's server, our functions as Lambda's, real training jobs.

moto interprets state machines, keeps S3, SNS, SQS and EventBridge; it runs no Lambda function but
in Docker, and trains nothing. So a front stands before it: invocations of functions are answered by
the functions themselves, in this process, all else is moto's. "SageMaker training" is one of these
functions: it does with CreateTrainingJob's parameters, which must be valid, what the platform does,
and runs the program of the image, `serve.py train`, on a folder like `/opt/ml`. What it uploads is
told by moto's S3 and EventBridge, by the template's own pattern, to the publishing function.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import boto3
from botocore.session import Session
from botocore.validate import validate_parameters

from tests.support.endpoint import PROJECT
from tests.support.s3 import running_s3

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Function = Callable[[Any, Any], Any]

REGION = "eu-central-1"
ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/any"
INVOCATION = re.compile(r"/2015-03-31/functions/(?:.*?function:)?([^/:]+)(?::[^/]*)?/invocations")
HOP_BY_HOP = ("connection", "content-length", "date", "server", "transfer-encoding")
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}


def function_arn(name: str) -> str:
    return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"


class Context:
    """What Lambda gives a function beside its event."""

    def get_remaining_time_in_millis(self) -> int:
        return 180_000


class FunctionError(Exception):
    """A failure under a name of its own, as AWS's integrations have them."""

    def __init__(self, name: str, cause: str) -> None:
        super().__init__(cause)
        self.name = name


@dataclass
class Front:
    """AWS at one address."""

    url: str
    moto: str
    functions: dict[str, Function] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        return boto3.session.Session().client(  # type: ignore[call-overload]
            service, endpoint_url=self.url, region_name=REGION,
            aws_access_key_id="test", aws_secret_access_key="test",
        )  # fmt: skip


@contextlib.contextmanager
def running_aws() -> Iterator[Front]:
    """Start moto and the front; moto's interpreter of state machines asks the front."""
    with running_s3() as s3:
        front = Front("", s3.url)

        class Handler(_Handler):
            pass

        Handler.front = front
        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        port = server.server_address[1]
        front.url = f"http://127.0.0.1:{port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        former = os.environ.get("MOTO_PORT")
        os.environ["MOTO_PORT"] = str(port)
        try:
            _post(s3.url, "/moto-api/config", {"stepfunctions": {"execute_state_machine": True}})
            yield front
        finally:
            _post(s3.url, "/moto-api/config", {"stepfunctions": {"execute_state_machine": False}})
            os.environ.pop("MOTO_PORT")
            if former is not None:
                os.environ["MOTO_PORT"] = former
            server.shutdown()
            thread.join()
            server.server_close()


def _post(url: str, path: str, said: object) -> None:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    connection.request("POST", path, json.dumps(said), {"Content-Type": "application/json"})
    assert connection.getresponse().status == 201
    connection.close()


class _Handler(BaseHTTPRequestHandler):
    """Functions are run here, all else goes on to moto as it came."""

    front: Front
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        invoked = INVOCATION.fullmatch(unquote(urlsplit(self.path).path))
        if invoked:
            status, headers, answer = self._invoke(invoked[1], body)
        else:
            status, headers, answer = self._passed(body)
        self.send_response(status)
        for name, value in headers:
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        if self.command == "HEAD":  # of what a GET would have
            lengths = [value for name, value in headers if name.lower() == "content-length"]
            self.send_header("Content-Length", lengths[0] if lengths else "0")
        else:
            self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _answer  # noqa: N815 - as http.server wants

    def _invoke(self, name: str, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        """As Lambda answers: an exception is 200 with a header, its type and its words."""
        try:
            said = self.front.functions[name](json.loads(body), Context())
        except Exception as error:  # noqa: BLE001 - whatever it raises, as in Lambda
            kind = error.name if isinstance(error, FunctionError) else type(error).__name__
            said = {"errorType": kind, "errorMessage": str(error)}
            return 200, [("X-Amz-Function-Error", "Unhandled")], json.dumps(said).encode()
        return 200, [("Content-Type", "application/json")], json.dumps(said).encode()

    def _passed(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection(urlsplit(self.front.moto).netloc, timeout=120)
        headers = {name: value for name, value in self.headers.items() if name != "Content-Length"}
        connection.request(self.command, self.path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, answer.getheaders(), content

    def log_message(self, *_: object) -> None:
        """Nothing."""


def train(parameters: dict[str, Any], s3: Any) -> dict[str, Any]:
    """Do a training job; returns DescribeTrainingJob's answer, as `.sync` does, or raises."""
    shape = Session().get_service_model("sagemaker").operation_model("CreateTrainingJob")
    assert shape.input_shape is not None
    validate_parameters(parameters, shape.input_shape)
    name = parameters["TrainingJobName"]
    assert re.fullmatch(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}", name), name
    with tempfile.TemporaryDirectory(prefix="mme-test-") as folder:
        base = Path(folder)
        _fill(base, parameters, s3)
        ended = subprocess.run(
            [sys.executable, "serve.py", "train"],
            cwd=PROJECT, capture_output=True, text=True, check=False, timeout=300,
            env={"PATH": os.environ["PATH"], "HOME": folder, "SAGEMAKER_BASE_DIR": folder,
                 "TRAINING_JOB_NAME": name},
        )  # fmt: skip
        described: dict[str, Any] = {**parameters, "TrainingJobStatus": "Completed"}
        if ended.returncode != 0:
            failure = base / "output" / "failure"
            described |= {
                "TrainingJobStatus": "Failed",
                "FailureReason": f"AlgorithmError: {failure.read_text('utf-8')}",
            }
            raise FunctionError(
                "TrainingJobFailed", json.dumps(described)
            )  # .sync: States.TaskFailed
        archive = base / "model.tar.gz"
        with tarfile.open(archive, "w:gz") as packed:
            packed.add(base / "model", ".")
        bucket, key = _place(f"{parameters['OutputDataConfig']['S3OutputPath']}/{name}/output/")
        s3.upload_file(str(archive), bucket, f"{key}model.tar.gz")
    described["ModelArtifacts"] = {"S3ModelArtifacts": f"s3://{bucket}/{key}model.tar.gz"}
    return described


def _fill(base: Path, parameters: dict[str, Any], s3: Any) -> None:
    """Make what SageMaker mounts at /opt/ml."""
    config = base / "input" / "config"
    for folder in (config, base / "model", base / "output" / "data"):
        folder.mkdir(parents=True)
    channels = parameters["InputDataConfig"]
    files = {
        "hyperparameters": parameters["HyperParameters"],
        "inputdataconfig": {
            each["ChannelName"]: {"TrainingInputMode": each["InputMode"]} for each in channels
        },
        "resourceconfig": {"current_host": "algo-1", "hosts": ["algo-1"]},
    }
    for file, content in files.items():
        (config / f"{file}.json").write_text(json.dumps(content))
    for channel in channels:
        bucket, prefix = _place(channel["DataSource"]["S3DataSource"]["S3Uri"])
        found = s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
        if not found:
            raise FunctionError("SageMaker.AmazonSageMakerException", f"No S3 objects at {prefix}")
        for entry in found:
            path = base / "input" / "data" / channel["ChannelName"] / entry["Key"][len(prefix) :]
            path.parent.mkdir(parents=True, exist_ok=True)
            s3.download_file(bucket, entry["Key"], str(path))


def _place(uri: str) -> tuple[str, str]:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key
