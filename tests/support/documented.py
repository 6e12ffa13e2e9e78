"""The examples of a Markdown page: commands with what they print, to be run and compared.

In a `console` block a line after `$ ` is a command; lines after `> ` and after a `\\` go on with
it, and what follows is its output. A `python` block is a program, comments at its end the output.
In an expected output `…` stands for anything. Numbers count as equal to five digits. A comment
`<!-- runs: multi-model container -->` right above a block says of which endpoint it is an example;
`<!-- not run: WHY -->` that it is none.
"""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

ADDRESS = "http://127.0.0.1:8080"
RUN = frozenset({"curl", "aws", "mme", ".venv/bin/python", "mkdir", "tar", "echo", "cat", "export"})
"""Commands that are run; others train, install or start things."""
ASK = frozenset({"curl", "aws", "mme", ".venv/bin/python"})
"""A block without any of these shows no example."""
COMMAND = """mme() { "$PYTHON" -c 'from mme.cli.main import run; run()' "$@"; }\n"""
"""The command of this checkout, wherever it is installed."""
FENCE = re.compile(r"^```(\w*)\s*$")
MARK = re.compile(r"^<!-- (?:runs: )?(.+?) -->$")
NOT_RUN = "not run: "
FRACTION = re.compile(r"-?\d+\.\d+(?:e[-+]?\d+)?")
PROJECT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 180


@dataclass(frozen=True)
class Example:
    """A command or program, its output, and from where to where that stands in the page."""

    text: str
    output: str
    lines: tuple[int, int]
    is_program: bool = False
    mark: str = ""
    """Of its block: of which endpoint it is an example, if not of a standalone one."""


def blocks_of(page: str, mark: str | None = "") -> list[list[Example]]:
    """The examples of each block of a page that asks something.

    Only those of blocks with this mark; None: of all.
    """
    return [
        block
        for block in _blocks(page)
        if any(each.is_program or _word(each) in ASK for each in block)
        and mark in (None, block[0].mark)
    ]


def _blocks(page: str) -> list[list[Example]]:
    found, block, language = [], None, ""
    for number, line in enumerate(page.splitlines()):
        fence = FENCE.match(line)
        if block is None and fence:
            block, language = number + 1, fence[1]
        elif block is not None and fence:
            lines = page.splitlines()[block:number]
            examples = _commands(lines, block) if language == "console" else []
            if language == "python":
                examples = _program(lines, block)
            marked = MARK.match(page.splitlines()[block - 2]) if block > 1 else None
            mark = marked[1] if marked else ""
            found.append([replace(example, mark=mark) for example in examples])
            block = None
    return found


def run(block: Sequence[Example], address: str, folder: Path) -> list[str]:
    """What each example of a block prints, run one after another in `folder`."""
    environment = os.environ | {
        "AWS_ACCESS_KEY_ID": "any",
        "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_PAGER": "",
        "MME_ENDPOINT": address,
        "COLUMNS": "100",
        "PYTHON": sys.executable,
        "PYTHONPATH": str(PROJECT),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    if block[0].is_program:
        script, command = block[0].text, [sys.executable, "-"]
    else:
        script = COMMAND + "".join(f"{example.text}\nprintf '\\0'\n" for example in block)
        command = ["bash", "-euo", "pipefail"]
    ended = subprocess.run(
        command, input=script.replace(ADDRESS, address), cwd=folder, env=environment,
        capture_output=True, text=True, timeout=TIMEOUT_S, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, f"{script}\n{ended.stdout}\n{ended.stderr}"
    return [printed.strip("\n") for printed in ended.stdout.split("\0")][: len(block)]


def agrees(expected: str, printed: str) -> bool:
    """Whether a documented output is what was printed."""
    pattern = ".*".join(re.escape(_rounded(part)) for part in expected.split("…"))
    return re.fullmatch(pattern, _rounded(printed), re.DOTALL) is not None


def rewritten(page: str, outputs: Sequence[tuple[Example, str]]) -> str:
    """The page with these outputs in place of those it has."""
    lines = page.splitlines()
    for example, printed in sorted(outputs, key=lambda pair: pair[0].lines, reverse=True):
        start, end = example.lines
        mark = "# " if example.is_program else ""
        lines[start:end] = [mark + line for line in printed.splitlines()]
    return "\n".join(lines) + "\n"


def _commands(lines: Sequence[str], first: int) -> list[Example]:
    starts = [place for place, line in enumerate(lines) if line.startswith("$ ")]
    examples = []
    for start, following in itertools.pairwise([*starts, len(lines)]):
        end = start + 1
        while end < following and (lines[end - 1].endswith("\\") or lines[end].startswith("> ")):
            end += 1
        command = [lines[start].removeprefix("$ "), *lines[start + 1 : end]]
        text = "\n".join(line.removeprefix("> ") for line in command)
        output = "\n".join(lines[end:following])
        examples.append(Example(text, output, (first + end, first + following)))
    return [example for example in examples if _word(example) in RUN]


def _program(lines: Sequence[str], first: int) -> list[Example]:
    end = len(lines)
    while end and lines[end - 1].startswith("# "):
        end -= 1
    output = "\n".join(line.removeprefix("# ") for line in lines[end:])
    text = "\n".join(lines[:end])
    return [Example(text, output, (first + end, first + len(lines)), is_program=True)]


def _word(example: Example) -> str:
    return example.text.partition(" ")[0]


def _rounded(text: str) -> str:
    return FRACTION.sub(lambda number: f"{float(number[0]):.5g}", text)
