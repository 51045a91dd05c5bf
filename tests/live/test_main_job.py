# SPDX-License-Identifier: Apache-2.0
"""The main job from outside: pytest on real kernels, and what it leaves on disk."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from run_harness import CHECKOUT

from hotremove.cache import Cache
from hotremove.kernels.spec import resolve
from hotremove.results.record import Result, read_record

pytestmark = pytest.mark.live

EVIDENCE = {"console.log", "dmesg.log", "domain.xml", "qemu.log", "removals.json", "repro.sh"}


class Run:
    """One finished pytest process over some scenarios."""

    def __init__(self, artifacts: Path, *words: str) -> None:
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-m", "hotremove"]
        command += ["scenarios", "--hotremove-artifacts", str(artifacts), *words]
        self.done = subprocess.run(
            command, cwd=CHECKOUT, capture_output=True, text=True, timeout=400, check=False
        )
        self.artifacts = artifacts
        self.code = self.done.returncode
        self.output = self.done.stdout + self.done.stderr

    @property
    def results(self) -> tuple[Result, ...]:
        return read_record(self.artifacts / "results.json")

    def files(self, result: Result) -> set[str]:
        return {path.name for path in (self.artifacts / result.evidence).iterdir()}


def test_a_fixed_kernel_passes_and_its_evidence_is_kept(tmp_path):
    run = Run(tmp_path, "-k", "under_an_rdma_memory_region or beside_a_vfio")
    assert run.code == 0, run.output
    assert {(r.verdict, r.outcome) for r in run.results} == {("pass", "removed")}
    assert len(run.results) == 2
    for result in run.results:
        assert run.files(result) >= EVIDENCE
    removal = json.loads((tmp_path / run.results[0].evidence / "removals.json").read_text())[0]
    assert removal["outcome"] == "removed"
    assert removal["before"].keys() == removal["after"].keys()


@pytest.mark.takes(25)
def test_an_unfixed_kernel_fails_and_says_why(tmp_path):
    run = Run(
        tmp_path,
        "--hotremove-kernel",
        "debian:bullseye",
        "-k",
        "rdma_memory",
        "--hotremove-removal-deadline=20",
    )
    assert run.code == 1, run.output
    (result,) = run.results
    assert (result.verdict, result.outcome) == ("fail", "stuck")
    for told in (
        "pfn 0x1",
        "in node 1's ZONE_MOVABLE holds 1 long-term pin",
        "refcount 1026 = 1024 (1 long-term pin) + 1 (mapping) + 1 (isolation)",
        "an rxe memory region of 32 MiB",
        "fixed upstream by d1e153fea2a8 (5.13)",
    ):
        assert told in result.message
        assert told in run.output
    dmesg = (tmp_path / result.evidence / "dmesg.log").read_text()
    assert "page dumped because: migration failure" in dmesg


def test_a_kernel_without_rxe_is_told_to_lack_it_by_the_options_name(tmp_path):
    release = resolve("debian:bookworm", Cache.default()).release
    cloud = f"debian:bookworm/{release.replace('-amd64', '-cloud-amd64')}"
    chosen = "under_an_rdma_memory_region or memory_leaves_that_nobody_pins"
    run = Run(tmp_path, "--hotremove-kernel", cloud, "-k", chosen)
    assert run.code == 0, run.output
    by_verdict = {result.verdict: result for result in run.results}
    assert set(by_verdict) == {"pass", "absent"}
    assert "CONFIG_RDMA_RXE is not set" in by_verdict["absent"].message


def test_a_repro_script_runs_the_test_again(tmp_path):
    first = Run(tmp_path / "first", "-k", "nothing_of_unpinned_memory")
    assert first.code == 0, first.output
    script = tmp_path / "first" / first.results[0].evidence / "repro.sh"
    again = subprocess.run(
        [script, "-p", "no:cacheprovider"], capture_output=True, text=True, timeout=300
    )
    assert again.returncode == 0, again.stdout + again.stderr
    assert "1 passed" in again.stdout
