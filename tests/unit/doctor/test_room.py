"""Whether memory, tasks, descriptors and disk are enough for a store: the rules."""

from __future__ import annotations

import os

import pytest

from mme.cache.folders import opened
from mme.core.artifact import Findings
from mme.core.settings import Settings
from mme.doctor.disk import Folder, check_temporary, judge_cache, judge_state, look_at
from mme.doctor.needs import BASE_BYTES, Model, Needs
from mme.doctor.room import check_room, judge_files, judge_memory, judge_tasks
from mme.memory.readings import UNLIMITED_TASKS, Reading

MIB = 1 << 20
GIB = 1 << 30
NOTHING = Needs((), 2)


def model(name="a", own=MIB, unpacked=MIB, *, is_data=True):
    return Model(
        name,
        unpacked // 2,
        Findings(unpacked, own_bytes=own, mapped_bytes=2 * unpacked, is_data=is_data),
    )


def memory(needs=NOTHING, limit=8 * GIB, used=0, machine=64 * GIB, *, is_running=False, **settings):
    return judge_memory(
        Reading(limit, used), Settings(**settings), needs,
        is_running=is_running, machine_bytes=machine,
    )  # fmt: skip


def test_memory_without_models_is_enough_where_the_endpoint_fits():
    assert memory().verdict == "ok"


def test_memory_that_does_not_hold_the_endpoint_fails():
    assert memory(limit=100 * MIB).verdict == "failed"


def test_a_model_that_can_never_fit_is_named_with_the_memory_it_would_take():
    finding = memory(Needs((model(), model("large", own=8 * GIB)), 2))
    assert finding.verdict == "failed"
    assert "large alone needs 8.0 GiB" in finding.found
    assert "GiB or more" in finding.advice


def test_models_that_do_not_all_fit_are_no_fault_for_they_take_turns():
    finding = memory(Needs([model(str(number), own=GIB) for number in range(20)], 2))
    assert finding.verdict == "ok"
    assert "leave and come back" in finding.found


def test_each_worker_may_have_each_model():
    assert Needs([model(own=MIB)], 4).memory_bytes == 4 * MIB


def test_a_model_apart_is_counted_once_with_its_process():
    assert Needs([model(unpacked=MIB, is_data=False)], 4).memory_bytes == 5 * MIB


def test_others_that_leave_too_little_are_told_unless_an_endpoint_is_among_them():
    assert memory(used=8 * GIB).verdict == "warning"
    assert memory(used=8 * GIB, is_running=True).verdict == "ok"


def test_an_admission_that_may_bring_the_container_down_is_told():
    finding = memory(limit=GIB)
    assert finding.verdict == "warning"
    assert "MME_ADMISSION_MEMORY" in finding.advice


def test_a_limit_above_what_there_is_is_told():
    finding = memory(limit=8 * GIB, machine=8 * GIB, memory_limit=16 * GIB)
    assert finding.verdict == "warning"
    assert "MME_MEMORY_LIMIT" in finding.found


@pytest.mark.parametrize(
    ("limit", "used", "apart", "verdict"),
    [
        (UNLIMITED_TASKS, 0, 0, "ok"),
        (2048, 20, 10, "ok"),
        (60, 20, 0, "failed"),
        (60, 0, 5, "failed"),
        (100, 0, 50, "warning"),
    ],
)
def test_tasks_are_enough_for_the_endpoint_and_models_apart(limit, used, apart, verdict):
    needs = Needs([model(is_data=False)] * apart, 2)
    assert judge_tasks(Reading(limit, used), needs, is_running=False).verdict == verdict


def test_tasks_a_running_endpoint_has_are_not_asked_for_again():
    assert judge_tasks(Reading(100, 60), NOTHING, is_running=True).verdict == "ok"


def test_a_pool_that_cannot_have_its_workers_is_told():
    finding = judge_tasks(Reading(100, 0), Needs((), 32), is_running=False)
    assert finding.verdict == "warning"
    assert "MME_POOL_MIN" in finding.advice


@pytest.mark.parametrize(
    ("limit", "verdict"), [(None, "ok"), (65536, "ok"), (1024, "warning"), (100, "failed")]
)
def test_descriptors_are_enough(limit, verdict):
    assert judge_files(limit).verdict == verdict


def test_this_machine_is_read():
    found = check_room(Settings(), NOTHING, is_running=False)
    assert [each.check for each in found] == ["memory", "tasks", "descriptors"]
    assert found[0].facts["base_bytes"] == BASE_BYTES
    assert found[0].facts["limit_bytes"] > 0


def test_a_model_that_does_not_fit_on_the_disk_is_named(tmp_path):
    folder = Folder(tmp_path, free_bytes=3 * MIB)
    finding = judge_cache(folder, Settings(), Needs([model("large", unpacked=2 * MIB)], 2), 0)
    assert finding.verdict == "failed"
    assert "large needs 5.0 MiB" in finding.found


def test_models_that_do_not_all_fit_on_the_disk_are_told(tmp_path):
    folder = Folder(tmp_path, free_bytes=6 * MIB)
    needs = Needs([model(str(number), unpacked=MIB) for number in range(6)], 2)
    assert judge_cache(folder, Settings(), needs, 0).verdict == "warning"
    limited = Settings(cache_limit_bytes="5MiB")
    found = judge_cache(Folder(tmp_path, free_bytes=GIB), limited, needs, 0)
    assert found.verdict == "warning"
    assert "MME_CACHE_LIMIT_BYTES" in found.found


def test_a_folder_is_looked_at_and_left_as_it_was(tmp_path):
    found = look_at(tmp_path / "new" / "cache")
    assert found.trouble == ""
    assert found.free_bytes > 0
    assert list(tmp_path.iterdir()) == []


def test_a_folder_another_endpoint_uses_is_told_with_its_process(tmp_path):
    folders = opened(tmp_path / "cache")
    try:
        found = look_at(tmp_path / "cache")
    finally:
        os.close(folders.lock)
    assert found.holder == str(os.getpid())
    assert f"pid {os.getpid()}" in judge_cache(found, Settings(), NOTHING, 0).found


def test_a_named_folder_that_cannot_be_written_fails_and_the_default_one_is_a_warning(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    found = look_at(blocked / "cache")
    assert found.trouble
    named = Settings(cache_dir=blocked / "cache", state_dir=blocked / "state")
    assert judge_cache(found, named, NOTHING, 0).verdict == "failed"
    assert judge_state(found, named).verdict == "failed"


def test_a_default_folder_that_cannot_be_written_is_a_warning(tmp_path, monkeypatch):
    monkeypatch.delenv("MME_CACHE_DIR")
    finding = judge_cache(Folder(tmp_path, "Permission denied"), Settings(), NOTHING, 0)
    assert finding.verdict == "warning"
    assert "private one" in finding.found


def test_programs_run_in_the_temporary_folder():
    assert check_temporary().verdict == "ok"
