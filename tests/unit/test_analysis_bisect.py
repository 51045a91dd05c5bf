# SPDX-License-Identifier: Apache-2.0
"""A commit's answer for git bisect: what a run shows, and what must never be taken for one."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from argparse import Namespace
from pathlib import Path

import kernel_samples as samples
import pytest
from report_samples import make_result

from hotremove.analysis.bisect import Answer, judge_run
from hotremove.cli import bisect
from hotremove.cli.builds import BuildFailed, CannotBuild, run_build
from hotremove.cli.main import main
from hotremove.errors import HostProblem
from hotremove.results.case import Case
from hotremove.results.record import Record, write_record
from hotremove.virt.polling import wait_until

CAME_UP = [["restored", 0.0, 1.2]]


@pytest.fixture
def case(tmp_path: Path):
    """`case(verdict)`: a finished test, whose guest came up or did not."""

    def make(verdict: str, timeline=CAME_UP, **changed) -> Case:
        folder = tmp_path / f"{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        (folder / "timeline.json").write_text(json.dumps(timeline))
        return Case(make_result(verdict=verdict, **changed), folder)

    return make


def test_all_passed_is_good(case):
    step = judge_run(0, [case("pass"), case("pass")])
    assert str(step) == "bisect-step: good (0): 6.1.192-2: 2 of 2 tests passed"


@pytest.mark.parametrize("other", ["pass", "skip", "lost", "error"])
def test_one_failure_is_bad(case, other):
    step = judge_run(1, [case(other), case("fail", outcome="stuck", message="stuck: pfn 7\nmore")])
    assert str(step) == (
        "bisect-step: bad (1): 6.1.192-2: 1 rxe memory region held: fail: stuck: pfn 7"
    )


@pytest.mark.parametrize("verdict", ["skip", "lost", "error"])
def test_what_says_nothing_is_neither_good_nor_bad(case, verdict):
    step = judge_run(0, [case("pass"), case(verdict, message="CONFIG_VFIO is not set")])
    assert step.answer is Answer.SKIP
    assert "CONFIG_VFIO is not set (1 of 2 tests say nothing)" in step.why


def test_a_test_that_wavers_says_nothing(case):
    step = judge_run(0, [case("pass", attempts=("fail",))])
    assert step.answer is Answer.SKIP
    assert "fail, then pass" in step.why


def test_a_kernel_that_dies_while_it_boots_is_another_bug(case):
    step = judge_run(1, [case("fail", timeline=[], message="the guest died: panic")])
    assert step.answer is Answer.SKIP
    assert step.why.startswith("no guest came up: ")


def test_a_run_that_was_broken_off_counts_only_against_the_kernel(case):
    assert judge_run(None, [case("pass")]).answer is Answer.SKIP
    assert judge_run(None, [case("pass"), case("fail")]).answer is Answer.BAD


@pytest.mark.parametrize(
    ("code", "answer"),
    [(0, 125), (1, 125), (2, 128), (3, 125), (4, 128), (5, 128), (-9, 125), (None, 125)],
)
def test_a_run_without_results_never_judges(code, answer):
    assert judge_run(code, ()).answer == answer


def test_a_passed_test_does_not_hide_an_interruption(case):
    assert judge_run(2, [case("pass")]).answer is Answer.ABORT


@pytest.fixture
def step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """`step(*words)`: exit code and last line of `hotremove bisect-step`; guests are not run."""
    monkeypatch.setenv("HOTREMOVE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "bzImage").write_bytes(samples.image())
    runs: list[list[str]] = []

    def suite(command: list[str], deadline: float) -> int:
        runs.append(command)
        (folder,) = (
            word.partition("=")[2] for word in command if word.startswith("--hotremove-artifacts")
        )
        Path(folder).mkdir(parents=True, exist_ok=True)
        write_record(Path(folder), Record((make_result(),)))
        return 0

    monkeypatch.setattr(bisect, "run_suite", suite)
    # Its programs take 8 s to compile; the live test makes real ones.
    monkeypatch.setattr(bisect, "build_image", lambda kernel, cache: None)

    def take(*words: str) -> tuple[int, str]:
        try:
            code = main(["bisect-step", *words])
        except SystemExit as end:
            code = end.code
        said = capsys.readouterr()
        return code, (said.out or said.err).splitlines()[-1]

    take.runs = runs
    return take


def test_a_commit_that_builds_and_passes_is_good(step, tmp_path: Path):
    code, told = step(
        f"--kernel=image:{tmp_path}/new", "-k", "rdma", f"--build=cd {tmp_path} && cp bzImage new"
    )
    assert (code, told) == (0, "bisect-step: good (0): 6.1.192-2: 1 of 1 tests passed")
    assert "--hotremove-expect=strict" in step.runs[0]
    assert step.runs[0][step.runs[0].index("-k") + 1] == "rdma"


def test_a_race_is_looked_for_more_than_once(step, tmp_path: Path):
    assert step(f"--kernel=image:{tmp_path}/bzImage", "-k", "x", "--repeat=3")[0] == 0
    assert len(step.runs) == 3


def test_evidence_is_kept_where_that_is_wanted(step, tmp_path: Path):
    words = (f"--kernel=image:{tmp_path}/bzImage", "-k", "x", f"--artifacts={tmp_path}/kept")
    for _ in range(2):
        assert step(*words)[0] == 0
    kept = [path for path in (tmp_path / "kept").iterdir() if (path / "results.json").is_file()]
    assert len(kept) == 2


@pytest.mark.parametrize(
    ("build", "told"),
    [
        ("false", "the build failed with 1"),
        ("echo no rule; exit 2", "the build failed with 2"),
        ("true", "there is no file"),
        ("head -c 900 bzImage > new", "is not a kernel image"),
    ],
)
def test_a_commit_without_a_kernel_cannot_be_judged(step, tmp_path: Path, build: str, told: str):
    words = (f"--kernel=image:{tmp_path}/new", "-k", "x", f"--build=cd {tmp_path}; {build}")
    code, said = step(*words)
    assert code == 125
    assert told in said.replace("cut short", "is not a kernel image")
    assert not step.runs


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["-k", "x"],
        ["--tree=/nowhere", "-k", "x"],
        ["--kernel=nonsense", "-k", "x"],
        ["--kernel=image:/x"],
        ["--kernel=image:/x", "-k", "x", "--nonsense"],
        ["--kernel=image:/x", "-k", "x", "--deadline=soon"],
        ["--kernel=image:/x", "-k", "x", "--deadline=-1"],
        ["--kernel=image:/x", "-k", "x", "--repeat=0"],
        ["--kernel=image:/x", "-k", "x", "--config=/nowhere"],
        ["--kernel=image:/x", "-k", "x", "--scenarios=/nowhere"],
        ["--kernel=image:/x", "-k", "x", "--pytest='open"],
        ["--kernel=image:/x", "-k", "x", "--build=no-such-program"],
        ["--tree=.", "-k", "x"],
    ],
)
def test_wrong_usage_ends_the_bisection(step, tmp_path: Path, monkeypatch, words: list[str]):
    monkeypatch.chdir(tmp_path)
    code, told = step(*words)
    assert code == 128
    assert told.startswith(
        ("bisect-step: stop (128): ", "hotremove bisect-step: error: ", "hotremove: error: ")
    )


@pytest.mark.parametrize(
    "error", [HostProblem("no space left"), RuntimeError("a bug"), KeyboardInterrupt()]
)
def test_what_is_no_fault_of_the_commit_ends_the_bisection(
    step, tmp_path: Path, monkeypatch, error
):
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(bisect, "build_image", fail)
    assert step(f"--kernel=image:{tmp_path}/bzImage", "-k", "x")[0] == 128


@pytest.mark.parametrize(
    ("config", "made", "arch"),
    [
        ("CONFIG_X86_64=y\n", ["bzImage", "modules", "olddefconfig"], []),
        ("CONFIG_ARM64=y\n", ["Image", "modules", "olddefconfig"], ["arm64"]),
    ],
)
def test_the_trees_own_build_is_make(tmp_path: Path, monkeypatch, config, made, arch):
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    (tmp_path / "config").write_text(config)
    targets = "olddefconfig bzImage Image modules"
    (tmp_path / "Makefile").write_text(f"{targets}:\n\techo $@ >> made; echo $(ARCH) > arch\n")
    options = {"tree": tmp_path, "config": tmp_path / "config", "build": None}
    bisect._build(Namespace(**options, build_deadline=60))
    assert sorted((tmp_path / "made").read_text().split()) == made
    assert (tmp_path / "arch").read_text().split() == arch
    assert (tmp_path / ".config").read_text() == config


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


def test_a_build_that_does_not_end_is_ended_whole(tmp_path: Path):
    start = time.monotonic()
    with pytest.raises(BuildFailed, match=r"did not end in 0\.5 s"):
        run_build("sleep 60 & echo $! > pid; wait", tmp_path, 0.5)
    assert time.monotonic() - start < 10
    pid = int((tmp_path / "pid").read_text())
    assert wait_until(lambda: not is_running(pid), 10)


def test_a_build_without_its_program_is_no_fault_of_the_commit(tmp_path: Path, capsys):
    with pytest.raises(CannotBuild):
        run_build("no-such-program --at-all", tmp_path, 10)
    assert "not found" in capsys.readouterr().out


def test_git_is_told_by_the_exit_code(tmp_path: Path):
    command = [sys.executable, "-m", "hotremove.cli", "bisect-step", "--tree", str(tmp_path / "no")]
    done = subprocess.run([*command, "-k", "x"], capture_output=True, text=True, check=False)
    assert done.returncode == 128
    assert (
        done.stdout == f"bisect-step: stop (128): --tree {tmp_path}/no: there is no such folder\n"
    )
