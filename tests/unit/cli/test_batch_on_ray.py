"""What `mme batch --on` says before there is a cluster; what a node's engine is started with."""

import importlib.util
import socket
from pathlib import Path

import pytest

from mme.cli.main import main
from mme.cli.ray_address import ClusterFailed, check_reachable
from mme.cli.ray_engine import environment_of

HAS_RAY = importlib.util.find_spec("ray") is not None
needs_ray = pytest.mark.skipif(not HAS_RAY, reason="the extra mme[ray] is not installed")
S3 = ("--input", "s3://b/in", "--output", "s3://b/out", "--target-model", "m.tar.gz")


def told(capsys, *arguments):
    code = main(["batch", *arguments])
    return code, capsys.readouterr().err


@pytest.mark.parametrize("named", ["spark", "ray://", "ray:", "RAY", ""])
def test_what_is_no_cluster_is_refused_with_what_was_named(capsys, named):
    code, said = told(capsys, "--on", named, *S3)
    assert (code, said) == (
        2,
        f"mme batch: --on is {named!r}: write ray or ray://HOST:PORT\n",
    )


@pytest.mark.skipif(HAS_RAY, reason="Ray is installed")
def test_without_ray_it_is_said_what_to_install(capsys):
    code, said = told(capsys, "--on", "ray", *S3)
    assert code == 2
    assert "needs the extra mme[ray], of which ray is not installed" in said


@needs_ray
@pytest.mark.parametrize("name", ["--input", "--output", "MME_STORE"])
def test_a_folder_that_other_nodes_may_not_have_is_refused(capsys, monkeypatch, tmp_path, name):
    monkeypatch.setenv("MME_STORE", "s3://models/")
    arguments = dict(zip(S3[::2], S3[1::2], strict=True))
    if name == "MME_STORE":
        monkeypatch.setenv(name, str(tmp_path))
    else:
        arguments[name] = str(tmp_path)
    code, said = told(capsys, "--on", "ray", *(word for pair in arguments.items() for word in pair))
    assert code == 2
    assert f"{name} is {tmp_path}" in said
    assert "--shared-folders" in said


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--shared-folders"], "--shared-folders says nothing without --on"),
        (["--on", "ray", "--endpoint", "http://a:80"], "name --endpoint or --on"),
    ],
)
def test_options_that_would_say_nothing_are_refused(capsys, options, why):
    with pytest.raises(SystemExit) as ended:
        main(["batch", *options, *S3])
    assert ended.value.code == 2
    assert why in capsys.readouterr().err


@pytest.mark.parametrize("scheme", ["ray://", ""])
def test_a_cluster_that_is_not_there_is_told_before_ray_looks_for_it(monkeypatch, scheme):
    with socket.socket() as taken:  # bound, and nobody listens
        taken.bind(("127.0.0.1", 0))
        named = f"{scheme}127.0.0.1:{taken.getsockname()[1]}"
        if not scheme:
            monkeypatch.setenv("RAY_ADDRESS", named)
        with pytest.raises(ClusterFailed, match=f"no Ray cluster can be reached at {named}: "):
            check_reachable(named if scheme else "")


@pytest.mark.parametrize("host", ["a..b", "x" * 70, ""])
def test_what_is_no_hosts_name_is_told_as_a_cluster_that_is_not_there(host):
    with pytest.raises(ClusterFailed, match="no Ray cluster can be reached at ray://"):
        check_reachable(f"ray://{host}:1")


def test_an_engine_has_its_nodes_settings_but_not_who_may_ask_it_and_where():
    node = {
        "PATH": "/bin",
        "MME_MEMORY_LIMIT": "4GiB",
        "MME_STORE": "s3://of/the/node/",
        "MME_PORT": "8080",
        "MME_TOKENS_FILE": "/etc/tokens",
        "MME_TLS_CERT": "/etc/cert",
        "SAGEMAKER_MULTI_MODEL": "true",
    }
    assert environment_of(node, {"MME_STORE": "s3://models/"}, Path("/tmp/mme-1")) == {
        "PATH": "/bin",
        "MME_MEMORY_LIMIT": "4GiB",
        "MME_STORE": "s3://models/",
        "MME_SOCKET": "/tmp/mme-1/engine",
        "MME_STATE_DIR": "/tmp/mme-1/state",
    }
