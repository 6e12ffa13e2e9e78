"""Every request in these pages is sent, and answered as the page says.

`make examples` writes the answers into the pages.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from tests.support.documented import agrees, blocks_of, rewritten, run
from tests.support.endpoint import PROJECT

# Page -> how many examples it has at least: none must get lost by being written in another way.
PAGES = {
    "README.md": 3,
    "docs/topical-pagerank.md": 2,
    "docs/docsim.md": 3,
    "docs/search.md": 1,
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
