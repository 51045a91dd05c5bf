# SPDX-License-Identifier: Apache-2.0
"""What pins cost, told on the terminal, in Markdown, as a page and as a picture."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path

import pytest
from lxml import etree, html
from report_samples import EVIL, make_costs, make_record, make_result, old, write_run

from hotremove.errors import DataProblem
from hotremove.formats.outputs import FORMATS, write_beside
from hotremove.pincost import figures
from hotremove.pincost.plot import draw
from hotremove.results.naming import costs_by_kernel
from hotremove.results.record import Record, read_whole, write_record
from hotremove.results.source import Source

RESULTS = (make_result(costs=make_costs()), old(costs=make_costs(300)))


def source(tmp_path: Path, *results) -> Source:
    return Source("run", Record(tuple(results)), tmp_path)


def test_a_line_tells_each_kernel(tmp_path: Path):
    fixed, unfixed = figures.lines(costs_by_kernel(RESULTS))
    assert fixed == (
        "pin cost, 6.1.192: rdma 7,500 instructions a page in ZONE_MOVABLE; 300 elsewhere; growing "
        "as size^1.000; 300 GiB: 590 (590 to 590)e9; 2.00 passes; 64 drains a GiB"
    )
    assert unfixed.startswith("pin cost, 5.10.262: rdma 300 instructions")
    assert not list(figures.lines(costs_by_kernel([make_result()])))


def test_what_several_tests_measured_is_told_once():
    twice = (*RESULTS, make_result(test="another", costs=make_costs()))
    assert figures.table(costs_by_kernel(twice)) == figures.table(costs_by_kernel(RESULTS))
    assert [row[0] for row in figures.table(costs_by_kernel(RESULTS))] == [
        *("kernel", "6.1.192", "6.1.192", "5.10.262", "5.10.262")
    ]


def test_what_was_refused_is_told_without_a_figure():
    facts = {"instructions": 0, "refused": "ibv_reg_mr: Cannot allocate memory"}
    refused = tuple(replace(one, **facts) for one in make_costs())
    heading, *rows = figures.table(costs_by_kernel([make_result(costs=refused)]))
    assert [row[:4] for row in rows] == [
        ["6.1.192", f"rdma anon {zone}", "", "refused: ibv_reg_mr: Cannot allocate memory"]
        for zone in ("Movable", "Normal")
    ]
    assert {len(row) for row in rows} == {len(heading)}
    assert not list(figures.lines(costs_by_kernel([make_result(costs=refused)])))


def test_costs_survive_the_record(tmp_path: Path):
    written = write_record(tmp_path, Record(tuple(RESULTS)))
    assert read_whole(written).results == RESULTS


@pytest.mark.parametrize(
    "change",
    [{"mib": 0}, {"mib": "x"}, {"instructions": -1}, {"path": None}, {"drains": "many"}],
)
def test_a_record_with_impossible_costs_is_refused(tmp_path: Path, change):
    written = write_record(tmp_path, Record(tuple(RESULTS)))
    document = json.loads(written.read_text())
    document["results"][0]["costs"][0].update(change)
    written.write_text(json.dumps(document))
    with pytest.raises(DataProblem, match="not a record of a run"):
        read_whole(written)


def test_unknown_fields_of_a_cost_are_passed_over(tmp_path: Path):
    written = write_record(tmp_path, Record(tuple(RESULTS)))
    document = json.loads(written.read_text())
    document["results"][0]["costs"][0]["joules"] = 3
    written.write_text(json.dumps(document))
    assert read_whole(written).results == RESULTS


def test_the_page_has_the_table_and_the_plot_in_itself(tmp_path: Path):
    page = html.fromstring(FORMATS["html"](source(tmp_path, *RESULTS), None))
    (image,) = page.xpath("//img[@class='plot']")
    kind, _, data = image.get("src").partition(";base64,")
    assert kind == "data:image/svg+xml"
    assert etree.fromstring(base64.b64decode(data)).tag.endswith("}svg")
    cells = page.xpath("//h2[@id='costs']/following-sibling::div[1]//tbody/tr[1]/*/text()")
    assert cells[:4] == ["6.1.192", "rdma anon Movable", "16 to 128", "7,500"]


def test_a_run_without_costs_shows_none(tmp_path: Path):
    assert "What a pin costs" not in FORMATS["html"](source(tmp_path, make_result()), None)
    assert "Pin costs" not in FORMATS["markdown"](source(tmp_path, make_result()), None)


def test_markdown_has_the_table(tmp_path: Path):
    lines = FORMATS["markdown"](source(tmp_path, *RESULTS), None).splitlines()
    row = "| 6.1.192 | rdma anon Movable | 16 to 128 | 7,500 | 1.000 ± 0.000 | 2.00 | 64 |"
    assert any(line.startswith(row) for line in lines)


def test_a_kernels_name_cannot_do_harm_in_a_plot():
    one = make_result(kernel_label=f"$x^{{$ {EVIL}", costs=make_costs())
    assert draw(figures.series_of(costs_by_kernel([one])), "svg")


@pytest.mark.parametrize(("form", "magic"), [("png", b"\x89PNG"), ("svg", b"<?xml")])
def test_the_same_figures_make_the_same_picture(form, magic):
    drawn = [draw(figures.series_of(costs_by_kernel(RESULTS)), form) for _ in range(2)]
    assert drawn[0] == drawn[1]
    assert drawn[0].startswith(magic)


def test_there_is_no_picture_of_single_sizes():
    assert (
        draw(
            figures.series_of(costs_by_kernel([make_result(costs=make_costs(sizes=(16,)))])), "png"
        )
        is None
    )


def test_a_plot_lies_beside_the_record_of_what_was_measured(tmp_path: Path):
    measured = write_run(tmp_path / "a", make_record(*RESULTS))
    write_beside(measured / "results.json")
    assert (measured / "pin-cost.png").read_bytes().startswith(b"\x89PNG")
    plain = write_run(tmp_path / "b")
    write_beside(plain / "results.json")
    assert not (plain / "pin-cost.png").exists()
