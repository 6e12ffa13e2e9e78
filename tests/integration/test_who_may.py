"""An endpoint that knows its callers: boto3 and plain HTTP against a real one."""

from __future__ import annotations

import subprocess
import sys
from hashlib import sha256

import boto3
import pytest
import requests
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.support.certificates import authority
from tests.support.endpoint import PROJECT, free_port, running_endpoint
from tests.support.s3 import running_s3
from tests.support.waiting import eventually

TARGET = "DocSim.tar.gz"
SECRET, TOKEN, OTHER = "secret-of-many-characters", "token-of-many-characters", "another-token-1234"


def digest(token):
    return f"sha256:{sha256(token.encode()).hexdigest()}"


@pytest.fixture(scope="module")
def s3():
    with running_s3() as server:
        for name in ("work", "private"):
            server.client().create_bucket(Bucket=name)
            server.client().put_object(Bucket=name, Key="in.csv", Body=b"Strom,Steuer\n")
        yield server


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("callers")
    (folder / "tokens").write_text(f"ci invoke,read {digest(TOKEN)}\n")
    (folder / "keys").touch(0o600)
    (folder / "keys").write_text(f"AKALL * {SECRET}\nAKINVOKE invoke {SECRET}\n")
    return folder


@pytest.fixture(scope="module")
def endpoint(folder, s3, tmp_path_factory):
    settings = {
        "AWS_ENDPOINT_URL_S3": s3.url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "eu-central-1",
        "MME_TOKENS_FILE": str(folder / "tokens"),
        "MME_SIGV4_KEYS_FILE": str(folder / "keys"),
        "MME_ASYNC_OUTPUT": "s3://out/answers/",
        "MME_BUCKETS": "work",
    }
    store, scratch = str(PROJECT / "artifacts"), tmp_path_factory.mktemp("endpoint")
    with running_endpoint(store, scratch, settings) as running:
        yield running


def aws(url, service="sagemaker-runtime", key="AKALL", secret=SECRET, *, verify=None):
    return boto3.client(
        service,
        endpoint_url=url,
        verify=None if verify is None else str(verify),
        region_name="eu-central-1",
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        config=Config(retries={"total_max_attempts": 1}),
    )


def get(endpoint, path, token=TOKEN):
    headers = {"Authorization": f"Bearer {token}"}
    return requests.get(endpoint.url + path, headers=headers, timeout=10)


def code_of(work):
    with pytest.raises(ClientError) as error:
        work()
    return error.value.response["Error"]["Code"]


def test_a_model_answers_whoever_has_signed(endpoint):
    answer = aws(endpoint.url, key="AKINVOKE").invoke_endpoint(
        EndpointName="e", TargetModel=TARGET, ContentType="text/csv", Body=b"Strom,Steuer\n"
    )
    assert answer["Body"].read()


def test_a_model_answers_whoever_has_a_token(endpoint):
    answer = requests.post(
        f"{endpoint.url}/invocations",
        headers={
            "Authorization": f"Bearer {TOKEN}",
            "X-Amzn-SageMaker-Target-Model": TARGET,
            "Content-Type": "text/csv",
        },
        data="Strom,Steuer",
        timeout=60,
    )
    assert answer.status_code == 200


def test_nobody_else_is_answered(endpoint):
    assert requests.get(f"{endpoint.url}/ping", timeout=10).status_code == 200
    assert requests.get(f"{endpoint.url}/models", timeout=10).status_code == 401
    assert get(endpoint, "/models", OTHER).status_code == 401
    stranger = aws(endpoint.url, secret="another secret of some length")
    assert code_of(
        lambda: stranger.invoke_endpoint(EndpointName="e", TargetModel=TARGET, Body=b"x")
    ) == ("InvalidSignatureException")
    models = aws(endpoint.url, "sagemaker", "AKINVOKE")
    assert code_of(models.list_models) == "AccessDeniedException"
    assert aws(endpoint.url, "sagemaker").list_models()["Models"] == []


def test_a_file_that_changes_is_read_again_and_a_broken_one_is_not_used(endpoint, folder):
    assert get(endpoint, "/models").status_code == 200
    new = folder / "new"
    new.write_text(f"ci invoke,read {digest(TOKEN)}\nother read {digest(OTHER)}\n")
    new.replace(folder / "tokens")
    eventually(lambda: get(endpoint, "/models", OTHER).status_code, lambda status: status == 200)
    new.write_text("other everything")
    new.replace(folder / "tokens")

    def told():
        assert get(endpoint, "/models", OTHER).status_code == 200
        return endpoint.log

    eventually(told, lambda log: "is not used" in log)


def test_inputs_are_taken_from_the_buckets_that_are_listed_only(endpoint):
    client = aws(endpoint.url)
    attributes = f"target-model={TARGET}"
    with pytest.raises(ClientError, match="not in MME_BUCKETS"):
        client.invoke_endpoint_async(
            EndpointName="e", InputLocation="s3://private/in.csv", CustomAttributes=attributes
        )
    answer = client.invoke_endpoint_async(
        EndpointName="e", InputLocation="s3://work/in.csv", CustomAttributes=attributes
    )
    assert answer["OutputLocation"].startswith("s3://out/answers/")
    container = {"Image": "mme", "ModelDataUrl": "s3://private/a.tar.gz"}
    with pytest.raises(ClientError, match="not in MME_BUCKETS"):
        aws(endpoint.url, "sagemaker").create_model(
            ModelName="m",
            PrimaryContainer=container,
            ExecutionRoleArn="arn:aws:iam::123456789012:role/x",
        )


def test_signatures_hold_by_tls_and_on_the_port_of_management_too(folder, tmp_path):
    signer, port = authority(), free_port()
    certificate, key = signer.signs("server").written(tmp_path, "server")
    (tmp_path / "ca.crt").write_bytes(signer.pem)
    settings = {
        "MME_SIGV4_KEYS_FILE": str(folder / "keys"),
        "MME_TLS_CERT": str(certificate),
        "MME_TLS_KEY": str(key),
        "MME_MANAGEMENT_PORT": str(port),
    }
    with running_endpoint(str(PROJECT / "artifacts"), tmp_path, settings) as endpoint:
        manager = aws(f"https://127.0.0.1:{port}", "sagemaker", verify=tmp_path / "ca.crt")
        assert manager.list_models()["Models"] == []
        runtime = aws(endpoint.url, verify=tmp_path / "ca.crt")
        asked = {"EndpointName": "e", "TargetModel": TARGET, "ContentType": "text/csv"}
        assert runtime.invoke_endpoint(Body=b"Strom,Steuer", **asked)["Body"].read()
        wrong = aws(
            endpoint.url, secret="another secret of some length", verify=tmp_path / "ca.crt"
        )
        assert code_of(lambda: wrong.invoke_endpoint(Body=b"a,b", **asked)) == (
            "InvalidSignatureException"
        )
        assert (
            requests.get(
                f"https://127.0.0.1:{port}/models", verify=tmp_path / "ca.crt", timeout=9
            ).status_code
            == 401
        )


def test_a_file_that_others_may_read_ends_the_start(tmp_path):
    tokens = tmp_path / "tokens"
    tokens.write_text(f"ci * {TOKEN}")
    tokens.chmod(0o644)
    ended = subprocess.run(
        [sys.executable, str(PROJECT / "serve.py")],
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "MME_TOKENS_FILE": str(tokens)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 2
    assert "MME_TOKENS_FILE" in ended.stderr
    assert "chmod 0600" in ended.stderr
    assert TOKEN not in ended.stderr
