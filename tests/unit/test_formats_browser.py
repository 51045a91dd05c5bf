# SPDX-License-Identifier: Apache-2.0
"""The HTML report in Chromium: no complaint, no request, readable by keyboard and on a phone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import chromium
import pytest
from chromium import expect_quiet, open_page, screen
from report_samples import make_costs, make_record, make_result, write_run
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from hotremove.cli.main import main

pytestmark = chromium.needed


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report over evil evidence, alone in its folder."""
    folder = tmp_path_factory.mktemp("report")
    measured = make_result(test="x.py::measured", costs=make_costs())
    run = write_run(folder / "run", make_record(measured))
    target = folder / "alone" / "report.html"
    target.parent.mkdir()
    assert main(["report", str(run), "--html", str(target)]) == 0
    return target


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    with chromium.running(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


@pytest.fixture
def browser(started: webdriver.Chrome, report: Path) -> webdriver.Chrome:
    """The browser with the report open, and nothing in its logs but what the report caused."""
    screen(started, 1200, 900)
    open_page(started, report)
    return started


def open_all(browser: webdriver.Chrome) -> None:
    for test in browser.find_elements(By.TAG_NAME, "details"):
        browser.execute_script("arguments[0].open = true", test)


def luminance(browser: webdriver.Chrome, element, what: str) -> float:
    """Relative luminance of a CSS colour (WCAG 2)."""
    text = element.value_of_css_property(what)
    channels = [float(n) / 255 for n in text[text.index("(") + 1 : -1].split(",")[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_it_opens_without_a_complaint_or_a_request(browser, report: Path):
    assert browser.title.startswith("Memory hot-remove: 1 fail")
    expect_quiet(browser, report)


def test_the_plot_of_costs_is_drawn(browser):
    plot = browser.find_element(By.CSS_SELECTOR, "img.plot")
    assert browser.execute_script("return arguments[0].naturalWidth", plot) > 300


def test_what_a_guest_printed_does_not_run(browser):
    assert "owned" not in browser.title
    assert browser.find_elements(By.TAG_NAME, "script") == []
    (line,) = browser.find_elements(By.XPATH, '//details//span[contains(., "document.title")]')
    assert line.text.endswith('<script>document.title = "owned"</script>')


@pytest.mark.parametrize("width", [390, 1200])
def test_why_a_cell_is_red_is_seen_without_a_click(browser, width: int):
    screen(browser, width, 844)
    cell = browser.find_element(By.CSS_SELECTOR, "article.red")
    sentence, picture, words = (
        cell.find_element(By.CSS_SELECTOR, what) for what in (".message", "svg", ".log .splat")
    )
    assert all(one.is_displayed() for one in (sentence, picture, words))
    assert picture.size["width"] >= 300
    assert "Bad page state" in words.text
    beside = abs(picture.location["y"] - words.location["y"]) < 60
    assert beside is (width > 600)


def test_the_matrix_is_walked_by_keyboard(browser):
    body = browser.find_element(By.TAG_NAME, "body")
    body.send_keys(Keys.TAB)
    assert browser.switch_to.active_element.text == "To the table"
    reached = []
    for _ in range(20):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        reached.append(browser.switch_to.active_element.text)
    assert "fail (stuck)" in reached
    while browser.switch_to.active_element.text != "fail (stuck)":
        browser.switch_to.active_element.send_keys(Keys.SHIFT + Keys.TAB)
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    assert browser.current_url.endswith("#t4")


def test_a_closed_test_opens_when_a_link_leads_into_it(browser):
    test = browser.find_element(By.ID, "t4")
    browser.execute_script("arguments[0].open = false", test)
    browser.get(browser.current_url.split("#")[0] + "#t4-l8")
    assert browser.find_element(By.ID, "t4-l8").is_displayed()


@pytest.mark.parametrize("width", [320, 390, 768, 1200])
def test_nothing_sticks_out_of_the_page(browser, width: int):
    screen(browser, width, 800)
    open_all(browser)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out(browser, scheme: str):
    screen(browser, 1200, 900, scheme)
    shade = luminance(browser, browser.find_element(By.TAG_NAME, "body"), "background-color")
    assert (shade > 0.5) is (scheme == "light")
    for element in browser.find_elements(
        By.CSS_SELECTOR, ".v, .log .splat, .log .note, .matrix th"
    ):
        pair = [luminance(browser, element, what) for what in ("color", "background-color")]
        contrast = (max(pair) + 0.05) / (min(pair) + 0.05)
        assert contrast >= 4.5, f"{element.text}: contrast {contrast:.1f}"
