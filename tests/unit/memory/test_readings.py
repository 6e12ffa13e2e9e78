"""Readings of memory and tasks from the kernel's files, as each kind of machine writes them."""

from __future__ import annotations

import os

import pytest

from mme.memory import MemoryReader, Reading, TaskReader, anonymous_bytes, own_bytes

MIB = 1024 * 1024


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def proc(tmp_path):
    write(
        tmp_path / "proc" / "meminfo",
        "MemTotal:       8388608 kB\nMemFree:  1 kB\nMemAvailable:   6291456 kB\n",
    )
    return tmp_path / "proc"


@pytest.fixture
def root(tmp_path):
    return tmp_path / "cgroup"


def test_without_a_cgroup_the_machine_is_the_budget(proc, root):
    write(proc / "self" / "cgroup", "0::/\n")
    root.mkdir()
    reading = MemoryReader(proc=proc, root=root).read()
    assert (reading.limit, reading.used) == (8192 * MIB, 2048 * MIB)


def test_version_2_counts_usage_less_file_pages(proc, root):
    write(proc / "self" / "cgroup", "0::/app\n")
    write(root / "app" / "memory.max", f"{1024 * MIB}\n")
    write(root / "app" / "memory.current", f"{900 * MIB}\n")
    write(root / "app" / "memory.stat", f"anon 1\ninactive_file {300 * MIB}\nactive_file 0\n")
    reading = MemoryReader(proc=proc, root=root).read()
    assert (reading.limit, reading.used) == (1024 * MIB, 600 * MIB)


def test_version_2_does_not_count_what_the_kernel_caches_for_itself(proc, root):
    write(proc / "self" / "cgroup", "0::/app\n")
    write(root / "app" / "memory.max", f"{1024 * MIB}\n")
    write(root / "app" / "memory.current", f"{900 * MIB}\n")
    write(root / "app" / "memory.stat", f"slab_reclaimable {200 * MIB}\nslab {250 * MIB}\n")
    assert MemoryReader(proc=proc, root=root).read().used == 700 * MIB


def test_version_1_splits_the_kernels_memory_as_the_machines_is(proc, root):
    with (proc / "meminfo").open("a") as file:
        file.write("SReclaimable: 3000 kB\nSUnreclaim: 500 kB\n")
        file.write("KernelStack: 250 kB\nPageTables: 250 kB\n")
    write(proc / "self" / "cgroup", "4:memory:/app\n")
    write(root / "memory" / "app" / "memory.limit_in_bytes", f"{512 * MIB}\n")
    write(root / "memory" / "app" / "memory.usage_in_bytes", f"{400 * MIB}\n")
    write(root / "memory" / "app" / "memory.kmem.usage_in_bytes", f"{100 * MIB}\n")
    write(root / "memory" / "app" / "memory.stat", "total_inactive_file 0\n")
    assert MemoryReader(proc=proc, root=root).read().used == 325 * MIB


def test_version_1_counts_the_whole_hierarchy(proc, root):
    write(proc / "self" / "cgroup", "5:cpu:/\n4:memory:/app\n0::/\n")
    write(root / "memory" / "app" / "memory.limit_in_bytes", f"{512 * MIB}\n")
    write(root / "memory" / "app" / "memory.usage_in_bytes", f"{400 * MIB}\n")
    write(
        root / "memory" / "app" / "memory.stat",
        f"inactive_file 1\ntotal_inactive_file {50 * MIB}\ntotal_active_file {50 * MIB}\n",
    )
    reading = MemoryReader(proc=proc, root=root).read()
    assert (reading.limit, reading.used) == (512 * MIB, 300 * MIB)


@pytest.mark.parametrize(("version", "text"), [("2", "max"), ("1", "9223372036854771712")])
def test_no_limit_is_no_limit(proc, root, version, text):
    if version == "2":
        write(proc / "self" / "cgroup", "0::/app\n")
        write(root / "app" / "memory.max", text)
        write(root / "app" / "memory.current", "1")
    else:
        write(proc / "self" / "cgroup", "4:memory:/app\n")
        write(root / "memory" / "app" / "memory.limit_in_bytes", text)
        write(root / "memory" / "app" / "memory.usage_in_bytes", "1")
    assert MemoryReader(proc=proc, root=root).read().limit == 8192 * MIB


def test_a_parents_tighter_limit_is_the_one_that_counts(proc, root):
    write(proc / "self" / "cgroup", "0::/pod/app\n")
    for path, limit, used in (("pod/app", 800, 1), ("pod", 400, 300)):
        write(root / path / "memory.max", str(limit * MIB))
        write(root / path / "memory.current", str(used * MIB))
        write(root / path / "memory.stat", "")
    reading = MemoryReader(proc=proc, root=root).read()
    assert (reading.limit, reading.used) == (400 * MIB, 300 * MIB)


def test_inside_a_container_the_mounted_root_is_ours(proc, root):
    write(proc / "self" / "cgroup", "0::/system.slice/docker-abc.scope\n")
    write(root / "memory.max", str(256 * MIB))
    write(root / "memory.current", str(MIB))
    write(root / "memory.stat", "")
    assert MemoryReader(proc=proc, root=root).read().limit == 256 * MIB


def test_the_operators_limit_is_kept_too(proc, root):
    write(proc / "self" / "cgroup", "0::/\n")
    root.mkdir()
    reading = MemoryReader(1024 * MIB, proc=proc, root=root).read()
    assert reading.limit == 1024 * MIB


def test_under_the_operators_limit_alone_our_own_use_counts(proc, root):
    write(proc / "self" / "cgroup", "0::/\n")
    root.mkdir()
    reading = MemoryReader(1024 * MIB, lambda: 300 * MIB, proc=proc, root=root).read()
    assert (reading.limit, reading.used) == (1024 * MIB, 300 * MIB)


def test_an_operators_limit_above_the_machine_changes_nothing(proc, root):
    write(proc / "self" / "cgroup", "0::/\n")
    root.mkdir()
    reading = MemoryReader(16384 * MIB, lambda: 300 * MIB, proc=proc, root=root).read()
    assert (reading.limit, reading.used) == (8192 * MIB, 2048 * MIB)


def test_a_cgroup_counts_our_use_better_than_we_do(proc, root):
    write(proc / "self" / "cgroup", "0::/app\n")
    write(root / "app" / "memory.max", str(2048 * MIB))
    write(root / "app" / "memory.current", str(700 * MIB))
    write(root / "app" / "memory.stat", "")
    reading = MemoryReader(1024 * MIB, lambda: 1, proc=proc, root=root).read()
    assert (reading.limit, reading.used) == (1024 * MIB, 700 * MIB)


def test_anonymous_memory_is_what_a_process_holds_in_no_file():
    before = anonymous_bytes(os.getpid())
    kept = bytearray(os.urandom(64 * MIB))
    assert 50 * MIB < anonymous_bytes(os.getpid()) - before < 200 * MIB
    assert len(kept) == 64 * MIB
    assert anonymous_bytes(2**22 - 1) == 0


def test_a_process_costs_its_private_pages_and_an_ended_one_nothing():
    assert 1 * MIB < own_bytes(os.getpid()) < 4096 * MIB
    assert own_bytes(2**22 - 1) == 0


def task_reader(proc, root, uid=0, user_limit=None):
    return TaskReader(proc=proc, root=root, uid=uid, user_limit=lambda: user_limit)


def test_tasks_are_those_of_the_cgroup(proc, root):
    write(proc / "self" / "cgroup", "0::/app\n")
    write(root / "app" / "pids.max", "256\n")
    write(root / "app" / "pids.current", "40\n")
    reading = task_reader(proc, root).read()
    assert (reading.limit, reading.used, reading.free) == (256, 40, 216)


def test_of_several_cgroups_the_one_with_the_fewest_free_counts(proc, root):
    write(proc / "self" / "cgroup", "3:pids:/pod/app\n2:memory:/pod/app\n")
    write(root / "pids" / "pod" / "pids.max", "1000")
    write(root / "pids" / "pod" / "pids.current", "990")
    write(root / "pids" / "pod" / "app" / "pids.max", "100")
    write(root / "pids" / "pod" / "app" / "pids.current", "20")
    assert task_reader(proc, root).read() == Reading(1000, 990)


def test_without_any_limit_tasks_do_not_run_out(proc, root):
    write(proc / "self" / "cgroup", "0::/app\n")
    write(root / "app" / "pids.max", "max\n")
    write(root / "app" / "pids.current", "40\n")
    assert task_reader(proc, root).read() == Reading(2**31, 0)
    assert task_reader(proc, root.with_name("none")).read().free == 2**31


def test_root_is_not_held_to_a_users_limit(proc, root):
    write(proc / "loadavg", "0.1 0.1 0.1 1/80 999\n")
    write(proc / "self" / "cgroup", "")
    assert task_reader(proc, root, uid=0, user_limit=100).read().limit == 2**31
    assert task_reader(proc, root, uid=7, user_limit=100).read().limit == 100


def test_a_users_tasks_are_counted_when_the_machines_come_near_the_limit(proc, root):
    write(proc / "self" / "cgroup", "")
    write(proc / "loadavg", "0.1 0.1 0.1 1/80 999\n")
    for pid, uid, threads in ((10, 7, 3), (11, 7, 5), (12, 8, 60)):
        status = f"Name:\tx\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\nThreads:\t{threads}\n"
        write(proc / str(pid) / "status", status)
    assert task_reader(proc, root, uid=7, user_limit=100).read() == Reading(100, 8)
    assert task_reader(proc, root, uid=7, user_limit=160).read() == Reading(160, 80)


def test_this_machines_tasks_can_be_read():
    reading = TaskReader().read()
    assert reading.limit > 0
    assert reading.used >= 0
