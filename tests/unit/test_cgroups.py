# SPDX-License-Identifier: Apache-2.0
"""What the limits of cgroups leave of a machine."""

import pytest

from hotremove import cgroups


def test_the_limits_of_all_groups_above_count(tmp_path):
    (tmp_path / "a/b").mkdir(parents=True)
    for group, limit, usage in (("a", 3 << 30, 1 << 30), ("a/b", "max", 1 << 20)):
        (tmp_path / group / "memory.max").write_text(f"{limit}\n")
        (tmp_path / group / "memory.current").write_text(f"{usage}\n")
    assert list(cgroups.left_in("0::/a/b\n", tmp_path)) == [2048]


def test_the_older_kind_of_group(tmp_path):
    group = tmp_path / "memory/job"
    group.mkdir(parents=True)
    (group / "memory.limit_in_bytes").write_text(f"{1 << 30}\n")
    (group / "memory.usage_in_bytes").write_text(f"{1 << 29}\n")
    own = "9:name=systemd:/\n4:memory:/job\n1:cpu:/\n0::/\n"
    assert list(cgroups.left_in(own, tmp_path)) == [512]


def test_a_group_over_its_limit_has_nothing_left(tmp_path):
    (tmp_path / "memory.max").write_text("1048576\n")
    (tmp_path / "memory.current").write_text("2097152\n")
    assert list(cgroups.left_in("0::/\n", tmp_path)) == [0]


def test_quotas_of_processor_time_count(tmp_path):
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/cpu.max").write_text("450000 100000\n")
    (tmp_path / "a/b/cpu.max").write_text("max 100000\n")
    assert list(cgroups.cores_of("0::/a/b\n", tmp_path)) == [4]


@pytest.mark.parametrize(("quota", "cores"), [("150000", [1]), ("-1", [])])
def test_quotas_of_the_older_kind_of_group(tmp_path, quota, cores):
    group = tmp_path / "cpu/job"
    group.mkdir(parents=True)
    (group / "cpu.cfs_quota_us").write_text(f"{quota}\n")
    (group / "cpu.cfs_period_us").write_text("100000\n")
    assert list(cgroups.cores_of("4:cpu,cpuacct:/job\n", tmp_path)) == cores


def test_this_machine_has_some_of_both():
    assert cgroups.cores() >= 1
    assert cgroups.free_mib() > 0
