"""What all tests share: counting hostile inputs for docs/security.md (`make security`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from tests.support.endpoint import PROJECT
from tests.support.hostile import Figures

if TYPE_CHECKING:
    from collections.abc import Generator

DOCUMENT = PROJECT / "docs" / "security.md"
FIGURES = pytest.StashKey[Figures]()


def pytest_addoption(parser):
    parser.addoption("--write-security", action="store_true", help=f"write figures to {DOCUMENT}")
    parser.addoption("--write-api-coverage", action="store_true", help="write the page")
    parser.addoption("--write-examples", action="store_true", help="write answers to the pages")
    parser.addoption("--write-openapi", action="store_true", help="write docs/openapi.json")


def pytest_configure(config):
    # A machine that is busy, or stands still for seconds, says nothing of the code.
    settings.register_profile(
        "patient", deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    settings.load_profile("patient")
    config.stash[FIGURES] = Figures()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    kind = item.get_closest_marker("hostile")
    is_over = report.when == "call" or (report.when == "setup" and report.failed)
    if kind is not None and is_over and not report.skipped:
        item.config.stash[FIGURES].note(kind.args[0], holds=report.passed)
    return report


def pytest_sessionfinish(session):
    if session.config.getoption("--write-security"):
        session.config.stash[FIGURES].write(DOCUMENT)
