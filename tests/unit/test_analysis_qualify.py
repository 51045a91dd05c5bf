# SPDX-License-Identifier: Apache-2.0
"""The judgement of a kernel, and the command that gives it."""

from __future__ import annotations

from pathlib import Path

import pytest
from lxml import html
from report_samples import EVIL, make_result, old, whole_run

from hotremove.analysis.qualification import Decision, Status, qualify
from hotremove.cli import qualify as qualify_command
from hotremove.cli.main import main
from hotremove.formats.qualification_page import render_html, render_markdown
from hotremove.results.bundle import verify
from hotremove.results.record import Record, write_record
from hotremove.verdict.scenario_id import catalogue

ROWS = len(catalogue())
FIX, ALLOCATION, LOOP, REVERT = "d1e153fea2a8", "8e3560d963d2", "1aaf8c122918", "517f496e1e61"
LACKS_IT = "stuck: a pin; fixed upstream by d1e153fea2a8 (5.13); ACPI eject did not end"
HAS_IT = "stuck: a pin; the kernel has d1e153fea2a8 (5.13) and left the page there all the same"


UNSEEN = ("lost", "error", "blocked", "not-run", "waived", "skip")


def judge(*results, kernel="debian:bookworm", **more):
    return qualify(Record(tuple(results)), kernel, **more)


def status(found, commit: str) -> Status:
    (entry,) = (one for one in found.entries if one.change.hash == commit)
    return entry.status


def row(number: int, **changed):
    return make_result(scenario=f"{number} a row", **changed)


def test_a_good_kernel_qualifies():
    proof = make_result(fault="no-migration", outcome="stuck")
    found = judge(*whole_run(), proof)
    assert found.decision is Decision.FIT
    assert found.sentence == (
        f"6.1.192-2 (debian:bookworm): qualifies; looked at {ROWS} of the {ROWS} rows this kernel "
        f"allows. Pinned memory leaves when it is asked back: all {ROWS} scenarios passed, and 1 "
        "of 1 runs with a fault noticed it."
    )
    assert status(found, FIX) is Status.PRESENT
    assert status(found, ALLOCATION) is Status.PRESENT


def test_an_unfixed_kernel_lacks_the_change():
    stuck = {"verdict": "fail", "outcome": "stuck", "message": LACKS_IT}
    found = judge(old(**stuck), old(scenario="4 x", **stuck), kernel="debian:bullseye")
    assert found.decision is Decision.UNFIT
    assert "2 of 2 scenarios failed. It lacks" in found.sentence
    assert "d1e153fea2a8 (5.13), mm/gup: migrate pinned pages out of movable zone" in found.sentence
    assert status(found, FIX) is status(found, ALLOCATION) is Status.MISSING


def test_a_change_that_is_there_and_does_not_work_is_broken():
    found = judge(make_result(), row(2, verdict="fail", outcome="stuck", message=HAS_IT))
    assert status(found, FIX) is Status.BROKEN
    assert "Broken in it: d1e153fea2a8" in found.sentence


def test_a_row_that_fails_for_another_change_says_nothing():
    failed = row(4, verdict="fail", outcome="stuck", message=LACKS_IT)
    assert status(judge(failed), ALLOCATION) is Status.UNTESTED
    assert status(judge(failed, lacks=[ALLOCATION]), ALLOCATION) is Status.MISSING


def test_rows_that_ended_alike_are_told_together():
    stuck = {"verdict": "fail", "outcome": "stuck", "message": LACKS_IT}
    found = judge(
        row(14, test="t.py::a[6.1.192-whole]", **stuck),
        row(14, test="t.py::a[6.1.192-part]", **stuck),
        row(2, **stuck),
        row(3, verdict="fail", outcome="", message=LACKS_IT),
    )
    (entry,) = (one for one in found.entries if one.change.hash == FIX)
    assert entry.shown_by == "stuck: 2 a row; 14 a row [whole, part]. fail: 3 a row"


def test_what_the_vendor_says_tells_broken_from_missing():
    failed = old(scenario="28 x", verdict="fail", outcome="", message="ENOMEM")
    for has, wanted in (((), Status.MISSING), (("89c1905d9c14",), Status.BROKEN)):
        found = judge(failed, kernel="debian:bullseye", has=has)
        assert status(found, "89c1905d9c14") is wanted


def test_a_change_that_breaks_until_it_is_reverted():
    def kernel(version: str, verdict: str):
        return judge(row(22, kernel_version=version, kernel_label=f"v{version}", verdict=verdict))

    between, after = kernel("6.1.140", "fail"), kernel("6.1.192", "pass")
    assert (status(between, LOOP), status(between, REVERT)) == (Status.BROKEN, Status.MISSING)
    assert (status(after, LOOP), status(after, REVERT)) == (Status.HARMLESS, Status.PRESENT)
    before = kernel("6.1.100", "pass")
    assert (status(before, LOOP), status(before, REVERT)) == (Status.HARMLESS, Status.UNTESTED)


def test_a_kernel_is_known_by_what_git_says_of_its_commit():
    """By no number at all it would be said to lack what does not work in it."""
    found = judge(row(1, kernel_label="v6.1.140-3-g0123456789ab", verdict="fail"))
    assert status(found, "d1e153fea2a8") is Status.BROKEN


def test_controls_skips_and_lost_guests_show_no_change():
    found = judge(
        make_result(scenario="1 control: nothing pinned"),
        row(2, verdict="skip", message="the kernel lacks CONFIG_VFIO"),
        row(4, verdict="lost"),
    )
    assert status(found, FIX) is Status.UNTESTED
    (entry,) = (one for one in found.entries if one.change.hash == FIX)
    assert entry.shown_by == "2 a row: skip: the kernel lacks CONFIG_VFIO"


@pytest.mark.parametrize(
    "results",
    [
        [],
        whole_run(verdict="skip"),
        whole_run(verdict="absent"),
        whole_run()[:-1],
        [make_result(scenario="1 control: nothing pinned")],
        *([*whole_run(), row(2, verdict=verdict)] for verdict in UNSEEN),
        [*whole_run(), row(2, fault="no-migration", verdict="blocked")],
        [*whole_run(), row(2, attempts=("fail",))],
    ],
)
def test_without_evidence_there_is_no_verdict(results):
    found = judge(*results)
    assert found.decision is Decision.OPEN
    assert found.sentence.count("no verdict; looked at") == 1


def test_rows_that_could_not_be_set_up_sign_nothing_off():
    """One row passes, and all others are skipped: a record of before there were three answers."""
    failed = "rdma link add rxe0 failed"
    results = [row(n, verdict="skip", outcome="", message=failed) for n in catalogue() if n != 8]
    found = judge(row(8), *results)
    assert found.decision is Decision.OPEN
    assert f"looked at 1 of the {ROWS} rows this kernel allows" in found.sentence
    assert f"1 a row: skip: {failed}; 2 a row: skip: {failed}" in found.sentence


def test_rows_that_were_not_selected_sign_nothing_off():
    record = Record(tuple(whole_run()), left_out={"debian:bookworm": 7})
    found = qualify(record, "debian:bookworm")
    assert found.decision is Decision.OPEN
    assert (
        f"{ROWS} of the {ROWS} selected rows this kernel allows (7 not selected)" in found.sentence
    )


def test_what_the_kernel_does_not_have_is_no_gap():
    absent = row(28, verdict="absent", outcome="", message="CONFIG_UDMABUF is not set")
    results = [absent if one.scenario.startswith("28 ") else one for one in whole_run()]
    found = judge(*results)
    assert found.decision is Decision.FIT
    assert (
        f"looked at {ROWS - 1} of the {ROWS - 1} rows this kernel allows (1 absent)"
        in found.sentence
    )


def test_a_bug_that_the_series_is_known_to_have_does_not_qualify():
    known = row(11, verdict="known-bug", message="[known: 6.1.192 lacks 4849807114b8 (6.6)]")
    found = judge(*whole_run(), known)
    assert found.decision is Decision.UNFIT
    assert (
        f"1 of {ROWS + 1} scenarios failed, 1 of them as its series is known to" in found.sentence
    )


def test_a_scenario_that_does_not_notice_signs_nothing_off():
    assert judge(make_result(), make_result(fault="no-migration", verdict="fail")).decision is not (
        Decision.FIT
    )


def test_only_the_kernel_asked_about_counts_and_the_baseline_is_compared():
    stuck = old(verdict="fail", outcome="stuck", message=LACKS_IT)
    found = judge(stuck, make_result(), *whole_run()[1:], baseline="debian:bullseye")
    assert found.decision is Decision.FIT
    assert found.baseline
    assert found.baseline.summary == f"1 fix, {ROWS - 1} new tests"


def test_the_pages_escape_and_say_the_same():
    record = Record((make_result(verdict="fail", message=EVIL), old()))
    found = qualify(record, "debian:bookworm", "debian:bullseye")
    text = render_html(found, record)
    document = html.document_fromstring(text)
    assert not document.xpath("//script")
    assert document.xpath("//h1/span/text()") == ["does not qualify"]
    markdown = render_markdown(found, record)
    assert markdown.startswith("# 6.1.192-2 does not qualify\n")
    for one in found.entries:
        assert one.change.hash in text
        assert one.change.hash in markdown


@pytest.fixture
def suite(monkeypatch: pytest.MonkeyPatch):
    """A suite that takes no time; `suite.results` come out, `suite.commands` went in."""

    class Suite:
        def __init__(self):
            self.results, self.commands, self.code = whole_run(), [], 0

        def run(self, command: list[str]) -> int:
            self.commands.append(command)
            if self.results:
                (word,) = (word for word in command if word.startswith("--hotremove-artifacts="))
                folder = Path(word.partition("=")[2])
                folder.mkdir()
                write_record(folder, Record(tuple(self.results)))
            return self.code

    made = Suite()
    monkeypatch.setattr(qualify_command, "run_suite", made.run)
    return made


def test_the_command_leaves_pages_and_a_bundle(suite, tmp_path: Path, capsys):
    out = tmp_path / "out"
    words = ["--output", str(out), "--pytest", "-k 'rdma or vfio'"]
    assert main(["qualify", "debian:bookworm", *words]) == 0
    assert (
        f"6.1.192-2 (debian:bookworm): qualifies; looked at {ROWS} of the {ROWS}"
        in capsys.readouterr().out
    )
    assert set(verify(tmp_path / "out.tar.zst")) == {
        "results.json",
        "qualification.md",
        "qualification.html",
    }
    (command,) = suite.commands
    assert command[-2:] == ["-k", "rdma or vfio"]
    assert "--hotremove-prove" in command
    assert Path(command[command.index("hotremove") + 1]).name == "scenarios"


def test_the_command_does_not_mix_runs(suite, tmp_path: Path, capsys):
    out = ["--output", str(tmp_path / "out")]
    assert main(["qualify", "debian:bookworm", *out]) == 0
    assert main(["qualify", "debian:bookworm", *out]) == 4
    assert "there is a run already" in capsys.readouterr().err
    assert len(suite.commands) == 1


def test_the_command_ends_as_pytest_does_when_nothing_ran(suite, tmp_path: Path):
    suite.results, suite.code = [], 4
    assert main(["qualify", "debian:nosuch", "--output", str(tmp_path / "out")]) == 4
    assert not (tmp_path / "out.tar.zst").exists()


@pytest.mark.parametrize("code", [2, 3, -15])
def test_a_suite_that_was_broken_off_signs_nothing_off(suite, tmp_path: Path, capsys, code: int):
    suite.code = code
    assert main(["qualify", "debian:bookworm", "--output", str(tmp_path / "out")]) == 3
    assert "qualifies" not in capsys.readouterr().out
    assert not (tmp_path / "out.tar.zst").exists()


def test_a_finished_run_is_judged(tmp_path: Path, capsys):
    write_record(tmp_path, Record((old(verdict="fail", outcome="stuck", message=LACKS_IT),)))
    words = ["qualify", "debian:bullseye", "--results", str(tmp_path)]
    assert main(words) == 1
    assert main([*words, "--has", "0000000"]) == 4
    assert "not a change of the lineage" in capsys.readouterr().err
    (tmp_path / "results.json").write_text("{")
    assert main(words) == 2
