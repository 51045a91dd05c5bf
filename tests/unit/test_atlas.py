# SPDX-License-Identifier: Apache-2.0
"""The atlas: which rows change between kernels, what explains it, and what nothing explains."""

from __future__ import annotations

from pathlib import Path

import pytest
from lxml import html
from report_samples import EVIL, make_result

from hotremove.analysis.atlas.atlas import Atlas, chart
from hotremove.analysis.atlas.patched import patched_turns
from hotremove.analysis.atlas.shown import showings
from hotremove.analysis.atlas.sight import sights
from hotremove.analysis.history import FiledRun, History
from hotremove.cli.main import main
from hotremove.formats.atlas_page import Origin, render_html, render_markdown
from hotremove.formats.lineage_page import render_table
from hotremove.kernels.offers.offer import Offer
from hotremove.results.record import Record, Result

ORIGIN = Origin("hotremove atlas h.sqlite", "2026-02-01", 2)
ROW_21 = "21 locked on fault on one CPU, pinned on another"
ROW_22 = "22 two pin the same memory at once"
REFUSED = "[Errno 12] Cannot allocate memory"
NO_HEADERS = (
    "linux-headers-6.12.43+deb12-amd64 is not in bookworm-backports any more: --without modules"
)


def result(version: str, scenario: str = ROW_21, **changed) -> Result:
    """A row of a kernel, as a run by the lineage's expectations records it."""
    label = version.partition("-")[0]
    facts = {
        "kernel": f"debian:trixie-backports/{version}",
        "kernel_version": version,
        "kernel_label": label,
        "scenario": scenario,
        "test": f"s.py::test_{scenario.partition(' ')[0]}[{label}]",
    }
    return make_result(**{**facts, **changed})


def run(number: int, *results: Result) -> FiledRun:
    environment = {"command": f"pytest -m hotremove --run {number}"}
    started = f"2026-01-{number:02}T03:00:00+00:00"
    return FiledRun(number, f"run {number}", Record(results, started, environment))


def atlas(*results: Result, gone: tuple[Offer, ...] = ()) -> Atlas:
    return chart(sights([run(1, *results)]), gone)


def explained(found: Atlas) -> list[tuple[str, str, str]]:
    """Kernels and reasons of each change; hashes stand for the reasons they are."""
    return [
        (*turn.kernels, " ".join(one.hash for one in turn.why.changes) or str(turn.why))
        for row in found.turning
        for turn in row.turns
    ]


def known(version: str, scenario: str = ROW_21, **changed) -> Result:
    return result(version, scenario, verdict="known-bug", outcome="", message=REFUSED, **changed)


def test_a_failure_that_goes_is_explained_by_what_mends_it():
    """As it was seen: 6.12.43 and 6.16.3 fail row 21, 6.12.57 and 6.16.12 pass it."""
    found = atlas(
        known("6.12.43-1~bpo12+1"),
        result("6.12.57-1~bpo12+1"),
        known("6.16.3-1~bpo13+1"),
        result("6.16.12-1~bpo13+1"),
        result("6.17.13-1~bpo13+1"),
    )
    assert explained(found) == [
        ("6.12.43-1~bpo12+1", "6.12.57-1~bpo12+1", "98c6d259319e"),
        ("6.12.57-1~bpo12+1", "6.16.3-1~bpo13+1", "98c6d259319e"),
        ("6.16.3-1~bpo13+1", "6.16.12-1~bpo13+1", "98c6d259319e"),
    ]
    assert not found.findings


def test_a_failure_that_comes_is_explained_by_what_broke_it():
    stuck = {"verdict": "known-bug", "outcome": "stuck"}
    found = atlas(
        result("6.12.13-1", ROW_22),
        result("6.12.35-1", ROW_22, **stuck),
        result("6.12.36-1", ROW_22),
    )
    assert explained(found) == [
        ("6.12.13-1", "6.12.35-1", "1aaf8c122918"),
        ("6.12.35-1", "6.12.36-1", "517f496e1e61"),
    ]


def test_the_fix_explains_what_an_unfixed_kernel_fails():
    old = result("5.10.262-1", "1 rxe memory region held", verdict="known-bug", outcome="stuck")
    found = atlas(old, result("6.1.192-2", "1 rxe memory region held"))
    assert explained(found) == [("5.10.262-1", "6.1.192-2", "d1e153fea2a8")]


@pytest.mark.parametrize("verdict", ["fail", "known-bug"])
def test_a_failure_that_the_lineage_does_not_know_is_a_finding(verdict: str):
    """6.17.8 has the mend of row 21, and so has 6.17.13."""
    found = atlas(
        result("6.17.8-1"), result("6.17.13-1", verdict=verdict, outcome="stuck", message="stuck")
    )
    assert explained(found) == [("6.17.8-1", "6.17.13-1", "unexplained: a finding")]
    assert len(found.findings) == 1


def test_a_pass_where_the_lineage_knows_of_a_bug_is_a_finding():
    """6.16.3 should fail row 21 as 6.12.43 does."""
    found = atlas(known("6.12.43-1"), result("6.16.3-1"))
    assert [turn.why.is_finding for turn in found.findings] == [True]


@pytest.mark.parametrize(
    "message",
    [
        "the known bug did not show: 6.16.3 has 2fbb0c10d1e8, yet the scenario passes",
        "stuck; not as the known bug shows: 6.16.3 has 2fbb0c10d1e8",
    ],
)
def test_what_is_otherwise_than_the_lineage_foretells_is_a_finding(message: str):
    found = atlas(result("6.12.57-1"), result("6.16.3-1", verdict="fail", message=message))
    assert len(found.findings) == 1


def test_another_ending_of_a_pass_is_explained_by_what_shows_it():
    row = "16 file (ext4) pinned for writing"
    found = atlas(result("6.1.192-2", row), result("6.12.57-1", row, outcome="refused"))
    assert explained(found) == [("6.1.192-2", "6.12.57-1", "8ac268436e6d a6e79df92e4a")]


def test_a_control_is_touched_by_no_bug():
    row = "21 control: not locked"
    found = atlas(known("6.12.43-1", row), result("6.12.57-1", row))
    assert len(found.findings) == 1


def test_what_a_configuration_lacks_is_its_own_proof():
    row = "28 control: the memfd is on node 0"
    absent = {"verdict": "absent", "outcome": "", "message": "CONFIG_UDMABUF is not set"}
    found = atlas(result("6.1.192-2", row, **absent), result("6.12.57-1", row))
    assert explained(found) == [("6.1.192-2", "6.12.57-1", "absent: CONFIG_UDMABUF is not set")]
    assert not found.findings


def test_a_kernel_without_it_says_nothing_of_the_bug_that_the_next_one_lacks():
    """udmabuf: 6.1 is built without it, and would have the bug that 89c1905d9c14 mends."""
    row = "28 udmabuf of a memfd held"
    absent = {"verdict": "absent", "outcome": "", "message": "CONFIG_UDMABUF is not set"}
    found = atlas(result("6.1.192-2", row, **absent), result("6.12.57-1", row))
    assert explained(found) == [("6.1.192-2", "6.12.57-1", "absent: CONFIG_UDMABUF is not set")]


def test_what_came_with_a_change_is_explained_by_it():
    row = "29 on-demand memory region held"
    absent = {"verdict": "absent", "outcome": "", "message": "no IBV_ODP_SUPPORT"}
    found = atlas(result("6.12.57-1", row, **absent), result("6.16.3-1", row))
    assert explained(found) == [("6.12.57-1", "6.16.3-1", "d03fb5c6599e")]


def test_that_nothing_was_there_before_excuses_no_failure():
    row = "29 on-demand memory region held"
    absent = {"verdict": "absent", "outcome": "", "message": "no IBV_ODP_SUPPORT"}
    found = atlas(result("6.12.57-1", row, **absent), result("6.16.3-1", row, verdict="fail"))
    assert len(found.findings) == 1


@pytest.mark.parametrize("verdict", ["blocked", "lost", "error", "not-run", "waived", "skip"])
def test_where_nobody_looked_nothing_changes(verdict: str):
    """The neighbours of such a kernel are held against each other."""
    found = atlas(
        known("6.12.43-1"),
        result("6.12.48-1", verdict=verdict, message="gone"),
        result("6.12.57-1"),
    )
    assert explained(found) == [("6.12.43-1", "6.12.57-1", "98c6d259319e")]
    assert found.unlooked == {"6.12.48-1": (f"{ROW_21}: {verdict}",)}


@pytest.mark.parametrize(
    ("verdict", "message"), [("blocked", NO_HEADERS), ("waived", "--hotremove-without modules")]
)
def test_a_row_that_needed_modules_and_had_no_headers_is_told_as_that(verdict, message):
    found = atlas(result("6.12.43-1", verdict=verdict, message=message), result("6.12.57-1"))
    assert found.no_headers == {"6.12.43-1": (ROW_21,)}
    assert found.unlooked == {}
    text = render_markdown(found, ORIGIN)
    assert f"## Not looked at for want of headers\n\n- 6.12.43-1: {ROW_21}" in text


def test_the_latest_look_counts_and_no_blindness_takes_its_place():
    runs = [
        run(1, result("6.12.57-1", verdict="fail")),
        run(2, result("6.12.57-1")),
        run(3, result("6.12.57-1", verdict="lost", outcome="")),
    ]
    (row,) = sights(runs).rows.values()
    assert (row["6.12.57-1"].told, row["6.12.57-1"].run) == ("pass (removed)", 2)


def test_runs_with_a_fault_are_not_of_the_kernel():
    assert not sights([run(1, result("6.12.57-1", fault="no-migration"))]).rows


def test_a_kernel_that_was_built_otherwise_is_another_one():
    built = result("6.12.118-1", kernel="debian-source:trixie")
    seen = sights([run(1, result("6.12.118-1"), built)])
    assert seen.kernels == ("6.12.118-1", "6.12.118-1 (debian-source:trixie)")
    assert sights([run(1, result("6.12.118-1"), built)], ["debian"]).kernels == ("6.12.118-1",)


def test_kernels_are_in_the_order_of_their_versions():
    versions = ["6.1.192-2", "6.12.9-1", "6.12.43-1", "6.12.118-1", "6.16.3-1", "7.3.4-1"]
    seen = sights([run(1, *(result(one) for one in reversed(versions)))])
    assert list(seen.kernels) == versions


def test_rows_are_told_by_the_stretches_in_which_they_end_alike():
    found = atlas(*(result(one) for one in ("6.12.57-1", "6.12.63-1")), known("6.12.43-1"))
    (row,) = found.rows
    assert [(one.first, one.last, one.told) for one in row.stretches] == [
        ("6.12.43-1", "6.12.43-1", "known-bug"),
        ("6.12.57-1", "6.12.63-1", "pass (removed)"),
    ]
    assert "| 6.12.57-1 to 6.12.63-1 | pass (removed) | 98c6d259319e (6.17): mm/gup" in (
        render_markdown(found, ORIGIN)
    )


@pytest.fixture
def whole() -> Atlas:
    return atlas(
        known("6.12.43-1"),
        result("6.12.57-1"),
        result("6.12.43-1", ROW_22),
        result("6.12.57-1", ROW_22),
        result("6.12.57-1", "23 pins race with offlining", verdict="fail", message=EVIL),
        result("6.12.43-1", "23 pins race with offlining"),
        gone=(Offer("debian:x/7.0.4-1", "7.0.4-1", lacks=("linux-modules-7.0.4",)),),
    )


def test_the_page_has_changes_findings_and_kernels_that_are_gone(whole: Atlas):
    text = render_html(whole, ORIGIN)
    document = html.document_fromstring(text)
    assert not document.xpath("//script | //b")
    places = document.xpath("//@id")
    assert len(places) == len(set(places))
    assert all(link[1:] in places for link in document.xpath("//a/@href"))
    assert document.xpath('count(//tr[@class="same"])') == 1
    told = document.text_content()
    for wanted in ("unexplained: a finding", "98c6d259319e", "7.0.4-1: linux-modules-7.0.4"):
        assert wanted in told


def test_markdown_has_them_too_and_escapes(whole: Atlas):
    text = render_markdown(whole, ORIGIN)
    assert "## Findings: 1 changes" in text
    assert "<script>" not in text
    assert "| 7.0.4-1 | linux-modules-7.0.4 |" in text
    assert f"- {ROW_22}: pass (removed)" in text


def test_the_lineages_table_has_a_kernel_on_each_side_or_the_reason(whole: Atlas):
    told = {(one.change.hash, one.row): one for one in showings(whole)}
    assert told["2fbb0c10d1e8", 21].turns[0].kernels == ("6.12.43-1", "6.12.57-1")
    alike = "all kernels that were looked at are without the bug"
    for commit in ("1aaf8c122918", "d1e153fea2a8"):
        assert told[commit, 22].reason.startswith(alike)
    assert told["d1e153fea2a8", 1].reason.startswith("no kernel was looked at")
    text = render_table(whole, ORIGIN, [run(1)])
    wanted = (
        "| 2fbb0c10d1e8 (5.18) | 21 | 6.12.43-1: known-bug | 6.12.57-1: pass (removed)"
        " | 2026-01-01 | ./lab hotremove --expect lineage"
        " --kernel debian:trixie-backports/6.12.43-1 --kernel debian:trixie-backports/6.12.57-1 |"
    )
    assert wanted in text
    table = text.partition("## Kernels on each side")[2].partition("##")[0]
    assert "|  |" not in table


def test_a_row_that_fails_for_two_reasons_names_the_other():
    """5.10 and 6.1 both fail row 11, and only one of them for want of the fix."""
    row = "11 hugetlb, with a free pool on node 0"
    found = atlas(
        result("5.10.262-1", row, verdict="known-bug", outcome="stuck"),
        result("6.1.192-2", row, verdict="known-bug", outcome="stuck"),
    )
    told = {(one.change.hash, one.row): one for one in showings(found)}
    wanted = "where it is whole the row fails for 4849807114b8"
    assert told["d1e153fea2a8", 11].reason == wanted


def test_the_command_writes_all_of_it(tmp_path: Path, capsys):
    place = str(tmp_path / "h.sqlite")
    with History(place) as history:
        history.add(run(1, known("6.12.43-1"), result("6.12.57-1")).record, "a")
    files = {name: tmp_path / f"{name}.out" for name in ("markdown", "html", "lineage")}
    words = [word for name, path in files.items() for word in (f"--{name}", str(path))]
    assert main(["atlas", place, *words]) == 0
    assert "2 kernels, 1 rows change, 0 changes are unexplained" in capsys.readouterr().out
    assert "98c6d259319e" in files["markdown"].read_text()
    assert "Made by `hotremove atlas h.sqlite`" in files["lineage"].read_text()
    with History(place) as history:
        history.add(run(2, result("6.12.63-1", verdict="fail")).record, "b")
    assert main(["atlas", place]) == 1


def test_a_history_that_is_none_is_one_line(tmp_path: Path, capsys):
    (tmp_path / "x").write_bytes(b"not a database " * 100)
    assert main(["atlas", str(tmp_path / "x")]) == 2
    assert main(["atlas", str(tmp_path / "none")]) == 2
    assert not (tmp_path / "none").exists()
    assert len(capsys.readouterr().err.splitlines()) == 2


LOST = (
    "books: the machine: 7.9 MiB are neither free nor in any account of /proc/meminfo,"
    " expected at most 1 MiB (held until the end: pid 160, a vfio DMA mapping of 4 MiB)"
)


@pytest.mark.parametrize("verdict", ["fail", "known-bug"])
@pytest.mark.parametrize("row", ["2 vfio DMA mapping held", "2 control: nothing pinned"])
def test_a_bug_that_spoils_any_row_explains_each(verdict: str, row: str):
    """As it was seen: every removal on 6.18.15 loses the struct pages."""
    known = f"{LOST} [known: 6.18.15 has bf9e4e30f353 (6.19)]"
    message = LOST if verdict == "fail" else known
    found = atlas(
        result("6.17.13-1", row),
        result("6.18.15-1", row, verdict=verdict, message=message),
        result("7.2.12-1", row),
    )
    assert [why for *_, why in explained(found)] == ["bf9e4e30f353"] * 2
    told = [one for one in showings(found) if one.change.hash == "bf9e4e30f353"]
    assert [(one.row, len(one.turns)) for one in told] == [(0, 2)]
    assert "| bf9e4e30f353 (6.19) | any | 6.17.13-1: pass" in render_table(found, ORIGIN, [run(1)])


def test_more_than_that_bug_loses_is_a_finding():
    worse = LOST.replace("7.9", "70.9")
    found = atlas(result("6.17.13-1"), result("6.18.15-1", verdict="fail", message=worse))
    assert len(found.findings) == 1


def test_a_kernel_for_another_processor_is_another_one():
    other = result("6.12.118-1", kernel="debian:trixie@arm64/6.12.118-1")
    seen = sights([run(1, result("6.12.118-1"), other)])
    assert seen.kernels == ("6.12.118-1", "6.12.118-1 (debian:trixie@arm64/6.12.118-1)")


def test_a_proof_does_not_tell_of_one_run():
    why = (
        "the kernel moved all pages: removed: node 1 gave its memory back in {} s: pid {}, a region"
    )
    stuck = {"verdict": "pass", "outcome": "stuck"}
    found = atlas(
        *(
            one
            for row, facts in (("5 a", (0.26, 129)), ("5 b", (0.16, 31)))
            for one in (
                result("5.10.262-1", row, **stuck),
                result("6.1.192-2", row, verdict="not-applicable", message=why.format(*facts)),
            )
        )
    )
    told = {str(turn.why) for row in found.turning for turn in row.turns}
    assert len(told) == 1
    assert "gave its memory back: a region" in told.pop()


PATCHED = "debian-source:trixie+patch:tests/lineage/94efde1d1539.patch"
ROW_12 = "12 hugetlb, without a pool elsewhere: removed or -ENOMEM"


def shown_by_patch(*results: Result, commit: str = "94efde1d1539") -> list[tuple[str, str]]:
    runs = [run(1, *results)]
    told = showings(chart(sights(runs, ["debian"])), patched_turns(runs))
    return [turn.kernels for one in told if one.change.hash == commit for turn in one.turns]


def test_a_patch_shows_an_entry_that_no_two_releases_show():
    plain = result("6.12.118-1", ROW_12)
    patched = result("6.12.118-1", ROW_12, kernel=PATCHED, verdict="fail", message="an oops")
    assert shown_by_patch(plain, patched) == [("6.12.118-1", f"6.12.118-1 ({PATCHED})")]
    text = render_table(chart(sights([run(1, plain)])), ORIGIN, [run(1, plain, patched)])
    assert f"--expect strict --kernel {plain.kernel} --kernel {PATCHED}" in text


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"verdict": "blocked"},
        {"verdict": "fail", "scenario": ROW_22},
        {"verdict": "fail", "kernel": f"{PATCHED}+patch:more.patch"},
        {"verdict": "fail", "kernel": "debian-source:trixie+patch:tests/faults/6.12"},
        {"verdict": "fail", "version": "6.12.117-1"},
    ],
)
def test_a_patched_kernel_that_shows_nothing_of_an_entry(changed: dict):
    facts = {"version": "6.12.118-1", "scenario": ROW_12, "kernel": PATCHED, **changed}
    assert not shown_by_patch(result("6.12.118-1", ROW_12), result(**facts))


def test_rows_that_change_alike_share_a_line():
    text = render_markdown(
        atlas(*(result(v, f"{row} x", **how) for row in (1, 2) for v, how in STUCK)), ORIGIN
    )
    assert "| 1 x; 2 x | 5.10.262-1 | known-bug (stuck) |" in text
    assert "| 5.10.262-1 to 6.1.192-2 | d1e153fea2a8 (5.13): mm/gup: migrate" in text
    assert " | 1, 2 | 2 |" in text


STUCK = (("5.10.262-1", {"verdict": "known-bug", "outcome": "stuck"}), ("6.1.192-2", {}))
OFFERS = (
    Offer("debian:x/6.12.43-1", "6.12.43-1", modules=False),
    Offer("debian:x/6.12.48-1", "6.12.48-1", lacks=("linux-modules",)),
    Offer("debian:x/6.12.57-1", "6.12.57-1"),
    Offer("debian:x/7.3.4-1", "7.3.4-1"),
)


def reason(found: Atlas, commit: str, row: int) -> str:
    return next(
        one.reason for one in showings(found) if (one.change.hash, one.row) == (commit, row)
    )


def test_a_reason_names_the_kernels_that_might_show_it():
    found = chart(sights([run(1, result("6.12.57-1"))]), OFFERS)
    assert [one.version for one in found.waiting] == ["6.12.43-1", "7.3.4-1"]
    assert reason(found, "2fbb0c10d1e8", 21) == (
        "all kernels that were looked at are without the bug; not run yet: debian:x/6.12.43-1;"
        " gone from the archive in part: debian:x/6.12.48-1"
    )
    without = chart(sights([run(1, result("6.12.57-1", ROW_22))]), OFFERS[2:])
    assert reason(without, "1aaf8c122918", 22) == (
        "all kernels that were looked at are without the bug;"
        " the archive has no kernel of the other side"
    )
    assert "the fault off-lru does the same" in render_table(without, ORIGIN, [run(1)])
    text = render_markdown(found, ORIGIN)
    assert "## Kernels that were not run\n\n- debian:x/6.12.43-1\n- debian:x/7.3.4-1" in text
    assert "not run" in render_html(found, ORIGIN)


def test_a_reason_names_kernels_without_headers():
    row = "26 more than 2 GiB by one pin_user_pages()"
    found = atlas(
        result("6.17.13-1", row, verdict="waived", message="--hotremove-without modules"),
        result("7.3.4-1", row),
    )
    assert "; needs modules, and there are no headers of 6.17.13-1" in (
        reason(found, "53ba78de064b", 26)
    )
