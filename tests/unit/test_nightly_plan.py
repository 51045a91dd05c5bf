# SPDX-License-Identifier: Apache-2.0
"""A night's settings, plan, state and judgement: what is new, in which order, against what."""

from __future__ import annotations

import email
import email.policy
from dataclasses import replace
from pathlib import Path

import pytest
from lxml import html
from report_samples import EVIL, make_result, whole_run

from hotremove.analysis.history import FiledRun
from hotremove.analysis.nightly.plan import (
    divide,
    fresh,
    in_order,
    newest_of_each,
    predecessor,
)
from hotremove.analysis.nightly.settings import Mail, Settings, Watch, read_settings
from hotremove.analysis.nightly.state import Ran, State, read_state, unfinished, write_state
from hotremove.analysis.nightly.summary import Light, Summary, summarise
from hotremove.errors import DataProblem, UsageProblem
from hotremove.formats.night_mail import compose, subject
from hotremove.formats.night_page import render_html, render_markdown
from hotremove.kernels.distro import patterns
from hotremove.kernels.offers.git import parse_refs
from hotremove.kernels.offers.offer import Offer
from hotremove.results.record import Record, Result

STARTED = "2026-02-01T03:00:00+00:00"
MANY = ("6.1.190-1", "6.1.192-2", "6.12.43-1", "6.12.57-1", "6.12.118-1", "7.3.4-1")


def offer(version: str, suite: str = "trixie", **more) -> Offer:
    return Offer(f"debian:{suite}/{version}", version, **more)


def result(version: str, suite: str = "trixie", **changed) -> Result:
    facts = {
        "kernel": f"debian:{suite}/{version}",
        "kernel_version": version,
        "kernel_label": version.partition("-")[0],
        "test": f"t.py::test_y[{version.partition('-')[0]}]",
    }
    return make_result(**{**facts, **changed})


def night(number: int, *results: Result) -> FiledRun:
    return FiledRun(
        number, f"night {number}", Record(results, f"2026-01-{number:02}T03:00:00+00:00")
    )


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "nightly.toml"
    path.write_text(text)
    return path


def test_settings_are_read_and_paths_are_from_the_files_folder(tmp_path: Path):
    text = """
        history = "h.sqlite"
        hours = 2
        [[watch]]
        suite = "trixie"
        versions = ">=6.12.43"
        [[watch]]
        git = "linux.git"
        branches = ["linux-6.12.y"]
        [[watch]]
        git = "https://example.org/linux.git"
        tags = ["v6.12.*"]
        [mail]
        to = ["mm@example.org"]
        send = true
    """
    found = read_settings(write(tmp_path, text))
    assert (found.budget, found.expect) == (7200, "lineage")
    assert found.history == str(tmp_path / "h.sqlite")
    assert found.output == str(tmp_path / "nights")
    watched = [one.git for one in found.watch]
    assert watched == ["", str(tmp_path / "linux.git"), "https://example.org/linux.git"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "`watch` is missing"),
        ("watch = []", "nothing is watched"),
        ("watch = 3", "watch: expected `array`, got `int`"),
        ("[[watch]]", "either `suite` or `git`"),
        ('[[watch]]\nsuite = "trixie"\ngit = "x"', "either `suite` or `git`"),
        ('[[watch]]\nsuite = "trixie"\ntags = ["v6*"]', "go with `git`"),
        ('[[watch]]\ngit = "x"', "goes with `branches` or `tags`"),
        ('[[watch]]\ngit = "x"\ntags = "v6*"', "tags: expected `array`"),
        ('[[watch]]\nsuite = "trixie"\nnewst = 2', "unknown key `newst`"),
        ('[[watch]]\nsuite = "trixie"\nnewest = -2', "`newest` is a number"),
        ('hours = 0\n[[watch]]\nsuite = "trixie"', "`hours` is more than nothing"),
        ('expect = "luck"\n[[watch]]\nsuite = "trixie"', "expect"),
        ('[mail]\nsend = true\n[[watch]]\nsuite = "trixie"', "`send` needs `to`"),
        ('[mail]\nfile = "../x"\n[[watch]]\nsuite = "trixie"', "a name, not a path"),
        ('[mail]\nto = ["a\\nBcc: b"]\n[[watch]]\nsuite = "trixie"', "one line"),
        ("[[watch", "is not TOML"),
    ],
)
def test_bad_settings_are_one_clear_line(tmp_path: Path, text: str, told: str):
    with pytest.raises(UsageProblem) as error:
        read_settings(write(tmp_path, text))
    assert told in str(error.value)
    assert "nightly.toml" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("version", "versions", "wanted"),
    [
        ("6.12.43-1~bpo12+1", "*", True),
        ("6.12.43-1~bpo12+1", "6.12.*", True),
        ("6.1.192-2", "6.12.*", False),
        ("6.12.43-1~bpo12+1", ">=6.12.43", True),
        ("6.12.5-1", ">=6.12.43", False),
        ("6.12.100-1", ">= 6.12.43", True),
    ],
)
def test_versions_of_a_suite_by_pattern_or_from_one_on(version, versions, wanted):
    assert patterns.parse(versions).fits(version, version) is wanted


def test_annotated_tags_stand_for_their_commits():
    one, two, three = "1" * 40, "2" * 40, "3" * 40
    text = (
        f"{one}\trefs/heads/linux-6.12.y\n{two}\trefs/tags/v6.12.50\n"
        f"{three}\trefs/tags/v6.12.50^{{}}\n{one}\tHEAD\n"
    )
    found = {(ref.kind, ref.name): ref.commit for ref in parse_refs(text)}
    assert found == {("heads", "linux-6.12.y"): one, ("tags", "v6.12.50"): three}


def test_the_newest_of_each_series_come_first():
    told = [one.version for one in in_order(map(offer, MANY))]
    assert told[:3] == ["7.3.4-1", "6.12.118-1", "6.1.192-2"]
    assert told[3:] == ["6.12.57-1", "6.1.190-1", "6.12.43-1"]


def test_only_so_many_of_each_series():
    told = {one.version for one in newest_of_each(map(offer, MANY), 1)}
    assert told == {"7.3.4-1", "6.12.118-1", "6.1.192-2"}
    assert len(newest_of_each(map(offer, MANY), 0)) == len(MANY)


def test_only_what_the_history_does_not_have_is_new():
    filed = night(1, result("6.12.57-1"))
    told = fresh(map(offer, MANY), [filed])
    assert [one.version for one in told] == [one for one in MANY if one != "6.12.57-1"]


def test_a_version_is_known_only_by_a_run_over_the_whole_suite():
    """A few rows of `debian:trixie` that somebody filed are no night of 6.12.118."""
    facts = {"kernel": "debian:trixie", "kernel_version": "6.12.118-1"}
    some, whole = night(1, make_result(**facts)), night(2, *whole_run(**facts))
    offers = [offer("6.12.118-1")]
    assert fresh(offers, [some]) == offers
    assert fresh(offers, [some, whole]) == []


def test_what_two_watches_offer_is_run_once():
    offers = [offer("6.12.118-1"), offer("6.12.118-1", "trixie-security")]
    assert fresh(offers, []) == offers[:1]


def test_what_is_built_from_a_suites_source_is_another_kernel():
    """The version alone does not tell `debian:trixie` from a kernel built of its source."""
    own = offer("6.12.118-1")
    built = Offer("debian-source:trixie/6.12.118-1+all", "6.12.118-1+all")
    assert fresh([own, built], []) == [own, built]
    facts = {"kernel": "debian-source:trixie+all", "kernel_version": "6.12.118-1"}
    assert fresh([own, built], [night(1, *whole_run(**facts))]) == [own, built]
    facts = {"kernel": built.spec, "kernel_version": "6.12.118-1"}
    assert fresh([own, built], [night(1, *whole_run(**facts))]) == [own]


@pytest.mark.parametrize("kernel", ["deb:mine.deb", "debian:trixie@arm64", "git:/linux#v6.12.118"])
def test_what_only_has_a_suites_version_is_another_kernel(kernel: str):
    filed = night(1, *whole_run(kernel=kernel, kernel_version="6.12.118-1"))
    assert fresh([offer("6.12.118-1")], [filed]) == [offer("6.12.118-1")]


def test_a_suite_with_fragments_is_its_source():
    assert str(Watch(suite="trixie", fragments=("all",))) == "debian-source:trixie/*+all"
    assert str(Watch(suite="trixie")) == "debian:trixie/*"


def test_what_is_gone_is_told_by_one_night():
    gone = offer("7.0.4-1", lacks=("linux-modules-7.0.4",))
    assert divide([gone], []) == ([], [gone], [])
    assert divide([gone], [State(STARTED, gone=(gone,))]) == ([], [], [])


def test_what_could_not_be_run_in_three_nights_is_given_up():
    """A commit that does not compile; a night whose time was up says nothing of it."""
    one = offer("6.12.118-1")
    bad = State(STARTED, (one,)).with_run(Ran(one.spec, "x", 4, 9.0))
    late = State(STARTED, (one,)).with_run(Ran(one.spec, "x", None, 9.0))
    assert divide([one], [bad, bad, late, late]) == ([one], [], [])
    assert divide([one], [bad, bad, bad]) == ([], [], [one])


def test_the_predecessor_is_the_one_before_in_its_series():
    nights = [
        night(1, result("6.1.192-2"), result("6.12.43-1")),
        night(2, result("6.12.57-1"), result("6.12.118-1")),
    ]
    version, found = predecessor(offer("6.12.117-1"), nights)
    assert (version, found.number) == ("6.12.57-1", 2)
    assert predecessor(offer("6.12.43-1"), nights) is None
    assert predecessor(offer("7.3.4-1"), nights) is None


def test_the_predecessor_is_of_the_same_source_where_there_is_one():
    nights = [
        night(1, result("6.12.57-1~bpo12+1", "bookworm-backports")),
        night(2, result("6.12.43-1", "trixie")),
    ]
    found = predecessor(offer("6.12.118-1"), nights)
    assert found
    assert found[0] == "6.12.43-1"
    found = predecessor(offer("6.12.118-1", "forky"), nights)
    assert found
    assert found[0] == "6.12.57-1~bpo12+1"


def test_the_latest_run_of_the_predecessor_counts():
    nights = [night(1, result("6.12.57-1", verdict="fail")), night(2, result("6.12.57-1"))]
    assert predecessor(offer("6.12.118-1"), nights) == ("6.12.57-1", nights[1])


def test_a_state_is_read_back_and_only_the_latest_night_goes_on(tmp_path: Path):
    state = State(STARTED, (offer("6.1.192-2"), offer("7.3.4-1", lacks=("a",))), problems=("x",))
    state = state.with_run(Ran(state.offers[0].spec, "6.1.192-2", 0, 9.5))
    for name in ("1", "2"):
        (tmp_path / name).mkdir()
        write_state(tmp_path / name, state)
    assert read_state(tmp_path / "1") == state
    assert state.left == state.offers[1:]
    assert unfinished(tmp_path) == tmp_path / "2"
    write_state(tmp_path / "2", replace(state, finished=True))
    assert unfinished(tmp_path) is None


def test_a_run_that_was_broken_off_is_left():
    state = State(STARTED, (offer("6.1.192-2"),))
    assert state.with_run(Ran(state.offers[0].spec, "x", None, 5.0)).left == state.offers


@pytest.mark.parametrize("text", ["", "{", "[]", '{"started": 1}'])
def test_a_damaged_state_is_told(tmp_path: Path, text: str):
    (tmp_path / "night.json").write_text(text)
    with pytest.raises(DataProblem, match=r"night\.json"):
        read_state(tmp_path)


def judged(*now: Result, before: Result | None = None, ended: int | None = 0) -> Summary:
    """A night of one kernel."""
    one = offer(now[0].kernel_version) if now else offer("6.12.118-1")
    state = State(STARTED, (one,)).with_run(Ran(one.spec, "run", ended, 60.0))
    nights = [night(1, before)] if before else []
    return summarise(state, nights, lambda _: Record(now) if now else None)


@pytest.mark.parametrize(
    ("verdict", "light"),
    [
        ("pass", Light.GREEN),
        ("known-bug", Light.GREEN),
        ("absent", Light.GREEN),
        ("waived", Light.GREEN),
        ("fail", Light.RED),
        ("lost", Light.OPEN),
        ("error", Light.OPEN),
        ("blocked", Light.OPEN),
        ("not-run", Light.OPEN),
    ],
)
def test_a_kernel_is_red_by_evidence_and_open_where_nobody_looked(verdict, light):
    assert judged(result("6.12.118-1", verdict=verdict)).light is light


def test_a_kernel_that_is_worse_than_the_one_before_is_red():
    """A known bug that the kernel before did not have came back: green by itself."""
    known = result("6.12.118-1", verdict="known-bug", outcome="stuck")
    found = judged(known, before=result("6.12.57-1"))
    assert found.light is Light.RED
    assert found.kernels[0].before == "6.12.57-1"
    assert len(found.kernels[0].change.regressions) == 1


def test_a_known_bug_that_nobody_looked_for_in_the_kernel_before_is_not_red():
    """As where the one before had no headers for the modules that look."""
    known = result("6.12.118-1", verdict="known-bug", outcome="stuck")
    found = judged(known, before=result("6.12.57-1", verdict="waived"))
    assert found.light is Light.GREEN
    assert len(found.kernels[0].change.changes) == 1


def test_a_row_that_is_left_out_this_time_is_told_and_not_red():
    found = judged(result("6.12.118-1", verdict="waived"), before=result("6.12.57-1"))
    assert found.light is Light.GREEN
    assert found.kernels[0].change.regressions


@pytest.mark.parametrize("ended", [None, 2, 3, 4])
def test_a_run_that_is_not_whole_is_no_verdict(ended):
    found = judged(result("6.12.118-1"), ended=ended)
    assert found.light is Light.OPEN
    assert judged(ended=ended).light is Light.OPEN


def test_a_night_without_anything_new_is_green_and_says_so():
    found = summarise(State(STARTED), [], lambda _: None)
    assert (found.light, found.sentence) == (Light.GREEN, "green: nothing is new")


def test_what_could_not_be_watched_leaves_the_night_open():
    found = summarise(State(STARTED, problems=("debian:trixie: no mirror",)), [], lambda _: None)
    assert found.light is Light.OPEN
    assert "no mirror" in render_markdown(found)


@pytest.fixture
def bad() -> Summary:
    now = result("6.12.118-1", verdict="fail", outcome="stuck", message=EVIL)
    found = judged(now, before=result("6.12.57-1"))
    return replace(found, left=(offer("6.12.43-1"),), gone=(offer("7.0.4-1", lacks=("part",)),))


def test_the_page_tells_it_and_escapes(bad: Summary):
    text = render_html(bad)
    document = html.document_fromstring(text)
    assert not document.xpath("//script | //b")
    told = document.text_content()
    for wanted in ("1 regression", "6.12.57-1", "6.12.43-1. The next night", "part is gone"):
        assert wanted in told
    assert document.xpath('//a[@href="run/report.html"]')
    places = document.xpath("//@id")
    assert len(places) == len(set(places))


def test_markdown_tells_it_and_escapes(bad: Summary):
    text = render_markdown(bad)
    assert "| worse | 6.12.57-1 | 6.12.118-1 | why |" in text
    assert "<script>" not in text
    assert "\x1b" not in text


def test_the_mail_has_subject_verdict_change_and_evidence(bad: Summary):
    data = compose(bad, Mail(to=("mm@example.org",), sender="farm@example.org"), Path("/n/x"))
    mail = email.message_from_bytes(data, policy=email.policy.default)
    wanted = "[hot-remove] red: 1 kernel (1 red); 1 did not fit: 6.12.118-1"
    assert mail["Subject"] == wanted == subject(bad)
    assert (mail["To"], mail["From"]) == ("mm@example.org", "farm@example.org")
    body = mail.get_content()
    for told in (
        "6.12.118-1: red: 1 fail",
        "against 6.12.57-1: 1 regression",
        "worse: 1 rxe memory region held: pass (removed), now fail (stuck)",
        "<script>alert(1)</script>",
        "Cannot be run: 7.0.4-1: part is gone",
        "/n/x/night.html",
    ):
        assert told in body
    assert "\x1b" not in body


def test_settings_know_what_a_watch_is_called():
    told = [str(one) for one in (Watch(suite="trixie"), Watch(git="/x", tags=("v*",)))]
    assert told == ["debian:trixie/*", "git:/x"]
    assert Settings((Watch(suite="trixie"),)).mail == Mail()
