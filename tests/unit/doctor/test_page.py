"""docs/doctor.md names every check and option."""

from __future__ import annotations

import inspect

from mme.cli.doctor import doctor
from mme.core.settings import PROJECT_ROOT
from mme.doctor import (
    aliases,
    clock,
    disk,
    examination,
    folder_store,
    guards,
    java,
    listening,
    looked,
    room,
    s3_store,
    store,
    variables,
)

PAGE = (PROJECT_ROOT / "docs" / "doctor.md").read_text("utf-8")


def test_every_check_is_on_the_page():
    checks = {
        aliases.CHECK, clock.CHECK, disk.CACHE, disk.STATE, disk.TEMPORARY, examination.ARTIFACT,
        examination.ARTIFACTS, examination.OPENNESS, folder_store.PASSED_OVER, guards.CALLERS,
        guards.TLS, java.CHECK, listening.CHECK, looked.LISTING, looked.READING, room.MEMORY,
        room.TASKS, room.FILES, s3_store.WHO, store.CHECK, variables.CHECK,
    }  # fmt: skip
    rows = [line for line in PAGE.splitlines() if line.startswith("| ")]
    named = " ".join(row.split("|")[1] for row in rows)
    # Those of one kind share a row: "disk: cache, state, temporary".
    assert [each for each in checks if each.split(": ")[-1] not in named] == []


def test_every_option_is_on_the_page():
    options = {"as_json": "--json", "artifacts": "--no-artifacts"}
    for name in inspect.signature(doctor).parameters:
        assert f"`{options.get(name, f'--{name}')}" in PAGE
