"""What a worker in a container may do, whoever started it."""

from __future__ import annotations

import pytest
import requests

from mme.prefork.confinement import WORKER_USER
from tests.container.conftest import SIMILARITY
from tests.support.engine import Container, container

STATUS = """
import os
for pid in {pids}:
    lines = dict(line.split(":", 1) for line in open(f"/proc/{{pid}}/status"))
    names = ("Uid", "CapEff", "NoNewPrivs", "Seccomp_filters", "Groups")
    print(*(lines[name].split()[0] if lines[name].split() else "-" for name in names))
"""
LOOK = """
import glob, os
os.setgroups([]); os.setresgid({user}, {user}, {user}); os.setresuid({user}, {user}, {user})
seen = []
for path in [*glob.glob("/proc/[0-9]*/environ"), *glob.glob("/proc/[0-9]*/mem"),
             "/var/lib/mme/tmp/in", *glob.glob("/var/lib/mme/tmp/mme-*/*")]:
    if f"/{{os.getpid()}}/" in path:
        continue
    try:
        open(path, "rb").read(1)
    except OSError:
        continue
    seen.append(path)
print(seen)
"""
TARGET = {"X-Amzn-SageMaker-Target-Model": SIMILARITY, "Content-Type": "text/csv"}


def ask(box: Container) -> requests.Response:
    return requests.post(
        f"{box.url}/invocations", headers=TARGET, data="Impfstoff,Erbgut", timeout=60
    )


def statuses(box: Container) -> list[list[str]]:
    told = box.python(STATUS.format(pids=box.worker_pids()))
    return [line.split() for line in told.splitlines()]


@pytest.mark.hostile("isolation")
def test_roots_workers_are_another_user_without_powers_who_sees_no_other_process():
    with container(environment={"AWS_SECRET_ACCESS_KEY": "secret"}) as box:
        box.wait_until("/ping")
        assert ask(box).status_code == 200
        found = statuses(box)
        assert found
        for user, capabilities, no_new_privileges, filters, groups in found:
            assert user == str(WORKER_USER)
            assert int(capabilities, 16) == 0
            assert no_new_privileges == "1"
            assert int(filters) > 0
            assert groups == "-"
        assert box.python(LOOK.format(user=WORKER_USER)) == "[]"


@pytest.mark.hostile("isolation")
def test_another_users_workers_have_no_powers_either():
    with container("--user=1234:1234") as box:
        box.wait_until("/ping")
        assert ask(box).status_code == 200
        for user, capabilities, no_new_privileges, filters, _ in statuses(box):
            assert user == "1234"
            assert int(capabilities, 16) == 0
            assert no_new_privileges == "1"
            assert int(filters) > 0
