# SPDX-License-Identifier: Apache-2.0
"""How many workers a machine has room for."""

import pytest

from hotremove.session import capacity


@pytest.mark.parametrize(
    ("cores", "free", "workers"),
    [
        (2, 20000, 3),
        (3, 20000, 4),
        (64, 20000, 9),  # memory for no more
        (1, 20000, 1),
        (8, 500, 1),  # too little for any; one is tried all the same
    ],
)
def test_memory_is_not_given_twice_and_cores_to_three_for_two(cores, free, workers):
    assert capacity.workers_that_fit(cores, free, capacity.worker_mib(640)) == workers


def test_the_limits_of_all_groups_above_count(tmp_path):
    (tmp_path / "a/b").mkdir(parents=True)
    for group, limit, usage in (("a", 3 << 30, 1 << 30), ("a/b", "max", 1 << 20)):
        (tmp_path / group / "memory.max").write_text(f"{limit}\n")
        (tmp_path / group / "memory.current").write_text(f"{usage}\n")
    assert list(capacity.left_in_cgroups("0::/a/b\n", tmp_path)) == [2048]


def test_the_older_kind_of_group(tmp_path):
    group = tmp_path / "memory/job"
    group.mkdir(parents=True)
    (group / "memory.limit_in_bytes").write_text(f"{1 << 30}\n")
    (group / "memory.usage_in_bytes").write_text(f"{1 << 29}\n")
    own = "9:name=systemd:/\n4:memory:/job\n1:cpu:/\n0::/\n"
    assert list(capacity.left_in_cgroups(own, tmp_path)) == [512]


def test_a_group_over_its_limit_has_nothing_left(tmp_path):
    (tmp_path / "memory.max").write_text("1048576\n")
    (tmp_path / "memory.current").write_text("2097152\n")
    assert list(capacity.left_in_cgroups("0::/\n", tmp_path)) == [0]


def test_quotas_of_processor_time_count(tmp_path):
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/cpu.max").write_text("450000 100000\n")
    (tmp_path / "a/b/cpu.max").write_text("max 100000\n")
    assert list(capacity.cores_of_cgroups("0::/a/b\n", tmp_path)) == [4]


@pytest.mark.parametrize(("quota", "cores"), [("150000", [1]), ("-1", [])])
def test_quotas_of_the_older_kind_of_group(tmp_path, quota, cores):
    group = tmp_path / "cpu/job"
    group.mkdir(parents=True)
    (group / "cpu.cfs_quota_us").write_text(f"{quota}\n")
    (group / "cpu.cfs_period_us").write_text("100000\n")
    assert list(capacity.cores_of_cgroups("4:cpu,cpuacct:/job\n", tmp_path)) == cores


def test_this_machine_has_some_of_both():
    assert capacity.cores() >= 1
    assert capacity.free_mib() > 0


@pytest.mark.parametrize(
    ("free", "pinned"),
    [(1024, 1024), (8 * 1024, 2048), (21 * 1024, 8192), (38 * 1024, 16384), (10**6, 16384)],
)
def test_a_large_pin_has_room_twice(free: int, pinned: int) -> None:
    assert capacity.pinnable_mib(free) == pinned
