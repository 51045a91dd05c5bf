# SPDX-License-Identifier: Apache-2.0
"""The HTML report as a document; how it looks and behaves is test_formats_browser.py's."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from lxml import html
from report_samples import EVIL, make_record, make_result, old, write_run

from hotremove.errors import DataProblem
from hotremove.formats import html as page
from hotremove.formats.excerpt import excerpt
from hotremove.formats.picture import draw
from hotremove.observe.kernellog.dmesg import find_reports
from hotremove.observe.timeline import Moment
from hotremove.results.source import opened

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def render(directory: Path) -> str:
    with opened(directory) as source:
        return page.render(source)


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run")


def test_nothing_a_guest_printed_becomes_markup(run_dir: Path):
    text = render(run_dir)
    document = html.document_fromstring(text)
    assert not document.xpath("//script | //img | //b | //iframe | //*[@onerror]")
    assert "&lt;script&gt;" in text
    assert "\x1b" not in text
    assert "\x00" not in text


def test_nothing_is_loaded(run_dir: Path):
    document = html.document_fromstring(render(run_dir))
    links = [*document.xpath("//@href"), *document.xpath("//@src")]
    assert all(link.startswith(("#", "data:")) for link in links)
    assert "default-src 'none'" in document.xpath("//meta/@content")[0]


def test_every_link_leads_somewhere(run_dir: Path):
    document = html.document_fromstring(render(run_dir))
    places = document.xpath("//@id")
    assert len(places) == len(set(places))
    for link in document.xpath("//a/@href"):
        assert link[1:] in places


def test_each_cell_leads_to_its_test(run_dir: Path):
    document = html.document_fromstring(render(run_dir))
    (link,) = document.xpath('//table[@class="matrix"]//a[text()="fail (stuck)"]/@href')
    test = document.get_element_by_id(link[1:])
    assert test.get("open") is not None
    assert "0x100009: a page (anon): 1 long-term pin (FOLL_PIN)" in test.text_content()
    assert [rect.get("class") for rect in test.iter("rect")][1::2] == [
        "start",
        "plug",
        "plug",
        "map",
        "pin",
        "remove",
    ]


def test_the_kernels_reports_are_marked_in_its_log(run_dir: Path):
    document = html.document_fromstring(render(run_dir))
    (line,) = document.xpath('//span[@class="splat"][contains(., "Bad page state")]/@id')
    assert document.xpath(f'//li/a[@href="#{line}"]')


def test_the_proof_of_sensitivity_has_a_column(tmp_path: Path):
    proof = make_result(fault="no-migration", outcome="stuck", message="noticed: stuck")
    run_dir = write_run(tmp_path / "run", make_record(proof))
    document = html.document_fromstring(render(run_dir))
    assert document.xpath('//table[@class="matrix"]//th')[3].text == "faults noticed"
    assert document.xpath('//table[@class="matrix"]//td/span/text()') == ["1 of 1"]


def test_plots_are_part_of_the_page(run_dir: Path):
    (run_dir / "stuck" / "pin-cost.png").write_bytes(PIXEL)
    document = html.document_fromstring(render(run_dir))
    (image,) = document.xpath("//img")
    assert image.get("src").startswith("data:image/png;base64,iVBOR")
    assert image.get("alt") == "plot: pin-cost"


def test_a_run_without_evidence_or_results_has_a_page(tmp_path: Path):
    for name, record in (("bare", make_record()), ("empty", type(make_record())(()))):
        (tmp_path / name).mkdir()
        write_run(tmp_path / name, record)
        (tmp_path / name / "stuck" / "removals.json").unlink()
        assert "Memory hot-remove" in render(tmp_path / name)


@pytest.mark.parametrize("name", ["removals.json", "timeline.json"])
@pytest.mark.parametrize("content", ["{", "7", '[{"mechanism": 1}]', "[[1]]", '[{"pins": {}}]'])
def test_damaged_evidence_is_told(run_dir: Path, name: str, content: str):
    (run_dir / "stuck" / name).write_text(content)
    with pytest.raises(DataProblem, match=name):
        render(run_dir)


def test_the_gravest_come_first_and_once():
    results = [
        make_result(verdict="error", message="a typo"),
        old(verdict="fail", message="stuck\nlong text"),
        old(verdict="fail", message="stuck\nother text"),
        make_result(verdict="lost", message="gone"),
        make_result(),
    ]
    views = [page.View(f"t{n}", page.Case(result, None)) for n, result in enumerate(results)]
    assert [view.anchor for view, _ in page.first_to_see(views)] == ["t1", "t3", "t0"]


def test_bars_fill_the_picture():
    bars = draw([Moment("remove by ACPI eject", 2.0, 8.0), Moment("plug 1 MiB", 0.0, 2.0)])
    assert [(bar.kind, bar.x, bar.width) for bar in bars] == [
        ("plug", 0.0, 20.0),
        ("remove", 20.0, 80.0),
    ]
    assert draw([]) == ()
    assert draw([Moment("x", 0.0, 0.0)])[0].width == 0.0


def test_a_long_log_is_cut_around_what_matters():
    log = "\n".join(f"line {n}" for n in range(1, 1001)) + "\nBUG: Bad page state in process x\n"
    lines = excerpt(log, find_reports(log.splitlines()), [500], tail=10)
    assert [line.skipped for line in lines if line.skipped] == [496, 488]
    assert lines[1].text == "line 497"
    assert lines[-1].kind == "splat"
    assert EVIL not in log


def test_what_comes_many_times_is_told_once(run_dir: Path):
    log = run_dir / "stuck" / "dmesg.log"
    text = "\n".join(log.read_text().splitlines()[1:6])
    log.write_text("\n".join(text.replace("100009", f"{0x100000 + n:x}") for n in range(20)))
    document = html.document_fromstring(render(run_dir))
    (report,) = document.xpath(
        '//h3[text()="What the kernel reported"]/following-sibling::ul[1]/li'
    )
    assert report.text_content().endswith(", 20 times")
    (pages,) = document.xpath('//h3[text()="Pages that did not leave"]/following-sibling::ul[1]/li')
    assert pages.text_content().startswith(
        "0x100000, 0x100001, 0x100002, 0x100003, 0x100004 and 15"
    )
