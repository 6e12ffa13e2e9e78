"""A real endpoint where it may listen: TLS, a port for management, a Unix socket."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import boto3
import pytest
import requests
from botocore.config import Config
from botocore.exceptions import ClientError, SSLError

from mme.cli.codes import EXIT_FAILED, EXIT_USAGE
from tests.support.certificates import authority
from tests.support.endpoint import PROJECT, free_port, running_endpoint
from tests.support.processes import wait_until

if TYPE_CHECKING:
    from pathlib import Path

TARGET = "DocSim.tar.gz"
ASKED = {"TargetModel": TARGET, "ContentType": "text/csv", "Body": "Impfstoff,Erbgut"}
INVOCATION = (
    *("-H", f"X-Amzn-SageMaker-Target-Model: {TARGET}", "-H", "Content-Type: text/csv"),
    *("--data-binary", ASKED["Body"]),
)


@pytest.fixture(scope="module")
def store_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    shutil.copy(PROJECT / "artifacts" / TARGET, folder / TARGET)
    return folder


@pytest.fixture(scope="module")
def signer():
    return authority()


@pytest.fixture
def trusted(signer, tmp_path):
    """The file of the authority that clients trust."""
    path = tmp_path / "ca.crt"
    path.write_bytes(signer.pem)
    return path


@pytest.fixture
def tls(signer, tmp_path):
    """Settings of TLS."""
    cert, key = signer.signs("server").written(tmp_path, "server")
    return {"MME_TLS_CERT": str(cert), "MME_TLS_KEY": str(key)}


def client(service: Any, url: str, trusted: Path) -> Any:
    return boto3.client(
        service,
        endpoint_url=url,
        region_name="eu-central-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        verify=str(trusted),
        config=Config(retries={"total_max_attempts": 1}),
    )


def pinged(settings: dict[str, str]) -> int:
    """The exit code of the container's health check."""
    environment = {name: value for name, value in os.environ.items() if name[:4] != "MME_"}
    return subprocess.run(
        [sys.executable, "-m", "mme.cli.ping"], cwd=PROJECT, env=environment | settings, check=False
    ).returncode


def test_boto3_is_answered_by_tls_and_goes_on_after_a_renewal(
    store_dir, tmp_path, signer, trusted, tls
):
    with running_endpoint(str(store_dir), tmp_path, tls) as endpoint:
        assert endpoint.url.startswith("https://127.0.0.1:")
        runtime = client("sagemaker-runtime", endpoint.url, trusted)
        before = runtime.invoke_endpoint(EndpointName="demo", **ASKED)["Body"].read()
        with pytest.raises(SSLError):
            client("sagemaker-runtime", endpoint.url, tls["MME_TLS_KEY"]).invoke_endpoint(
                EndpointName="demo", **ASKED
            )
        assert requests.get(f"{endpoint.url}/ping", verify=trusted, timeout=9).status_code == 200
        plain = requests.get(endpoint.url.replace("https", "http") + "/ping", timeout=9)
        assert plain.status_code == 400
        assert "https://" in plain.text
        port = endpoint.url.rpartition(":")[2]
        assert pinged(tls | {"MME_PORT": port}) == 0
        signer.signs("renewed").written(tmp_path, "server")
        wait_until(lambda: endpoint.log.count("is valid until") == 2, "the renewal")
        after = client("sagemaker-runtime", endpoint.url, trusted)
        assert after.invoke_endpoint(EndpointName="demo", **ASKED)["Body"].read() == before
        (tmp_path / "server.key").write_bytes(b"broken")
        endpoint.wait_for_log("as it was")
        assert requests.get(f"{endpoint.url}/ping", verify=trusted, timeout=9).status_code == 200


def test_with_a_port_for_management_the_public_one_only_invokes(store_dir, tmp_path, trusted, tls):
    port = free_port()
    settings = tls | {"MME_MANAGEMENT_PORT": str(port)}
    with running_endpoint(str(store_dir), tmp_path, settings) as endpoint:
        management = f"https://127.0.0.1:{port}"
        runtime = client("sagemaker-runtime", endpoint.url, trusted)
        runtime.invoke_endpoint(EndpointName="demo", **ASKED)
        listed = requests.get(f"{management}/models", verify=trusted, timeout=9).json()
        assert [each["target_model"] for each in listed["models"]] == [TARGET]
        public = requests.get(f"{endpoint.url}/models", verify=trusted, timeout=9)
        assert public.status_code == 404
        assert "MME_MANAGEMENT_PORT" in public.text
        with pytest.raises(ClientError, match="MME_MANAGEMENT_PORT"):
            client("sagemaker", endpoint.url, trusted).list_models()
        assert client("sagemaker", management, trusted).list_models()["Models"] == []
        for url in (endpoint.url, management):
            assert requests.get(f"{url}/ping", verify=trusted, timeout=9).status_code == 200


def test_a_client_certificate_opens_what_is_closed_to_others(
    store_dir, tmp_path, signer, trusted, tls
):
    settings = tls | {"MME_TLS_CLIENT_CA": str(trusted)}
    cert, key = signer.signs("caller").written(tmp_path, "caller")
    own = (str(cert), str(key))
    with running_endpoint(str(store_dir), tmp_path, settings) as endpoint:
        url = f"{endpoint.url}/models"
        assert requests.get(url, verify=trusted, timeout=9).status_code == 403
        assert requests.get(url, verify=trusted, cert=own, timeout=9).status_code == 200
        runtime = boto3.client(
            "sagemaker-runtime",
            endpoint_url=endpoint.url,
            region_name="eu-central-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            verify=str(trusted),
            config=Config(client_cert=own),
        )
        assert runtime.invoke_endpoint(EndpointName="demo", **ASKED)["Body"].read()
        assert pinged(settings | {"MME_PORT": endpoint.url.rpartition(":")[2]}) == 0


def test_a_unix_socket_is_asked_with_curl_and_gone_at_the_end(store_dir, tmp_path):
    path = tmp_path / "mme.sock"
    settings = {"MME_SOCKET": str(path)}
    with running_endpoint(str(store_dir), tmp_path, settings) as endpoint:
        assert endpoint.url == f"unix://{path}"
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        asked = subprocess.run(
            ["curl", "-sS", "--unix-socket", path, "http://localhost/invocations", *INVOCATION],
            capture_output=True,
            check=True,
        )
        assert asked.stdout.startswith(b'["0.')
        assert pinged(settings) == 0
        assert endpoint.stop(signal.SIGTERM) == 0
    assert not path.exists()


def test_a_socket_that_a_killed_endpoint_left_is_taken_over(store_dir, tmp_path):
    path = tmp_path / "mme.sock"
    settings = {"MME_SOCKET": str(path)}
    with running_endpoint(str(store_dir), tmp_path, settings) as endpoint:
        endpoint.process.kill()
        endpoint.process.wait()
        assert path.is_socket()
        assert pinged(settings) == 1
    with running_endpoint(str(store_dir), tmp_path, settings):
        assert pinged(settings) == 0


@pytest.mark.parametrize(
    ("settings", "code", "said"),
    [
        ({"MME_TLS_CERT": "/none.crt"}, EXIT_USAGE, "MME_TLS_CERT='/none.crt': No such file"),
        ({"MME_SOCKET": "/etc/passwd"}, EXIT_FAILED, "/etc/passwd (MME_SOCKET): something is"),
    ],
)
def test_what_cannot_be_listened_on_ends_the_start_in_words(tmp_path, settings, code, said):
    ended = subprocess.run(
        [sys.executable, "serve.py"],
        cwd=PROJECT,
        env={**os.environ, "MME_STATE_DIR": str(tmp_path), "MME_PORT": "0", **settings},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == code
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr


def test_idle_connections_of_management_do_not_hold_the_end(store_dir, tmp_path):
    port = free_port()
    settings = {"MME_MANAGEMENT_PORT": str(port), "MME_DRAIN_TIMEOUT_S": "20"}
    with (
        running_endpoint(str(store_dir), tmp_path, settings) as endpoint,
        requests.get(
            f"http://127.0.0.1:{port}/events",
            headers={"Accept": "text/event-stream"},
            stream=True,
            timeout=9,
        ) as following,
    ):
        assert following.status_code == 200
        endpoint.process.send_signal(signal.SIGTERM)
        wait_until(lambda: endpoint.process.poll() is not None, "its end", timeout_s=10)
