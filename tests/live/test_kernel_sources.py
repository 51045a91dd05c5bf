# SPDX-License-Identifier: Apache-2.0
"""Debian's kernels as the machine's mirror serves them: fetched, unpacked, indexed."""

from __future__ import annotations

import re

import pytest

from hotremove.cache import Cache
from hotremove.errors import UsageProblem
from hotremove.kernels import capabilities, spec
from hotremove.kernels.distro import suites
from hotremove.kernels.distro.debversion import sort_key

SUITES = {"bullseye": (5, 10), "bookworm": (6, 1), "trixie": (6, 12)}
NEEDED = ("boot", "sysfs offline", "DIMM plug and eject", "rdma pins", "vfio pins")


@pytest.mark.parametrize("suite", SUITES)
def test_a_suites_kernel_can_run_the_main_scenarios(suite: str) -> None:
    kernel = spec.resolve(f"debian:{suite}", Cache.default())
    assert kernel.point_release[:2] == SUITES[suite]
    assert kernel.modules is not None
    assert "rdma_rxe.ko" in (kernel.modules / "modules.dep").read_text()
    wanted = [capability for capability in capabilities.CAPABILITIES if capability.name in NEEDED]
    assert {c.name: capabilities.missing(kernel, c) for c in wanted} == dict.fromkeys(NEEDED, ())


@pytest.mark.nightly
def test_the_split_layout() -> None:
    kernel = spec.resolve("debian:trixie-backports", Cache.default())
    assert kernel.modules is not None
    assert (kernel.modules / "modules.dep").stat().st_size > 0
    assert kernel.config["MEMORY_HOTREMOVE"] == "y"


def test_a_suite_the_mirror_does_not_have() -> None:
    with pytest.raises(UsageProblem, match="the mirror has no suite bokworm"):
        spec.resolve("debian:bokworm", Cache.default())


def test_a_version_the_mirror_does_not_have() -> None:
    with pytest.raises(UsageProblem, match=r"no such version; bookworm has .*6\.1\."):
        spec.resolve("debian:bookworm/2.6.32", Cache.default())


@pytest.mark.parametrize("suite", ["bookworm", "trixie-backports"])
def test_all_kernels_of_a_suite(suite: str) -> None:
    found = spec.expand(f"debian:{suite}/*", Cache.default())
    assert found is not None
    versions = [kernel.version for kernel in found.kernels]
    assert versions == sorted(set(versions), key=sort_key)
    assert spec.resolve(f"debian:{suite}", Cache.default()).version in versions
    assert all(re.fullmatch(r"\d\S+ \(linux-\S+(, linux-\S+)*\)", one) for one in found.left_out)


def test_a_build_root_can_be_made() -> None:
    found = suites.apt_environment("bookworm", Cache.default())
    assert found.suite == "bookworm"
    assert len(found.sources) >= 1
