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

from hotremove.analysis.history import History
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
WORD = ("#include <linux/kernel.h>", "/* x */\n#include <linux/kernel.h>")
# Pages that may not stay where they are get pinned there.
FAULT = ("if (folio_is_longterm_pinnable(folio))", "if (folio)")
ROW = "under_an_rdma"
WORDS = "--hotremove-removal-deadline=5"
STEP = (
    *(sys.executable, "-m", "hotremove.cli", "bisect-step", "--tree=.", "-k", ROW),
    f"--pytest={WORDS}",
)
NIGHTLY = """
output = "nights"
history = "history.sqlite"
pytest = "-k {row} {words}"

[[watch]]
git = "{repository}"
tags = ["v6.1.*"]
"""


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

    def run(self, *words: str, ends: int = 0) -> str:
        done = subprocess.run(
            words,
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == ends, done.stdout[-5000:]
        return done.stdout

    def commit(self, subject: str, *tag: str) -> str:
        self.run("git", "add", "--all", "--force")
        self.run("git", "commit", "--quiet", "--message", subject)
        for name in tag:
            self.run("git", "tag", "--annotate", "--message", name, name)
        return self.run("git", "rev-parse", "HEAD").strip()

    def hotremove(self, *words: str, ends: int = 0) -> str:
        """What the program prints."""
        command = (sys.executable, "-m", "hotremove.cli", *words)
        return self.run(*command, ends=ends)

    def release(self, version: str, *faults: tuple[str, str]) -> str:
        """A commit of Debian's source package of a point release, with faults that it keeps."""
        request = debian_source.parse_request(f"bookworm/{version}")
        archive = debian_source.find_source(request, Cache.default()).archive
        self.run("git", "rm", "-r", "--quiet", "--ignore-unmatch", ".")
        left_out = [f"--exclude={pattern}" for pattern in NOT_NEEDED]
        self.run("tar", "-x", "--strip-components=1", *left_out, "-f", str(archive))
        for fault in faults:
            self.edit(*fault)
        return self.commit(f"Linux {version}", f"v{version}")

    def change(self, subject: str, before: str, after: str) -> str:
        """A commit of one line of mm/gup.c."""
        self.edit(before, after)
        return self.commit(subject)

    def edit(self, before: str, after: str) -> None:
        """Put other words into mm/gup.c, once."""
        file = self.folder / "mm/gup.c"
        text = file.read_text()
        assert before in text
        file.write_text(text.replace(before, after, 1))


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
    repository.change("mm/gup: a word", *WORD)
    repository.release(RELEASES[1])
    culprit = repository.change("mm/gup: pin pages where they are", *FAULT)
    repository.change("mm/gup: a typo", FAULT[1], "if (folio")
    repository.change("mm/gup: mend the typo", "if (folio\n", "if (folio)\n")
    repository.run("git", "bisect", "start", "HEAD", good)
    step = [*STEP, f"--artifacts={tmp_path}/steps"]
    said = repository.run("git", "bisect", "run", *step)
    assert f"{culprit} is the first bad commit" in said
    assert "6.1.192" in said
    answers = re.findall(r"^bisect-step: (.+?): (.*)", said, re.MULTILINE)
    assert {answer for answer, _ in answers} >= {"good (0)", "bad (1)"}
    skipped = [why for answer, why in answers if answer.startswith("cannot")]
    assert all("mm/gup.c:" in why and "error: " in why for why in skipped)


class Nights:
    """Nights that watch the tags of a repository."""

    def __init__(self, repository: Repository, folder: Path) -> None:
        self.repository = repository
        self.file = folder / "nightly.toml"
        self.file.write_text(NIGHTLY.format(row=ROW, words=WORDS, repository=repository.folder))

    def run(self, *words: str, ends: int = 0) -> str:
        return self.repository.hotremove("nightly", str(self.file), *words, ends=ends)

    @property
    def filed(self) -> list[list[tuple[str, str]]]:
        """Of each run in the history, kernels and verdicts."""
        with History(str(self.file.parent / "history.sqlite")) as history:
            runs = history.runs()
        return [[(one.kernel, one.verdict) for one in run.record.results] for run in runs]


def test_a_night_runs_what_is_new_of_a_series_and_a_bisection_says_whose_it_is(
    repository: Repository, tmp_path: Path
) -> None:
    nights = Nights(repository, tmp_path)
    specs = [f"git:{repository.folder}#{repository.release(RELEASES[0])}"]
    nights.run()
    repository.change("mm/gup: a word", *WORD)
    culprit = repository.change("mm/gup: pin pages where they are", *FAULT)
    specs.append(f"git:{repository.folder}#{repository.release(RELEASES[1], FAULT)}")
    new = nights.run("--dry-run")
    assert specs[1] in new
    assert specs[0] not in new
    assert "red" in nights.run(ends=1).lower()
    assert nights.filed == [[(specs[0], "pass")], [(specs[1], "fail")]]
    assert "nothing is new" in nights.run("--dry-run")
    repository.run("git", "bisect", "start", *(f"v{version}" for version in reversed(RELEASES)))
    said = repository.run("git", "bisect", "run", *STEP, f"--artifacts={tmp_path}/steps")
    assert f"{culprit} is the first bad commit" in said
    assert "bisect-step: bad (1)" in said
