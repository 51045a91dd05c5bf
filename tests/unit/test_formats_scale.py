# SPDX-License-Identifier: Apache-2.0
"""Sixty kernels by ninety rows in Chromium: pages that open at once, and lead on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import chromium
import pytest
from chromium import expect_quiet, open_page, screen
from report_samples import EVIL, KERNELS, ROWS, make_many
from selenium import webdriver
from selenium.webdriver.common.by import By

from hotremove.analysis.history import History
from hotremove.cli.main import main
from hotremove.formats.html import MOST_INSIDE, render_apart
from hotremove.results.record import Record, write_record
from hotremove.results.source import read

pytestmark = chromium.needed

LARGEST = 15 << 20
# Enough that their details are not on the page itself.
SOME = KERNELS[-6:]
# Seconds. A quiet machine opens each in less than one; this one may have others at work.
SLOWEST = 2.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run, and pages made of it and of a history of sixty such runs."""
    folder = tmp_path_factory.mktemp("many")
    record = make_many(folder / "run")
    assert main(["report", str(folder / "run"), "--html", str(folder / "report.html")]) == 0
    place = str(folder / "h.sqlite")
    with History(place) as history:
        for day, version in enumerate(KERNELS):
            results = tuple(one for one in record.results if one.kernel_label == version)
            history.add(Record(results, f"2026-01-01T{day:02}:00:00+00:00"), version)
    assert main(["history", "--db", place, "page", str(folder / "history.html")]) == 0
    atlas = ["atlas", place, "--html", str(folder / "atlas.html")]
    assert main(atlas) == 1
    return folder


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    with chromium.running(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


@pytest.fixture
def browser(started: webdriver.Chrome, folder: Path) -> webdriver.Chrome:
    """The browser with the report of the run open."""
    screen(started, 1400, 900)
    open_page(started, folder / "report.html")
    return started


def seconds_of_work(browser: webdriver.Chrome, page: Path) -> float:
    """What the page's own thread works until the page stands, without what it waits for others.

    It is counted from the thread's beginning, so that it is never less.
    """
    open_page(browser, page)
    browser.execute_script("return document.documentElement.getBoundingClientRect().height")
    expect_quiet(browser, page)
    browser.execute_cdp_cmd("Performance.enable", {"timeDomain": "threadTicks"})
    metrics = browser.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
    return next(one["value"] for one in metrics if one["name"] == "TaskDuration")


def shown(browser: webdriver.Chrome) -> list[str]:
    """Heads of the rows that can be seen."""
    heads = browser.find_elements(By.CSS_SELECTOR, ".matrix tbody th")
    return [head.text for head in heads if head.is_displayed()]


@pytest.mark.parametrize("name", ["report.html", "history.html", "atlas.html"])
def test_it_is_small_and_opens_at_once(started, folder: Path, name: str):
    page = folder / name
    assert page.stat().st_size <= LARGEST
    worked = max(seconds_of_work(started, page) for _ in range(3))
    assert 0.01 < worked <= SLOWEST


@pytest.mark.parametrize("name", ["report.html", "history.html", "atlas.html"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_sticks_out_on_a_phone(started, folder: Path, name: str, scheme: str):
    screen(started, 390, 844, scheme)
    open_page(started, folder / name)
    assert started.execute_script("return document.documentElement.scrollWidth") <= 390


def test_heads_stay_where_they_are(browser):
    region = browser.find_element(By.CSS_SELECTOR, ".each .tall")
    for choice in ("same", "each"):
        browser.find_element(By.ID, choice).click()
    for place, side in (("thead th:last-of-type", "y"), ("tbody tr:nth-of-type(90) th", "x")):
        head = browser.find_element(By.CSS_SELECTOR, f".each .matrix {place}")
        where = f"return arguments[0].getBoundingClientRect().{side}"
        before = browser.execute_script(where, head)
        browser.execute_script("arguments[0].scrollTo(700, 700)", region)
        assert browser.execute_script(where, head) == before
        browser.execute_script("arguments[0].scrollTo(0, 0)", region)


def test_rows_that_are_alike_are_folded(browser):
    assert shown(browser) == [
        "70 a row whose name is as long as names of rows are",
        "60 rows alike: 0 to 59",
        "29 rows alike: 60 to 69, 71 to 89",
    ]
    browser.find_element(By.ID, "same").click()
    assert len(shown(browser)) == ROWS


def test_kernels_that_are_alike_share_a_column(browser):
    heads = browser.find_elements(By.CSS_SELECTOR, ".matrix thead th")
    assert [head.text for head in heads if head.is_displayed()] == [
        "scenario",
        "6.12.3 to 6.13.48 (30 kernels)",
        "6.13.53 to 6.14.93 (29 kernels)",
        "6.14.98",
    ]
    browser.find_element(By.ID, "each").click()
    assert sum(head.is_displayed() for head in heads) == 61


def test_rows_are_filtered_by_verdict(browser):
    browser.find_element(By.ID, "only-fail").click()
    assert [name.split()[0] for name in shown(browser)] == ["70"]
    browser.find_element(By.ID, "only-known-bug").click()
    assert len(shown(browser)) == ROWS - 60
    # One that is folded is found by what it is folded for.
    browser.find_element(By.ID, "only-pass").click()
    assert len(shown(browser)) == ROWS


def test_a_row_leads_to_what_it_showed_where(browser):
    browser.find_element(
        By.LINK_TEXT, "70 a row whose name is as long as names of rows are"
    ).click()
    (row,) = browser.find_elements(By.CSS_SELECTOR, "details.scenario:target")
    told = browser.execute_script("return arguments[0].textContent", row)
    assert KERNELS[-1] in told
    assert "known-bug (stuck)" in told


def test_a_cell_leads_to_its_test(browser, folder: Path):
    browser.find_element(By.ID, "each").click()
    (cell,) = browser.find_elements(By.CSS_SELECTOR, ".each .matrix a.v-fail")
    assert cell.get_attribute("title") == f"{KERNELS[-1]}: fail (stuck)"
    cell.click()
    assert f"/report-tests/60-{KERNELS[-1]}.html#t" in browser.current_url
    (test,) = browser.find_elements(By.CSS_SELECTOR, "details.test:target")
    assert "<script>alert(1)</script>" in test.text
    assert browser.find_elements(By.TAG_NAME, "script") == []
    browser.find_element(By.LINK_TEXT, "All kernels").click()
    assert browser.current_url == (folder / "report.html").as_uri()


def test_details_of_few_tests_are_in_the_page_itself(tmp_path: Path):
    record = make_many(tmp_path / "run", SOME)
    few = Record(record.results[:MOST_INSIDE])
    write_record(tmp_path / "run", few)
    assert main(["report", str(tmp_path / "run"), "--html", str(tmp_path / "few.html")]) == 0
    assert not (tmp_path / "few-tests").exists()
    assert 'id="t1"' in (tmp_path / "few.html").read_text()


def test_a_file_in_the_place_of_the_details_is_told(tmp_path: Path, capsys):
    make_many(tmp_path / "run", SOME)
    (tmp_path / "report-tests").write_text("")
    assert main(["report", str(tmp_path / "run"), "--html", str(tmp_path / "report.html")]) == 4
    assert "report-tests: File exists" in capsys.readouterr().err
    assert not (tmp_path / "report.html").exists()


def test_names_of_kernels_are_names_of_files(tmp_path: Path):
    record = make_many(tmp_path / "run", SOME)
    evil = tuple(replace(one, kernel_label=f"../{EVIL}"[:200]) for one in record.results)
    source = replace(read(tmp_path / "run", "x"), record=replace(record, results=evil))
    for name in render_apart(source, "report.html"):
        assert ".." not in Path(name).parts
        assert name.count("/") <= 1
