# SPDX-License-Identifier: Apache-2.0
"""Results of real runs in every form: each is held against its schema, a reader or a browser.

The short version runs two scenarios on an unfixed and on a fixed kernel; at night it is the whole
suite, proved, on three.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import chromium
import kcidb_io
import pytest
from ktap_reader import read_ktap
from lxml import etree
from run_harness import CHECKOUT

from hotremove.analysis.timing import by_test
from hotremove.results.naming import title
from hotremove.results.record import Record, read_whole
from hotremove.results.source import opened

pytestmark = [pytest.mark.live, pytest.mark.takes(40)]

JUNIT = etree.XMLSchema(file=str(CHECKOUT / "tests/unit/junit.xsd"))
SHORT = (
    "-k",
    "under_an_rdma_memory_region or nothing_of_unpinned_memory",
    "--hotremove-removal-deadline=5",
)
RUNS = {
    "two scenarios": (("bullseye", "bookworm"), SHORT),
    "the suite": (("bullseye", "bookworm", "trixie"), ("--hotremove-prove",)),
}
FIX = "d1e153fea2a8"
# What a second is in that nothing else has.
PHASES = ("set up", "scenario", "tear down")


@dataclass(frozen=True)
class Runs:
    """A finished run for each kernel, by suite, and what `hotremove` makes of them."""

    folder: Path

    def hotremove(self, *words: str | Path, code: int = 0) -> str:
        """What a command prints on standard output, if it ends with `code`."""
        command = [sys.executable, "-m", "hotremove.cli", *map(str, words)]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True)
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout or done.stderr

    def record(self, suite: str) -> Record:
        return read_whole(self.folder / suite / "results.json")

    @property
    def suites(self) -> list[str]:
        return sorted(path.parent.name for path in self.folder.glob("*/results.json"))


@pytest.fixture(
    scope="module",
    params=["two scenarios", pytest.param("the suite", marks=pytest.mark.nightly)],
)
def runs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    suites, words = RUNS[request.param]
    made = Runs(tmp_path_factory.mktemp("runs"))
    for suite in suites:
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-m", "hotremove"]
        command += [
            "scenarios",
            f"--hotremove-kernel=debian:{suite}",
            f"--hotremove-artifacts={made.folder / suite}",
        ]
        command += [f"--junitxml={made.folder / suite}.xml", *words]
        done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True)
        assert done.returncode == (suite == "bullseye"), done.stdout + done.stderr
    return made


def test_junit_fits_its_schema(runs: Runs) -> None:
    for suite in runs.suites:
        runs.hotremove("report", suite, "--junit", f"{suite}-own.xml")
        results = runs.record(suite).results
        for file in (f"{suite}.xml", f"{suite}-own.xml"):
            document = etree.parse(runs.folder / file)
            JUNIT.assertValid(document)
            assert document.xpath("count(//testcase)") == len(results)
            verdicts = document.xpath('//property[@name="verdict"]/@value')
            assert sorted(verdicts) == sorted(result.verdict for result in results)


def test_ktap_is_read_by_a_parser(runs: Runs) -> None:
    for suite in runs.suites:
        told = read_ktap((runs.folder / suite / "results.ktap").read_text().splitlines())
        (kernel,) = told.subtests.values()
        assert len(kernel.results) == len(runs.record(suite).results)
        assert [ok for ok, *_ in told.results] == [suite != "bullseye"]


def test_kcidb_io_takes_it(runs: Runs) -> None:
    for suite in runs.suites:
        document = json.loads(runs.hotremove("report", suite, "--kcidb", "-"))
        kcidb_io.schema.V5_3.validate(document)
        statuses = {test["status"] for test in document["tests"]}
        failed = {result.verdict for result in runs.record(suite).results} & {"fail", "known-bug"}
        assert ("FAIL" in statuses) is bool(failed)
        assert len(document["tests"]) == len(runs.record(suite).results)


@chromium.needed
def test_the_pages_open_in_a_browser_in_silence(runs: Runs, tmp_path: Path) -> None:
    with chromium.running(tmp_path / "profile") as browser:
        for suite in runs.suites:
            page = tmp_path / f"{suite}.html"
            runs.hotremove("report", suite, "--html", page)
            chromium.open_page(browser, page)
            chromium.expect_quiet(browser, page)
            assert browser.title.startswith("Memory hot-remove: ")
            shown = browser.find_elements("css selector", "details.test")
            assert len(shown) == len(runs.record(suite).results)


def test_qualify_says_which_change_is_missing_and_signs_off_what_was_looked_at(runs: Runs) -> None:
    bad = runs.hotremove("qualify", "debian:bullseye", "--results", "bullseye", code=1)
    sentence = next(line for line in bad.splitlines() if "does not qualify" in line)
    assert f"It lacks {FIX} (5.13), mm/gup: migrate pinned pages out of movable zone" in (
        sentence.replace(
            "8e3560d963d2 (5.13), mm: honor PF_MEMALLOC_PIN for all movable pages; ", ""
        )
    )
    for suite in set(runs.suites) - {"bullseye"}:
        code, decision = _fit(runs.record(suite))
        good = runs.hotremove("qualify", f"debian:{suite}", "--results", suite, code=code)
        assert f"(debian:{suite}): {decision}; looked at " in good


def _fit(record: Record) -> tuple[int, str]:
    """How a kernel with the fix is judged: a part of the suite signs nothing off."""
    if record.left_out:
        return 3, "no verdict"
    known = any(result.verdict == "known-bug" for result in record.results)
    return (1, "does not qualify") if known else (0, "qualifies")


def test_compare_lists_each_difference(runs: Runs) -> None:
    old, new = runs.record("bullseye").results, runs.record("bookworm").results
    failed = sum(one.verdict == "fail" for one in old)
    assert failed
    assert not [one for one in new if one.verdict == "fail"]
    better = json.loads(runs.hotremove("compare", "bullseye", "bookworm", "--json"))
    assert len(better["fixes"]) == failed
    assert better["regressions"] == []
    worse = runs.hotremove("compare", "bookworm", "bullseye", code=1)
    assert f"{failed} regression" in worse
    assert "no difference" in runs.hotremove("compare", "bookworm", "bookworm")


def test_each_second_of_a_test_is_in_its_timeline_under_a_name(runs: Runs) -> None:
    for suite in runs.suites:
        with opened(runs.folder / suite) as source:
            tests = {test.row: test for test in by_test(source.cases)}
            took = {title(case.result): case.result.duration_s for case in source.cases}
        assert {row for row, seconds in took.items() if seconds > 1} <= tests.keys() <= took.keys()
        for row, test in tests.items():
            assert 0.95 * took[row] < test.seconds < took[row] + 1
            phases = [one.seconds for one in test.spans if one.name in PHASES]
            # A quarter, or what pytest itself takes on a busy machine for a test of half a second.
            assert sum(phases) < max(test.seconds / 4, 0.25), test.spans
        first = f"{len(tests)} tests"
        assert runs.hotremove("time", suite).splitlines()[0].endswith(first)


def test_a_bundle_is_as_good_as_the_run_until_a_byte_flips(runs: Runs, tmp_path: Path) -> None:
    bundle = tmp_path / "bookworm.tar.zst"
    runs.hotremove("bundle", "bookworm", "--output", bundle)
    assert "all as they were packed" in runs.hotremove("verify", bundle)
    assert "no difference" in runs.hotremove("compare", "bookworm", bundle)
    data = bytearray(bundle.read_bytes())
    data[len(data) // 2] ^= 1
    bundle.write_bytes(data)
    for words in (("verify", bundle), ("compare", "bookworm", bundle), ("report", bundle)):
        told = runs.hotremove(*words, code=2)
        assert len(told.splitlines()) == 1
        assert str(bundle) in told


@pytest.mark.parametrize("damage", ["truncated", "newer"])
def test_a_damaged_or_newer_record_is_refused(runs: Runs, tmp_path: Path, damage: str) -> None:
    text = (runs.folder / "bookworm" / "results.json").read_text()
    newer = text.replace('"schema": 3', '"schema": 4')
    (tmp_path / "results.json").write_text(newer if damage == "newer" else text[:-20])
    for words in (("report", tmp_path), ("compare", tmp_path, "bookworm"), ("bundle", tmp_path)):
        told = runs.hotremove(*words, code=2)
        assert len(told.splitlines()) == 1
