# SPDX-License-Identifier: Apache-2.0
"""The HTML report as a document; how it looks and behaves is test_formats_browser.py's."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path

import pytest
from lxml import html
from report_samples import DMESG, EVIL, make_record, make_result, old, write_run

from hotremove.cli.main import main
from hotremove.errors import DataProblem
from hotremove.formats import html as page
from hotremove.formats.excerpt import excerpt
from hotremove.formats.excerpt import words as excerpts
from hotremove.formats.picture import draw, longest
from hotremove.formats.red import red_cells, to_see
from hotremove.formats.view import View
from hotremove.observe.kernellog.dmesg import find_reports
from hotremove.observe.pagedump import DumpedPages
from hotremove.observe.timeline import Moment
from hotremove.results.case import Case
from hotremove.results.source import opened

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


KINDS = ["start", "plug", "plug", "map", "pin", "remove"]


def kinds(element) -> list[str]:
    """The bars of the timelines in it, by how they are coloured."""
    return [rect.get("class") for rect in element.iter("rect")][1::2]


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
    assert kinds(test) == KINDS


def test_a_red_cell_has_its_sentence_its_timeline_and_the_kernels_words(run_dir: Path):
    document = html.document_fromstring(render(run_dir))
    first, *others = document.xpath('//article[@class="red"]')
    assert first.xpath("ancestor::details | .//details") == []
    assert first.xpath('.//p[@class="message"]')[0].text_content().startswith("<script>")
    assert kinds(first) == KINDS
    assert "reported by the kernel" in first.text_content()
    assert first.xpath('.//span[@class="splat"][contains(., "Bad page state")]')
    verdicts = [one.xpath(".//span")[0].text for one in others]
    assert verdicts == ["lost", "error", "blocked", "not-run"]


def test_what_many_red_cells_have_in_common_is_told_once(tmp_path: Path):
    record = make_record(
        *(
            make_result(scenario=f"{n} a row", test=f"t.py::t{n}", verdict="not-run", message="end")
            for n in range(1, 31)
        )
    )
    document = html.document_fromstring(render(write_run(tmp_path / "run", record)))
    (found,) = document.xpath('//article[@class="red"][contains(., "30 tests")]')
    assert "6.1.192: 1 to 30" in found.text_content()
    assert len(found.xpath(".//details//a")) == 30


def test_what_is_new_is_told_where_there_was_a_run_before(run_dir: Path, tmp_path: Path):
    good = make_record()
    before = tmp_path / "before"
    renewed = [replace(one, verdict="pass", outcome="removed") for one in good.results]
    write_run(before, replace(good, results=tuple(renewed), started="2026-01-30T03:00:00+00:00"))
    target = tmp_path / "report.html"
    assert main(["report", str(run_dir), "--since", str(before), "--html", str(target)]) == 0
    document = html.document_fromstring(target.read_text())
    (told,) = document.xpath('//h2[@id="news"]')
    assert told.text == f"New since the run of 2026-01-30 03:00 ({before})"
    rows = document.xpath('//h3[text()="worse"]/following-sibling::div[1]//tbody/tr')
    assert "fail (stuck)" in rows[0].text_content()
    assert "was pass" in document.xpath('//ol[@class="first"]')[0].text_content()
    assert not html.document_fromstring(render(run_dir)).xpath('//h2[@id="news"]')


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
    views = [View(f"t{n}", Case(result, None)) for n, result in enumerate(results)]
    assert [view.anchor for view, _ in to_see(views)] == ["t1", "t3", "t0"]


def test_red_cells_beyond_some_are_told_without_their_evidence(tmp_path: Path):
    (tmp_path / "stuck").mkdir()
    many = [make_result(test=f"t{n}", verdict="fail", message="stuck") for n in range(80)]
    views = [View(f"t{n}", Case(result, tmp_path / "stuck")) for n, result in enumerate(many)]
    (group,) = red_cells([thing for _, thing in to_see(views)], views)
    assert (len(group.shown), len(group.others)) == (60, 20)


def test_a_kernels_words_are_a_report_else_a_page_that_is_named_else_the_end():
    case = Case(make_result(), None)
    assert excerpts("", case.reports, (), "").lines == []
    pages = "\n".join(DMESG.splitlines()[:6])
    dumps = [page.dump for page in DumpedPages.of(pages.splitlines()).pages]
    told = excerpts(pages, (), dumps, "stuck: pfn 0x100009 holds")
    assert told.caption == "dumped by the kernel"
    assert told.lines[0].text.endswith("migrating pfn 100009 failed ret:32768")
    assert told.lines[-1].text.endswith("page dumped because: migration failure")
    report = excerpts(DMESG, find_reports(DMESG.splitlines()), dumps, "stuck: pfn 0x100009 holds")
    assert report.caption == "reported by the kernel"
    assert "Bad page state" in report.lines[0].text
    quiet = excerpts("\n".join(f"line {n}" for n in range(50)), (), (), "")
    assert [line.text for line in quiet.lines] == [f"line {n}" for n in range(44, 50)]


def test_bars_fill_the_picture():
    bars = draw([Moment("remove by ACPI eject", 2.0, 8.0), Moment("plug 1 MiB", 0.0, 2.0)])
    assert [(bar.kind, bar.x, bar.width) for bar in bars] == [
        ("plug", 0.0, 20.0),
        ("remove", 20.0, 80.0),
    ]
    assert [bar.kind for bar in longest(bars, 1)] == ["remove"]
    assert longest(bars, 5) == bars
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
