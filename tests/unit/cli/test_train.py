"""`mme train` as programs use it."""

from __future__ import annotations

import json
import logging

import pytest

from mme.cli.main import main

ROWS = [
    f"{number},Claim {number},The mayor says that bridge {number} is old" for number in range(9)
]


@pytest.fixture(autouse=True)
def _logging_as_before():
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_programs_get_what_was_made_as_json(tmp_path, capsys):
    corpus = tmp_path / "claims.csv"
    corpus.write_text("\n".join(["id,title,claim_text", *ROWS]))
    arguments = ["--corpus", str(corpus), "--language", "en", "--output", str(tmp_path / "out")]
    assert main(["train", "Search", *arguments, "--quiet", "--json"]) == 0
    [made] = json.loads(capsys.readouterr().out)
    artifact = tmp_path / "out" / "Search.tar.gz"
    assert made["artifact"] == str(artifact)
    assert made["artifact_bytes"] == artifact.stat().st_size
    assert made["measures"] == {}


def test_a_family_that_is_none_is_said_with_those_there_are(capsys):
    assert main(["train", "Serch"]) == 1
    assert "there are TopicalPageRank, DocSim, Search" in capsys.readouterr().err
