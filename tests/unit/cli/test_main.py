"""The command line as a whole: what it knows, hints, codes, variables that nothing reads."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys

import pytest

from mme.cli.codes import MEANINGS
from mme.cli.commands import COMMANDS
from mme.cli.main import main
from mme.cli.misspelt import misspelt
from mme.cli.serve_command import serve
from mme.core.settings import Settings
from tests.support.endpoint import PROJECT
from tests.support.fake_endpoint import Canned, fake_endpoint

PROGRAM = [sys.executable, "-c", "from mme.cli.main import run; run()"]
HEAVY = {"pydantic", "aiohttp", "numpy", "boto3", "rich", "mme.app", "mme.core.settings"}


def run(*arguments, **options):
    return subprocess.run(
        [*PROGRAM, *arguments], cwd=PROJECT, capture_output=True, text=True, check=False, **options
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_tells_what_it_does_with_an_example(name, capsys):
    assert main([name, "--help"]) == 0
    printed = capsys.readouterr().out
    assert f"Usage: mme {name}" in printed
    assert re.search(rf"examples?:\n(.*\n)*? .*mme {name}", printed)
    assert "\x1b" not in printed


def test_help_lists_all_commands_and_codes(capsys):
    assert main(["--help"]) == 0
    printed = capsys.readouterr().out
    for name, (_, meaning) in COMMANDS.items():
        assert f"  {name:<10} {meaning}\n" in printed
    for code, meaning in MEANINGS.items():
        assert f"{code:>5}  {meaning}" in printed


def test_help_needs_nothing_that_takes_long_to_import():
    program = (
        "import sys; from mme.cli.main import main; main(['--help']);"
        f"sys.exit(' '.join({HEAVY!r} & set(sys.modules)) or None)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["modls"], "Did you mean 'models'?"),
        (["alias", "rolback", "a"], "Did you mean 'rollback'?"),
        (["models", "--limt", "3"], "(Possible options: --limit)"),
        (["models", "--limit", "many"], "--limit"),
        (["why"], "TARGET"),
        (["evaluate", "a", "--set", "b", "--all", "--json"], "exclude each other"),
        (["batch", "--input", "a", "--output", "b"], "name one of --target-model"),
        (["train", "Search", "--set", "x"], "'x' is no KEY=VALUE"),
        (["train", "Search", "--separator", "long"], "it must be one character"),
    ],
)
def test_what_cannot_be_understood_is_said_with_code_2(arguments, words, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert words in capsys.readouterr().err


def test_variables_that_nothing_reads_are_told_with_the_nearest_that_something_does():
    environ = {
        "MME_PROT": "1", "MME_XYZQ": "1", "mme_store": "a", "MME_TOKEN": "a", "MME_WORKERS": "1",
        "MME_TARGET_MODEL": "a", "MMEX": "1", "PATH": "/",
    }  # fmt: skip
    assert list(misspelt(environ)) == [("MME_PROT", "MME_PORT"), ("MME_XYZQ", "")]


def test_every_command_tells_of_a_variable_that_is_misspelt(capsys, monkeypatch):
    monkeypatch.setenv("MME_STOER", "s3://b/")
    assert main(["version"]) == 0
    said = capsys.readouterr().err
    assert said == "mme: MME_STOER is no setting and does nothing: did you mean MME_STORE?\n"


def test_serve_has_an_option_for_each_setting(capsys, monkeypatch):
    assert main(["serve", "--help"]) == 0
    printed = capsys.readouterr().out
    for name in Settings.model_fields:
        assert f"--{name.replace('_', '-')}" in printed
    monkeypatch.setenv("MME_PORT", "9000")
    monkeypatch.setenv("MME_LOG_PAYLOADS", "False")
    assert serve(port="many", log_payloads=True) == 2
    assert os.environ["MME_LOG_PAYLOADS"] == "True"
    assert "MME_PORT='many'" in capsys.readouterr().err


def test_settings_tell_where_their_values_come_from(capsys, monkeypatch):
    monkeypatch.setenv("MME_PORT", "9000")
    assert main(["settings", "port", "java"]) == 0
    printed = capsys.readouterr().out
    assert "MME_PORT=9000  (environment)\n    Port the gateway listens on" in printed
    assert "MME_JAVA=\n" in printed
    assert "MME_STORE" not in printed


def test_who_stops_reading_is_told_nothing():
    program = f"{' '.join(map(repr, PROGRAM))} settings"
    ended = subprocess.run(
        ["bash", "-c", f'{program} | head -1; echo "${{PIPESTATUS[0]}}"'],
        cwd=PROJECT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    first, code = ended.stdout.splitlines()
    assert first.startswith("MME_HOST=")
    assert code in {"0", "141"}  # 0 if it had written all by then
    assert ended.stderr == ""


def test_a_profile_is_written_also_for_one_who_stops_reading(tmp_path):
    reading, writing = os.pipe()
    os.close(reading)
    config = tmp_path / "config"
    environ = {**os.environ, "AWS_CONFIG_FILE": str(config), "PYTHONUNBUFFERED": "1"}
    ended = subprocess.run(
        [*PROGRAM, "configure", "--endpoint", "http://127.0.0.1:9"],
        cwd=PROJECT, env=environ, stdout=writing, stderr=subprocess.PIPE, check=False,
    )  # fmt: skip
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (141, b"")
    assert "[profile mme]" in config.read_text()


def test_ctrl_c_is_said_with_code_130():
    answers = {("GET", "/events"): Canned({"events": [], "last_id": 1})}
    with (
        fake_endpoint(answers) as fake,
        subprocess.Popen(
            [*PROGRAM, "events", "-f", "--endpoint", fake.url], cwd=PROJECT,
            stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            # Whoever runs the tests in the background has it ignored.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
        ) as started,
    ):  # fmt: skip
        assert started.stderr is not None
        assert "trying to go on" in started.stderr.readline()
        started.send_signal(signal.SIGINT)
        said = started.stderr.read()
    assert (started.returncode, said) == (130, "mme: interrupted\n")


def test_models_are_completed_from_the_endpoint():
    listing = {"models": [{"target_model": "en/Search.tar.gz"}, {"target_model": "en/Doc.tar.gz"}]}
    environ = {**os.environ, "_MME_COMPLETE": "complete_bash", "COMP_CWORD": "2"}
    with fake_endpoint({("GET", "/models"): Canned(listing)}) as fake:
        environ |= {"MME_ENDPOINT": fake.url, "COMP_WORDS": "mme why en/S"}
        assert run(env=environ).stdout.split() == ["en/Search.tar.gz"]
        assert fake.came[0].path == "/models?prefix=en%2FS&limit=100"
    environ["COMP_WORDS"] = "mme why en/"
    ended = run(env=environ)  # nobody answers now
    assert (ended.stdout.strip(), ended.stderr) == ("", "")


def test_commands_are_completed_without_an_endpoint():
    environ = {
        **os.environ, "_MME_COMPLETE": "complete_bash", "COMP_CWORD": "1", "COMP_WORDS": "mme ev"
    }  # fmt: skip
    assert run(env=environ).stdout.split() == ["events", "evaluate"]


def test_the_page_has_all_commands_and_codes():
    page = (PROJECT / "docs" / "cli.md").read_text("utf-8")
    for name in COMMANDS:
        assert re.search(rf"^\| .*(`mme {name}\b|`{name}[` ,])", page, re.MULTILINE), name
    listed = re.findall(r"^\| (\d+) \| (.+) \|$", page, re.MULTILINE)
    assert listed == [(str(code), meaning) for code, meaning in MEANINGS.items()]
