# SPDX-License-Identifier: Apache-2.0
"""Real kernels out of a git repository: two point releases as Debian has them, and a fault of ours.

The repository has what a small kernel is compiled from; its commits are bisected by building and
booting each, which takes half an hour of two cores.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from run_harness import CHECKOUT, SHARED

from hotremove.cache import Cache
from hotremove.kernels.sources import debian_source

pytestmark = [pytest.mark.live, pytest.mark.nightly, pytest.mark.timeout(3 * 3600)]

RELEASES = ("6.1.190", "6.1.192")
# Two thirds of the files, which a small kernel for x86-64 does not compile; Kconfig files stay.
NOT_NEEDED = (
    *("*/Documentation/*/*", "*/tools/testing/*", "*/tools/perf/*", "*/boot/dts/*"),
    *(
        f"*/{folder}/*.[chS]"
        for folder in ("arch/[a-w]*", "drivers/gpu", "drivers/media", "drivers/staging", "sound")
    ),
)
# Pages that may not stay where they are get pinned there.
FAULT = ("if (folio_is_longterm_pinnable(folio))", "if (folio)")


class Repository:
    """A repository of kernel sources."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self.folder = folder
        self.folder.mkdir()
        names = {
            f"GIT_{who}_{what}": "a@b"
            for who in ("AUTHOR", "COMMITTER")
            for what in ("NAME", "EMAIL")
        }
        self.environment = {
            **os.environ,
            **names,
            "HOTREMOVE_CACHE": str(cache),
            "PYTHONPATH": str(CHECKOUT / "plugins"),
            "GIT_CONFIG_GLOBAL": os.devnull,
        }
        self.run("git", "init", "--quiet")

    def run(self, *words: str) -> str:
        done = subprocess.run(
            words,
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == 0, done.stdout[-5000:]
        return done.stdout

    def commit(self, subject: str, *tag: str) -> str:
        self.run("git", "add", "--all", "--force")
        self.run("git", "commit", "--quiet", "--message", subject)
        for name in tag:
            self.run("git", "tag", "--annotate", "--message", name, name)
        return self.run("git", "rev-parse", "HEAD").strip()

    def release(self, version: str) -> str:
        """A commit of Debian's source package of a point release."""
        request = debian_source.parse_request(f"bookworm/{version}")
        archive = debian_source.find_source(request, Cache.default()).archive
        self.run("git", "rm", "-r", "--quiet", "--ignore-unmatch", ".")
        left_out = [f"--exclude={pattern}" for pattern in NOT_NEEDED]
        self.run("tar", "-x", "--strip-components=1", *left_out, "-f", str(archive))
        return self.commit(f"Linux {version}", f"v{version}")

    def change(self, subject: str, before: str, after: str) -> str:
        """A commit of one line of mm/gup.c."""
        file = self.folder / "mm/gup.c"
        text = file.read_text()
        assert before in text
        file.write_text(text.replace(before, after, 1))
        return self.commit(subject)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """A cache of its own for what comes of its commits, as they are new each time."""
    shared = Cache.default()
    cache = tmp_path / "cache"
    cache.mkdir()
    for kind in {*SHARED, "buildroots", "ccache", "locks", "sources"} - {"kernels", "images"}:
        (cache / kind).symlink_to(shared.directory(kind))
    return Repository(tmp_path / "linux", cache)


def test_git_bisect_finds_a_fault_between_two_point_releases(
    repository: Repository, tmp_path: Path
) -> None:
    good = repository.release(RELEASES[0])
    repository.change(
        "mm/gup: a word", "#include <linux/kernel.h>", "/* x */\n#include <linux/kernel.h>"
    )
    repository.release(RELEASES[1])
    culprit = repository.change("mm/gup: pin pages where they are", *FAULT)
    repository.change("mm/gup: a typo", FAULT[1], "if (folio")
    repository.change("mm/gup: mend the typo", "if (folio\n", "if (folio)\n")
    repository.run("git", "bisect", "start", "HEAD", good)
    step = [sys.executable, "-m", "hotremove.cli", "bisect-step", "--tree=.", "-k", "under_an_rdma"]
    step += [f"--artifacts={tmp_path}/steps", "--pytest=--hotremove-removal-deadline=5"]
    said = repository.run("git", "bisect", "run", *step)
    assert f"{culprit} is the first bad commit" in said
    assert "6.1.192" in said
    answers = re.findall(r"^bisect-step: (.+?): (.*)", said, re.MULTILINE)
    assert {answer for answer, _ in answers} >= {"good (0)", "bad (1)"}
    skipped = [why for answer, why in answers if answer.startswith("cannot")]
    assert all("mm/gup.c:" in why and "error: " in why for why in skipped)
