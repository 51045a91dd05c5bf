# SPDX-License-Identifier: Apache-2.0
"""What a test can end in: the rows of docs/verdicts.md that need no guest, each run.

The rows that need one are in tests/live/test_live_verdicts.py.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from ktap_reader import read_ktap
from lxml import etree
from verdict_table import LIVE, OVERDUE, TABLE, Ending

from hotremove.cli.main import main
from hotremove.results.record import read_whole

pytest_plugins = ["pytester"]

# What makes a test end so, by the first column of the table: its body, or marks, body, fixture and
# what stands before it. The kernel is a 6.1.99 that nobody boots.
SCENARIOS = {
    "its end": "pass",
    "an assertion": "assert False",
    "`PinRefused`": "raise PinRefused(12, 'ibv_reg_mr')",
    "`pytest.fail`, or `pytest.raises` that saw nothing": "with pytest.raises(OSError): pass",
    "`GuestDied`": "raise GuestDied('Kernel panic')",
    "a pass of strict `xfail`": ("pytest.mark.xfail(strict=True)", "pass"),
    "a failure that the lineage knows": (
        "pytest.mark.scenario(19, 'pinned for reading'), pytest.mark.wide",
        "assert False, 'stale'",
    ),
    "a failure under `xfail`": ("pytest.mark.xfail(reason='since 6.1')", "assert False"),
    "`CapabilityAbsent`": "raise CapabilityAbsent('CONFIG_RDMA_RXE is not set')",
    "`NotApplicable`": "raise NotApplicable('the kernel removed the memory')",
    "`--without`": ("", "pass", "pinner"),
    "`Waived`": "raise Waived('QEMU emulates no volatile CXL memory')",
    "`pytest.skip`, `mark.skip`": "pytest.skip('not today')",
    "`Blocked`": "raise Blocked('no headers')",
    "`GuestLost`": "raise GuestLost('QEMU was killed')",
    "another error of the farm": "raise HostProblem('no space')",
    "any other exception": "raise TypeError('a typo')",
    "an assertion in teardown": ("", "pass", "falls"),
    "nothing: the run ended before it": ("", "pass", "", "def test_0(kernel): assert False"),
}
FILE = """
import pytest
from hotremove.errors import *
from hotremove.pins.holder import PinRefused

@pytest.fixture
def falls():
    yield
    assert False, "left behind"

{before}

{marks}
def test_it(kernel, {fixture}):
    {body}
"""


def test_the_table_is_tested_whole() -> None:
    assert sorted([*SCENARIOS, *LIVE, *OVERDUE]) == sorted(TABLE)


@pytest.fixture
def ended(run, pytester: pytest.Pytester, kernel_image: Path, tmp_path: Path, monkeypatch):
    """`ended(name)`: run the scenario of that name; its exit code, and the folder of its run."""
    monkeypatch.setattr("hotremove.session.farm.Farm.prepare", lambda farm: None)
    monkeypatch.setattr("hotremove.plugin.reporting.header", lambda farm: [])

    def go(name: str, *words: str):
        told = SCENARIOS[name]
        marks, body, fixture, before = (*(told if isinstance(told, tuple) else ("", told)), "", "")[
            :4
        ]
        if fixture == "pinner":
            marks, words = "pytest.mark.pins('pin_hold')", ("--without", "modules", *words)
        decorated = "".join(f"@{mark}\n" for mark in re.split(r", (?=pytest)", marks) if mark)
        file = FILE.format(marks=decorated, body=body, fixture=fixture, before=before)
        pytester.makepyfile(test_it=file)
        stop = ("-x",) if before else ()
        kept = tmp_path / "kept"
        words = (*words, *stop, "--artifacts", str(kept), "--junitxml", str(kept / "own.xml"))
        kept.mkdir()
        return run("--kernel", f"image:{kernel_image}", *words), kept

    return go


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_test_ends_as_the_table_says(ended, name: str) -> None:
    done, kept = ended(name)
    wanted = TABLE[name]
    assert str(done.code) in wanted.exit.split(" or "), done.out
    result = read_whole(kept / "results.json").results[-1]
    assert result.verdict == wanted.verdict
    if wanted.pytest != "none":
        assert re.search(rf"\b1 {wanted.pytest}\b", done.out.splitlines()[-1]), done.out
    assert formats(kept) == (wanted.junit, wanted.ktap, wanted.kcidb)
    assert "looked at " in done.out


def formats(kept: Path) -> tuple[str, str, str]:
    """What each format says of the last test."""
    for form in ("junit", "kcidb"):
        assert main(["report", str(kept), f"--{form}", str(kept / form)]) == 0
    case = etree.parse(kept / "junit").findall(".//testcase")[-1]
    elements = [one.tag for one in case if one.tag != "properties"]
    (subtest,) = read_ktap((kept / "results.ktap").read_text().splitlines()).subtests.values()
    ok, _, directive = subtest.results[-1]
    told = json.loads((kept / "kcidb").read_text())["tests"][-1]
    line = f"{'ok' if ok else 'not ok'} {directive}".strip()
    return (*(elements or ["none"]), line, told["status"])


@pytest.mark.parametrize("name", [name for name, one in TABLE.items() if one.verdict == "absent"])
def test_every_format_says_how_much_was_looked_at(ended, name: str) -> None:
    done, kept = ended(name)
    told = "looked at 0 of the 0 rows this kernel allows (1 absent)"
    formats(kept)
    assert told in done.out
    for file in ("report.md", "report.html", "results.ktap", "junit", "kcidb", "own.xml"):
        assert told in (kept / file).read_text().replace("\\", ""), file


def test_the_verdicts_of_the_table_are_those_there_are() -> None:
    from hotremove.verdict.verdict import Verdict

    assert {one.verdict for one in TABLE.values()} == set(Verdict) - {Verdict.SKIP}
    assert all(isinstance(one, Ending) for one in TABLE.values())
