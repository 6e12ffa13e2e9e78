"""A browser for all tests, a page for each, and where pictures for the documentation go."""

from __future__ import annotations

import pytest

from tests.support.browser import find_browser, running_browser
from tests.support.endpoint import PROJECT

PICTURES = PROJECT / "docs" / "images"


def pytest_addoption(parser):
    parser.addoption("--write-pictures", action="store_true", help=f"write pictures to {PICTURES}")


@pytest.fixture(scope="session")
def browser():
    program = find_browser()
    if program is None:
        pytest.skip("there is no Chromium on this machine; make test-browser installs it")
    with running_browser(program) as running:
        yield running


@pytest.fixture
def page(browser):
    with browser.page() as opened:
        yield opened


@pytest.fixture
def pictures(request):
    """The folder to write pictures to; a test that asks for it runs only by `make pictures`."""
    if not request.config.getoption("--write-pictures"):
        pytest.skip("pictures are written by make pictures")
    PICTURES.mkdir(exist_ok=True)
    return PICTURES
