"""The profile in AWS's files: what is written, what is left alone, and all of it undone."""

from __future__ import annotations

import stat

import botocore.session
import pytest

from mme.cli.main import main

OTHERS = {
    "nothing": b"",
    "profiles": b"# mine\n[default]\nregion = eu-west-1\n\n[profile work]\noutput=json\n",
    "no newline at its end": b"[default]\nregion = eu-west-1",
    "lines of Windows": b"[default]\r\nregion = eu-west-1\r\n",
    "bytes that are no UTF-8": b"# caf\xe9\n[default]\nregion = eu-west-1\n",
}


@pytest.fixture
def config(tmp_path, monkeypatch):
    for name in ("AWS_PROFILE", "AWS_REGION", "MME_ENDPOINT", "AWS_ACCESS_KEY_ID"):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "aws" / "config"
    monkeypatch.setenv("AWS_CONFIG_FILE", str(path))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "aws" / "credentials"))
    return path


def configure(*options):
    return main(["configure", "--endpoint", "http://127.0.0.1:9", *options])


def test_the_endpoint_is_that_of_the_settings_if_none_is_named(config, monkeypatch):
    monkeypatch.setenv("MME_PORT", "9")
    assert main(["configure"]) == 0
    assert client("sagemaker-runtime").meta.endpoint_url == "http://127.0.0.1:9"


def test_a_unix_socket_is_nothing_that_programs_of_aws_can_ask(config, monkeypatch, capsys):
    monkeypatch.setenv("MME_SOCKET", "/run/mme.sock")
    with pytest.raises(SystemExit) as ended:
        main(["configure"])
    assert ended.value.code == 2
    assert "'unix:///run/mme.sock' is no http:// or https:// address" in capsys.readouterr().err
    assert not config.exists()


def client(service, profile="mme"):
    return botocore.session.Session(profile=profile).create_client(service)


@pytest.mark.parametrize("content", OTHERS.values(), ids=OTHERS)
def test_a_file_is_byte_for_byte_what_it_was_after_undo(config, content):
    config.parent.mkdir()
    config.write_bytes(content)
    assert configure() == 0
    assert config.read_bytes().startswith(content)
    assert main(["configure", "--undo"]) == 0
    assert config.read_bytes() == content


def test_what_was_not_there_is_not_there_after_undo(config):
    assert configure() == 0
    assert stat.S_IMODE(config.stat().st_mode) == 0o600
    assert main(["configure", "--undo"]) == 0
    assert not config.parent.exists()


def test_undo_leaves_what_came_later(config):
    assert configure() == 0
    with config.open("a") as file:
        file.write("[profile later]\nregion = eu-west-3\n")
    assert main(["configure", "--undo"]) == 0
    assert config.read_text() == "[profile later]\nregion = eu-west-3\n"


def test_clients_of_the_profile_ask_the_endpoint_with_credentials_and_a_region(config):
    assert configure("--region", "eu-central-1", "--also", "s3=http://127.0.0.1:8") == 0
    for service in ("sagemaker", "sagemaker-runtime", "application-autoscaling"):
        made = client(service)
        assert made.meta.endpoint_url == "http://127.0.0.1:9"
        assert made.meta.region_name == "eu-central-1"
        assert made._request_signer._credentials.access_key == "mme"
    assert client("s3").meta.endpoint_url == "http://127.0.0.1:8"
    assert client("sns").meta.endpoint_url == "https://sns.eu-central-1.amazonaws.com"


def test_a_second_time_changes_what_is_different_in_place(config):
    config.parent.mkdir()
    config.write_text("[default]\nregion = eu-west-1")
    assert configure() == 0
    once = config.read_bytes()
    assert configure() == 0
    assert config.read_bytes() == once
    assert main(["configure", "--endpoint", "http://other:1"]) == 0
    assert client("sagemaker").meta.endpoint_url == "http://other:1"
    assert main(["configure", "--undo"]) == 0
    assert config.read_text() == "[default]\nregion = eu-west-1"


def test_several_profiles_stand_side_by_side(config):
    assert configure() == 0
    assert main(["configure", "--profile", "team", "--endpoint", "http://team:1"]) == 0
    assert client("sagemaker", "team").meta.endpoint_url == "http://team:1"
    assert main(["configure", "--undo"]) == 0
    assert client("sagemaker", "team").meta.endpoint_url == "http://team:1"
    assert main(["configure", "--undo", "--profile", "team"]) == 0


@pytest.mark.parametrize(
    "section", ["[profile mme]", '[ profile  "mme" ]', "[services mme]"], ids=repr
)
def test_a_profile_of_somebody_else_is_not_touched(config, capsys, section):
    config.parent.mkdir()
    config.write_text(f"{section}\nregion = eu-west-1\n")
    assert configure() == 2
    assert "not written by mme" in capsys.readouterr().err
    assert config.read_text() == f"{section}\nregion = eu-west-1\n"


def test_credentials_that_would_count_more_are_named(config, capsys, tmp_path):
    config.parent.mkdir()
    (tmp_path / "aws" / "credentials").write_text("[mme]\naws_access_key_id = real\n")
    assert configure() == 2
    assert "credentials for 'mme'" in capsys.readouterr().err
    assert not config.exists()


def test_a_link_stays_one_and_rights_stay_as_they_were(config, tmp_path):
    config.parent.mkdir()
    real = tmp_path / "dotfiles"
    real.write_text("[default]\n")
    real.chmod(0o640)
    config.symlink_to(real)
    assert configure() == 0
    assert config.is_symlink()
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert "[profile mme]" in real.read_text()


def test_undo_of_what_was_never_written_says_so(config, capsys):
    assert main(["configure", "--undo"]) == 2
    assert "has no profile 'mme' that `mme configure` has written" in capsys.readouterr().err


def test_a_file_that_may_not_be_written_is_named(config, capsys):
    config.parent.write_text("a file where a folder should be")
    assert configure() == 1
    assert "aws" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options",
    [
        ("--endpoint", "localhost:8080"),
        ("--profile", "a b"),
        ("--region", "x\ny = z"),
        ("--also", "s3"),
    ],
)
def test_what_would_break_the_file_is_refused(config, options):
    with pytest.raises(SystemExit) as ended:
        main(["configure", *options])
    assert ended.value.code == 2
    assert not config.exists()


def test_it_says_what_was_done_and_what_is_in_the_way(config, capsys, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER", "http://elsewhere")
    assert configure() == 0
    said = capsys.readouterr().out
    assert f"{config} has the profile mme now" in said
    assert "Nothing answers at http://127.0.0.1:9 yet" in said
    assert "Beware: AWS_ENDPOINT_URL_SAGEMAKER is set" in said
    assert "export AWS_PROFILE=mme" in said


@pytest.mark.parametrize(
    ("variable", "options"),
    [
        ("AWS_ENDPOINT_URL_S3", ("--also", "s3=http://127.0.0.1:9")),
        ("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", ()),
        ("AWS_ENDPOINT_URL", ()),
    ],
)
@pytest.mark.usefixtures("config")
def test_it_warns_of_an_address_that_counts_more_than_what_it_wrote(
    capsys, monkeypatch, variable, options
):
    monkeypatch.setenv(variable, "http://elsewhere")
    assert configure(*options) == 0
    assert f"Beware: {variable} is set" in capsys.readouterr().out


@pytest.mark.usefixtures("config")
def test_the_address_of_a_service_it_did_not_write_is_in_nobodys_way(capsys, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    assert configure() == 0
    assert "Beware" not in capsys.readouterr().out
