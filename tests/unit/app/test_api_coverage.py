"""docs/api-coverage.md: no member is left out, and the page is what the tables say."""

from __future__ import annotations

import pytest

from tests.support.api_coverage import differences, page
from tests.support.api_members import TABLE
from tests.support.endpoint import PROJECT

DOCUMENT = PROJECT / "docs" / "api-coverage.md"
EACH = [(service, name) for service, operations in TABLE.items() for name in operations]


@pytest.mark.parametrize(("service", "operation"), EACH)
def test_every_member_that_the_service_has_is_classified_once(service, operation):
    assert differences(service, operation) == []


def test_the_page_is_what_make_coverage_page_writes(pytestconfig):
    if pytestconfig.getoption("--write-api-coverage"):
        DOCUMENT.write_text(page(), encoding="utf-8")
    assert DOCUMENT.read_text(encoding="utf-8") == page(), "run make coverage-page"
