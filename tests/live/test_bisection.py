# SPDX-License-Identifier: Apache-2.0
"""A real bisection: `git bisect run` over a repository of kernel trees, each booted and judged.

The trees are as small as trees can be: `make` copies a kernel that is in the cache already, the one
that the commit names. Fixed kernels come first, then unfixed ones; one commit does not build.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from run_harness import CHECKOUT, SHARED

from hotremove.cache import Cache
from hotremove.kernels.kernel import Kernel
from hotremove.kernels.spec import resolve

pytestmark = [pytest.mark.live, pytest.mark.takes(25)]

MAKEFILE = """\
include kernel.mk

olddefconfig:
\tcp $(KERNEL)/config-$(RELEASE) .config
bzImage:
\tmkdir -p arch/x86/boot
\tcp $(KERNEL)/vmlinuz-$(RELEASE) arch/x86/boot/bzImage
modules:
modules_install:
\tmkdir -p $(INSTALL_MOD_PATH)/lib/modules/$(RELEASE)
\tcd $(KERNEL)/lib/modules/$(RELEASE) && \\
\t\tcp -al kernel modules.order modules.builtin* $(INSTALL_MOD_PATH)/lib/modules/$(RELEASE)
"""


class Repository:
    """A git repository of kernel trees, and a cache that shares all but kernels with the usual."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self.folder = folder
        (folder / "Makefile").write_text(MAKEFILE)
        (folder / ".gitignore").write_text(".config\narch/\n")
        self.environment = {
            **os.environ,
            "HOTREMOVE_CACHE": str(cache),
            "PYTHONPATH": str(CHECKOUT / "plugins"),
            "GIT_CONFIG_GLOBAL": os.devnull,
            **{
                f"GIT_{who}_{what}": "a@b"
                for who in ("AUTHOR", "COMMITTER")
                for what in ("NAME", "EMAIL")
            },
        }
        self.git("init", "--quiet")

    def git(self, *words: str) -> str:
        done = subprocess.run(
            ["git", *words],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def commit(self, kernel: Kernel, subject: str, more: str = "") -> str:
        """A commit whose tree builds a kernel of the cache; gives its hash."""
        facts = f"# {subject}\nKERNEL := {kernel.image.parent}\nRELEASE := {kernel.release}\n"
        (self.folder / "kernel.mk").write_text(facts + more)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", subject)
        return self.git("rev-parse", "HEAD").strip()


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    shared = Cache.default()
    cache = tmp_path / "cache"
    cache.mkdir()
    for kind in {*SHARED, "kmods", "locks", "snapshots"} - {"kernels"}:
        (cache / kind).symlink_to(shared.directory(kind))
    (tmp_path / "tree").mkdir()
    return Repository(tmp_path / "tree", cache)


def test_git_bisect_finds_the_commit_that_lost_the_fix(repository: Repository, tmp_path: Path):
    fixed, unfixed = (
        resolve(f"debian:{suite}", Cache.default()) for suite in ("bookworm", "bullseye")
    )
    start = repository.commit(fixed, "a kernel that lets pinned memory go")
    for subject in ("a cleanup", "another cleanup"):
        repository.commit(fixed, subject)
    culprit = repository.commit(unfixed, "pin pages where they are")
    repository.commit(unfixed, "a typo", "$(error a typo)\n")
    repository.commit(unfixed, "mend the typo")
    repository.git("bisect", "start", "HEAD", start)
    step = [sys.executable, "-m", "hotremove.cli", "bisect-step", "--tree=."]
    step += [f"--config={fixed.image.parent}/config-{fixed.release}", "-k", "under_an_rdma"]
    step += [f"--artifacts={tmp_path}/steps", "--pytest=--hotremove-removal-deadline=5"]
    said = repository.git("bisect", "run", *step)
    assert f"{culprit} is the first bad commit" in said
    told = {
        line.partition(": ")[2].partition(":")[0]
        for line in said.splitlines()
        if line.startswith("bisect-step: ")
    }
    assert told == {"good (0)", "bad (1)", "cannot be judged (125)"}
    assert "fixed upstream by d1e153fea2a8" in said
    assert (tmp_path / "steps" / f"{culprit[:12]}-1" / "results.json").is_file()
