"""docs/commands.md has the help of every command, as it is printed; `make examples` writes it."""

from __future__ import annotations

import pytest

from mme.cli.main import main, make_command
from tests.support.documented import blocks_of, rewritten
from tests.support.endpoint import PROJECT

PAGE = PROJECT / "docs" / "commands.md"


@pytest.fixture
def help_of(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "100")
    for name in ("MME_TOKEN", "MME_ENDPOINT", "MME_STORE", "MME_PORT"):
        monkeypatch.delenv(name, raising=False)

    def printed(command):
        words = command.split()
        assert words[0] == "mme"
        assert words[-1] == "--help"
        assert main(words[1:]) == 0
        return capsys.readouterr().out.strip("\n")

    return printed


def test_the_page_shows_the_help_that_is_printed(request, help_of):
    page = PAGE.read_text("utf-8")
    examples = [example for block in blocks_of(page) for example in block]
    outputs = [(example, help_of(example.text)) for example in examples]
    if request.config.getoption("--write-examples"):
        PAGE.write_text(rewritten(page, outputs), "utf-8")
        return
    for example, printed in outputs:
        assert example.output == printed, "make examples"


def test_every_command_is_on_the_page():
    page = PAGE.read_text("utf-8")
    command = make_command()
    names = command.list_commands(command.make_context("mme", ["version"], resilient_parsing=True))
    assert [name for name in names if f"\n## mme {name}\n" not in page] == []
