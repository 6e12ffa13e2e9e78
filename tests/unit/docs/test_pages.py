"""The pages lead to each other: all are in the index, and every link arrives."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from mme.core.settings import Settings
from tests.support.endpoint import PROJECT

if TYPE_CHECKING:
    from pathlib import Path

DOCS = PROJECT / "docs"
PAGES = sorted(
    [*PROJECT.glob("*.md"), *DOCS.rglob("*.md"), PROJECT / "benchmarks" / "README.md"],
    key=str,
)
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)
ANCHOR = re.compile(r"<a name=\"([^\"]+)\">")


def links_of(page: Path) -> list[str]:
    """What a page points to within the project, examples left out."""
    text = FENCED.sub("", page.read_text("utf-8"))
    return [link for link in LINK.findall(text) if "://" not in link and "mailto:" not in link]


def places_of(page: Path) -> set[str]:
    """The names of the places of a page: those of its headings, and those it gives itself."""
    text = FENCED.sub("", page.read_text("utf-8"))
    names = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in HEADING.findall(text)]
    return {name.replace(" ", "-") for name in names} | {*ANCHOR.findall(text)}


def problem_of(page: Path, link: str) -> str | None:
    """Why a link does not arrive, or None."""
    name, _, place = link.partition("#")
    target = (page.parent / name).resolve() if name else page
    if not target.is_relative_to(PROJECT) or not target.exists():
        return f"{link}: there is no such file"
    if place and target.suffix == ".md" and place not in places_of(target):
        return f"{link}: there is no such heading"
    return None


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(PROJECT)) for page in PAGES])
def test_every_link_of_a_page_arrives(page):
    found = [problem_of(page, link) for link in links_of(page)]
    assert [problem for problem in found if problem is not None] == []


def test_every_page_of_the_documentation_is_in_the_index():
    listed = {link.partition("#")[0] for link in links_of(DOCS / "index.md")}
    assert {page.name for page in DOCS.glob("*.md")} - {"index.md"} <= listed


def test_the_index_and_the_readme_lead_to_each_other():
    assert "../README.md" in links_of(DOCS / "index.md")
    assert "docs/index.md" in links_of(PROJECT / "README.md")


@pytest.mark.parametrize(
    ("link", "problem"),
    [
        ("settings.md", None),
        ("errors.md#modelerror", None),
        ("never.md", "never.md: there is no such file"),
        ("errors.md#never", "errors.md#never: there is no such heading"),
        ("../../etc/passwd", "../../etc/passwd: there is no such file"),
    ],
)
def test_a_link_that_does_not_arrive_is_told(link, problem):
    assert problem_of(DOCS / "index.md", link) == problem


SETTINGS = {f"MME_{name.upper()}" for name in Settings.model_fields}
# Of programs and tests, not of the endpoint.
OTHERS = {"MME_ENDPOINT", "MME_TOKEN", "MME_TEST_ENDPOINT", "MME_PUBLISH", "MME_WORKERS"}
OTHERS |= {"MME_MEMORY_LIMT"}  # a misspelt one, which is told
# In the environment of a batch, in the words of SageMaker's models.
OTHERS |= {"MME_TARGET_MODEL", "MME_TARGET_COLUMN", "MME_TARGET_PATTERN"}
# HAProxy's, in deploy/haproxy.
OTHERS |= {"MME_BIND", "MME_STATS_BIND", "MME_ADMIN_SOCKET"}


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(PROJECT)) for page in PAGES])
def test_a_page_names_no_setting_that_there_is_not(page):
    if page.name == "CHANGELOG.md":  # what was a setting once
        return
    named = set(re.findall(r"\bMME_[A-Z0-9_]*[A-Z0-9]\b", page.read_text("utf-8")))
    assert named - SETTINGS - OTHERS == set()
