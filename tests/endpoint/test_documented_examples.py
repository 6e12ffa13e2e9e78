"""Every request in these pages is sent, and answered as the page says.

`make examples` writes the answers into the pages.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.support.documented import NOT_RUN, agrees, blocks_of, rewritten, run
from tests.support.endpoint import PROJECT

DOCS = PROJECT / "docs"
MULTI_MODEL = "multi-model container"
# Page -> how many examples it has at least: none must get lost by being written in another way.
PAGES = {
    "README.md": 3,
    "docs/topical-pagerank.md": 2,
    "docs/docsim.md": 3,
    "docs/search.md": 1,
    "docs/streams.md": 1,
    "docs/operate.md": 7,
    "docs/metrics.md": 2,
    "docs/cli.md": 17,
    "docs/managing.md": 8,
    "docs/errors.md": 1,
    "docs/open-inference.md": 3,
    "docs/architecture.md": 1,
    "docs/capacity.md": 1,
}
# The pages whose examples another test runs, or sends in a form of its own.
ELSEWHERE = {
    "docs/commands.md": "tests/unit/cli/test_commands_page.py",
    "docs/containers.md": "tests/integration/test_documented_containers.py",
    "docs/control-plane.md": "tests/integration/test_documented_sagemaker.py",
    "docs/own-family.md": "tests/integration/test_own_family.py",
    "docs/sagemaker.md": "tests/integration/test_documented_sagemaker.py",
}


@pytest.fixture
def folder(tmp_path, store_dir):
    """A folder like the project's, whose artifacts are those the endpoint serves."""
    if shutil.which("curl") is None:
        pytest.skip("the examples need curl")
    (tmp_path / "models").symlink_to(PROJECT / "models")
    (tmp_path / "artifacts").symlink_to(store_dir)
    (tmp_path / ".venv").symlink_to(Path(sys.executable).parents[1])
    return tmp_path


@pytest.mark.parametrize("name", PAGES)
def test_a_page_shows_what_its_examples_print(request, endpoint, folder, name):
    page = (PROJECT / name).read_text("utf-8")
    blocks = blocks_of(page)
    assert sum(map(len, blocks)) >= PAGES[name]
    outputs = [
        pair
        for block in blocks
        for pair in zip(block, run(block, endpoint.url, folder), strict=True)
    ]
    wrong = [
        (example, printed) for example, printed in outputs if not agrees(example.output, printed)
    ]
    if request.config.getoption("--write-examples"):
        (PROJECT / name).write_text(rewritten(page, wrong), "utf-8")
        return
    assert [(each.text, each.output, printed) for each, printed in wrong] == []


@pytest.mark.parametrize("name", sorted(f"docs/{page.name}" for page in DOCS.glob("*.md")))
def test_every_example_of_a_page_is_run_or_says_why_not(name):
    blocks = blocks_of((PROJECT / name).read_text("utf-8"), mark=None)
    marks = {block[0].mark for block in blocks}
    if name in ELSEWHERE:
        assert Path(name).name in (PROJECT / ELSEWHERE[name]).read_text("utf-8")
        return
    unmarked = [block[0].text for block in blocks if not block[0].mark]
    assert name in PAGES or not unmarked, unmarked
    for mark in marks - {"", MULTI_MODEL}:
        assert mark.startswith(NOT_RUN)
        for path in re.findall(r"tests/\S+\.py", mark):
            assert (PROJECT / path).exists()


@pytest.mark.parametrize(
    ("expected", "printed", "is_same"),
    [
        ("[0.123456]", "[0.1234561]", True),
        ("[0.123456]", "[0.1235]", False),
        ('{"a": 1}', '{"a": 2}', False),
        ('{"id": …}', '{"id": "x", "n": 1}', True),
        ('{"id": …}', '{"name": "x"}', False),
        ("", "more", False),
    ],
)
def test_an_output_agrees_but_for_rounding_and_what_is_left_out(expected, printed, is_same):
    assert agrees(expected, printed) is is_same


def test_a_block_that_is_marked_is_no_example_of_a_standalone_endpoint():
    page = "<!-- not run: why -->\n```console\n$ curl a\n```\n\n```console\n$ curl b\n```\n"
    [[unmarked]], both = blocks_of(page), blocks_of(page, mark=None)
    assert unmarked.text == "curl b"
    assert [block[0].mark for block in both] == ["not run: why", ""]


def test_outputs_are_found_in_a_page_and_put_into_it():
    commands = "```console\n$ curl a \\\n    b\nold\n$ make x\nkept\n```\n"
    page = commands + "\n```python\nprint(1)\n# 0\n```\n"
    [[command], [program]] = blocks_of(page)
    assert (command.text, command.output) == ("curl a \\\n    b", "old")
    assert (program.text, program.output) == ("print(1)", "0")
    written = rewritten(page, [(command, "new\nlines"), (program, "1")])
    assert written == page.replace("old", "new\nlines").replace("# 0", "# 1")
