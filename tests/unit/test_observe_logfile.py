# SPDX-License-Identifier: Apache-2.0
"""A large log that two processes read says what one would."""

import gzip
import multiprocessing
import os
import random
import signal
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hotremove.observe import logfile
from hotremove.observe.kernellog import dmesg, stretch
from hotremove.observe.kernellog.packing import BROKEN
from hotremove.observe.kernellog.report import Reports
from hotremove.observe.pagedump import DumpedPages, page_facts

GOLDEN = Path(__file__).parents[1] / "golden"
LOGS = [log.read_text("utf-8", "replace").split("\n") for log in sorted(GOLDEN.glob("*.log"))]
PAGES = [log.read_text("utf-8").split("\n") for log in sorted(GOLDEN.glob("page-*.log"))]
HELD = [
    "page: refcount:1 mapcount:0 mapping:0000000000000000 index:0x0 pfn:0x157f00",
    "flags: 0x1(reserved|node=1|zone=2)",
]
UNMOVABLE = [*HELD, "page dumped because: unmovable page"]
OTHERWISE = [
    "page: refcount:3 mapcount:0 mapping:00000000144ccd79 index:0x1 pfn:0x157f00",
    "aops:def_blk_aops ino:800001",
    "flags: 0x1(referenced|dirty|active|private|node=1|zone=3)",
    "page dumped because: migration failure",
]
REFUSED = ["memory offlining [mem 0x150000000-0x157ffffff] failed due to signal backoff"]
WARNING = [
    "WARNING: CPU: 0 PID: 214 at mm/gup.c:1690 __gup_longterm_locked+0x3a1/0x4b0",
    "Call Trace:",
    " pin_user_pages+0x3a1/0x4b0",
    "---[ end trace 0000000000000000 ]---",
]
QUIET = ["nothing to see"]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Stretches of few lines, so that small logs have a middle; two processors; nobody left."""
    monkeypatch.setattr(logfile, "LARGE", 0)
    monkeypatch.setattr(logfile, "LINES", 64)
    monkeypatch.setattr(stretch, "LINES", 64)
    monkeypatch.setattr(logfile, "cores", lambda: 2)
    yield
    assert not multiprocessing.active_children()


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether what the second process found was taken over, by file."""
    answers: list[bool] = []
    take_over = logfile._take_over

    def note(reading: Any, second: Connection) -> bool:
        answers.append(take_over(reading, second))
        return answers[-1]

    monkeypatch.setattr(logfile, "_take_over", note)
    return answers


def written(path: Path, messages: Sequence[str]) -> Path:
    stamped = [f"[{number / 1000:12.6f}] {one}" for number, one in enumerate(messages)]
    path.write_text("\n".join(stamped), "utf-8")
    return path


def told(found: tuple[Reports, DumpedPages]) -> object:
    reports, pages = found
    facts = [page_facts(page) for page in pages.pages]
    return list(reports), reports.left_out, facts, pages.left_out


def by_one(path: Path) -> object:
    with path.open("rb") as stream:
        return told(logfile.read_stream(stream))


FORMS: dict[str, Callable[[int, str], str]] = {
    "as they are": lambda _, line: line,
    "indented": lambda _, line: f"    {line}",
    "untimed": lambda _, line: line.split("] ", 1)[-1],
    "by caller": lambda number, line: f"[{number / 1e4:12.6f}][ T{number // 40 % 9}] {line}",
    "export": lambda number, line: (
        f"__CURSOR=s\n__MONOTONIC_TIMESTAMP={number}\n_TRANSPORT=kernel\nMESSAGE={line}\n"
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_golden_logs_one_after_another(form: str, tmp_path: Path, taken: list[bool]) -> None:
    log = tmp_path / "log"
    for seed in range(6):
        logs = random.Random(seed).sample(LOGS, 40)
        lines = [line for one in logs for line in one]
        log.write_text("\n".join(FORMS[form](*pair) for pair in enumerate(lines)), "utf-8")
        assert told(logfile.read_file(log)) == by_one(log)
    assert sum(taken) >= 4, "the second process is no help"


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.sampled_from(
            [HELD, UNMOVABLE, OTHERWISE, REFUSED, WARNING, QUIET * 70, QUIET * 300, *PAGES]
        ),
        min_size=5,
        max_size=60,
    )
)
def test_pages_above_and_below(tmp_path: Path, parts: list[list[str]]) -> None:
    log = written(tmp_path / "log", [line for part in parts for line in part])
    assert told(logfile.read_file(log)) == by_one(log)


@pytest.mark.parametrize("below", [HELD, UNMOVABLE, OTHERWISE, REFUSED, HELD + OTHERWISE + HELD])
@pytest.mark.parametrize("above", [HELD, UNMOVABLE, OTHERWISE, UNMOVABLE + REFUSED])
def test_what_is_below_is_told_by_what_is_above(
    tmp_path: Path, taken: list[bool], above: list[str], below: list[str]
) -> None:
    log = written(tmp_path / "log", [*above, *QUIET * 3000, *below, *QUIET * 1000, *REFUSED])
    assert told(logfile.read_file(log)) == by_one(log)
    assert taken == [True]


def test_of_too_many_reports_and_pages_the_first_are_kept(
    tmp_path: Path, taken: list[bool]
) -> None:
    pages = [
        line.replace("157f00", f"{number:x}")
        for number in (*range(1, 8_000), *range(6_000, 12_000))
        for line in UNMOVABLE
    ]
    log = written(tmp_path / "log", pages)
    found = logfile.read_file(log)
    assert (len(found[0]), found[0].left_out) == (10_000, 3_999)
    assert (len(found[1].pages), found[1].left_out) == (10_000, 1_999)
    assert told(found) == by_one(log)
    assert taken == [True]


def many_warnings(path: Path) -> Path:
    return written(path, [*QUIET * 900, *WARNING] * 9)


def test_a_second_process_that_is_killed_loses_nothing(
    tmp_path: Path, taken: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    log = many_warnings(tmp_path / "log")
    end = dmesg.Finder.end

    def killed(self: dmesg.Finder) -> None:
        if multiprocessing.parent_process():
            os.kill(os.getpid(), signal.SIGKILL)
        end(self)

    monkeypatch.setattr(dmesg.Finder, "end", killed)
    assert told(logfile.read_file(log)) == by_one(log)
    assert taken == [False]


def test_a_second_process_that_knows_less_at_the_middle_is_no_help(
    tmp_path: Path, taken: list[bool]
) -> None:
    holder = [line.replace(QUIET[0], "x") for line in WARNING[:2]]
    endless = [*holder, *[" pin_user_pages+0x3a1/0x4b0"] * 3000, *WARNING]
    log = written(tmp_path / "log", endless)
    assert told(logfile.read_file(log)) == by_one(log)
    assert taken == [False]


def test_no_further_process_can_be_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    log = many_warnings(tmp_path / "log")
    monkeypatch.setattr(os, "fork", refuse)
    assert told(logfile.read_file(log)) == by_one(log)


def test_packed_and_damaged(tmp_path: Path, taken: list[bool]) -> None:
    log = many_warnings(tmp_path / "log")
    packed = tmp_path / "log.gz"
    packed.write_bytes(gzip.compress(log.read_bytes()))
    assert told(logfile.read_file(packed)) == by_one(log)
    assert taken == [True]
    packed.write_bytes(packed.read_bytes()[:-9])
    with pytest.raises(BROKEN):
        logfile.read_file(packed)


def test_it_ends_with_the_reader_that_is_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> bool:
        raise KeyboardInterrupt

    log = many_warnings(tmp_path / "log")
    monkeypatch.setattr(logfile, "_take_over", interrupt)
    with pytest.raises(KeyboardInterrupt):
        logfile.read_file(log)
    assert not multiprocessing.active_children()
