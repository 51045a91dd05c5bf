# SPDX-License-Identifier: Apache-2.0
import io
import json
from pathlib import Path

import pytest
from golden_tools import GOLDEN, golden_tool
from hypothesis import given, settings
from hypothesis import strategies as st

from hotremove.observe.kernellog.dmesg import find_reports, read_lines
from hotremove.observe.kernellog.growing import Growing
from hotremove.observe.kernellog.report import Report
from hotremove.observe.kernellog.rules import default_rules

LOGS = sorted(GOLDEN.glob("*.log"))
WARNING = """\
[    1.000001] ------------[ cut here ]------------
[    1.000002] WARNING: CPU: 0 PID: 4 at mm/gup.c:99 f+0x10/0x830
[    1.000003] Call Trace:
[    1.000004]  g+0x1/0x2
[    1.000005] ---[ end trace 0000000000000000 ]---
"""
REFRESH = golden_tool("refresh")


def reports(text: str) -> list[Report]:
    return find_reports(text.splitlines(keepends=True))


@pytest.mark.parametrize("log", LOGS, ids=lambda log: log.stem)
def test_golden(log: Path) -> None:
    assert REFRESH.found(log) == json.loads(log.with_suffix(".json").read_text(encoding="utf-8"))


FAULTS = {log.stem.split("-5.10.262")[0] for log in GOLDEN.glob("real-*-5.10.262.log")}


# Who runs out of memory is chance; from 6.1 on the compiler knows the size that usercopy checks,
# and a task that slept while atomic is told once more when it dies.
DIFFERENT = {"real-oom", "real-usercopy", "real-atomic"}


def fingerprints(fault: str, arm64: bool) -> dict[str, frozenset[str]]:
    """By log. On arm64 a function that calls no other has no frame, and its caller none of it."""
    return {
        log.stem: frozenset(report["fingerprint"] for report in REFRESH.found(log)["reports"])
        for log in GOLDEN.glob(f"{fault}-*.log")
        if ("-arm64" in log.stem) == arm64
    }


@pytest.mark.parametrize("fault", sorted(FAULTS - DIFFERENT))
def test_a_fault_has_one_fingerprint_on_every_kernel(fault: str) -> None:
    found = fingerprints(fault, arm64=False)
    assert len(found) > 1 or fault.startswith("real-rdma")  # only 5.10 gets stuck under rdma
    assert len(set(found.values())) == 1, found
    elsewhere = fingerprints(fault, arm64=True)
    assert len(set(elsewhere.values())) <= 1, elsewhere


@pytest.mark.parametrize("log", LOGS, ids=lambda log: log.stem)
def test_stretches_do_not_matter(log: Path) -> None:
    """A report that lies across two stretches of the search is found all the same."""
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    expected = find_reports(lines)
    for shift in (4085, 4093):
        filler = ["[    0.000001] nothing to see"] * shift
        moved = find_reports([*filler, *lines])
        assert [one.text for one in moved] == [one.text for one in expected]
        assert [one.start - shift for one in moved] == [one.start for one in expected]


def test_text_is_as_in_the_log() -> None:
    (report,) = reports("noise\n" + WARNING + "noise\n")
    assert report.text == WARNING.rstrip("\n")
    assert (report.start, report.end, report.seconds) == (2, 6, 1.000001)
    assert (report.place, report.trace, report.fails) == ("f", ("g",), True)


def test_two_reports_one_after_the_other() -> None:
    assert [(one.start, one.end) for one in reports(WARNING + WARNING)] == [(1, 5), (6, 10)]


def test_two_callers_at_once() -> None:
    mixed = []
    for one, two in zip(WARNING.splitlines(), WARNING.splitlines(), strict=True):
        mixed += [one.replace("] ", "][    T1] ", 1), two.replace("] ", "][    C0] ", 1)]
    first, second = find_reports(mixed)
    assert (first.caller, second.caller) == ("T1", "C0")
    assert len(first.text.splitlines()) == len(second.text.splitlines()) == 5
    assert first.fingerprint == second.fingerprint == "warning:f:g"


def test_two_at_once_without_callers_keep_all_lines() -> None:
    """Nothing tells their lines apart, so both keep all until as many ends as beginnings came."""
    one = WARNING.splitlines()
    two = [line.replace("f+0x", "other+0x") for line in one]
    mixed = [*one[:2], *two[:4], one[2], two[4], *one[3:], "[    1.000009] somebody else"]
    first, second = find_reports(mixed)
    assert [first.place, second.place] == ["f", "other"]
    assert [(first.start, first.end), (second.start, second.end)] == [(1, 10), (3, 10)]


def test_a_cut_here_line_takes_its_own_warning_after_the_other_s_trace() -> None:
    lines = WARNING.splitlines()
    mixed = [*lines[:3], lines[0], *lines[3:], *lines[1:]]
    assert [report.title[:7] for report in find_reports(mixed)] == ["WARNING", "WARNING"]


def test_a_note_does_not_break_a_splat_in_two() -> None:
    lines = WARNING.splitlines()
    lines.insert(3, "[    1.000003] migrating pfn 100008 failed ret:1")
    splat, note = sorted(find_reports(lines), key=lambda report: report.severity, reverse=True)
    assert (splat.start, splat.end, splat.kind) == (1, 6, "warning")
    assert (note.start, note.end, note.fails) == (4, 4, False)


def kinds(*lines: str) -> list[tuple[str, int, int]]:
    return [(one.kind, one.start, one.end) for one in find_reports(lines)]


HUNG = [
    "[    1.000001] INFO: task holder:214 blocked for more than 120 seconds.",
    "[    1.000002] Call Trace:",
    "[    1.000003]  schedule+0x1/0x2",
    "[    1.000004]  f+0x1/0x2",
]
WAITING = "[    1.400000] unregister_netdevice: waiting for rxe0 to become free. Usage count = 2"


def test_a_line_of_its_own_does_not_end_a_report() -> None:
    assert kinds(*HUNG[:3], WAITING, HUNG[3]) == [("hung-task", 1, 5)]
    assert find_reports([*HUNG[:3], WAITING, HUNG[3]])[0].fingerprint == "hung-task:f"
    assert kinds(WAITING) == [("leak", 1, 1)]


def test_a_harmless_warning_does_not_end_a_report() -> None:
    harmless = "[    1.000003] WARNING: the mand mount option is being deprecated"
    (report,) = find_reports([*HUNG[:3], harmless, HUNG[3]])
    assert (report.fingerprint, report.end) == ("hung-task:f", 5)


def test_lines_without_a_time_do_not_end_a_report_of_lines_with_one() -> None:
    lines = WARNING.splitlines()
    assert kinds(*lines[:3], *["a program says so"] * 20, *lines[3:]) == [("warning", 1, 25)]


def test_an_event_cut_at_the_end_of_a_log_is_not_two() -> None:
    lines = WARNING.splitlines()
    assert kinds(*lines, lines[0]) == [("warning", 1, 5)]
    assert kinds("[    1.000000] something else", lines[0]) == [("warning", 2, 2)]
    assert kinds(*lines, *["[    2.000000] all is well"] * 20, lines[0])[1:] == [
        ("warning", 26, 26)
    ]


DUMP = [
    "[    1.000001] page: refcount:512 mapcount:0 mapping:0000000000000000 index:0x2 pfn:0x13b400",
    "[    1.000002] anon flags: 0x5ffc0000002107c(lru|head|swapbacked|node=1|zone=3)",
    "[    1.000003] page dumped because: VM_BUG_ON_PAGE(!PageAnonExclusive(page))",
]
BUG = [
    "[    1.000004] ------------[ cut here ]------------",
    "[    1.000005] kernel BUG at mm/gup.c:70!",
    "[    1.000006] RIP: 0010:f+0x10/0x830",
    "[    1.000007] ---[ end trace 0000000000000000 ]---",
]


def test_a_dump_above_a_bug_is_part_of_it() -> None:
    (report,) = find_reports([*DUMP, *BUG])
    assert (report.kind, report.start, report.end) == ("bug", 1, 7)
    assert report.title == "kernel BUG at mm/gup.c:70!"
    assert "refcount:512" in report.text


def test_a_dump_for_another_reason_is_not() -> None:
    other = DUMP[2].replace("VM_BUG_ON_PAGE(!PageAnonExclusive(page))", "unmovable page")
    note, bug = find_reports([*DUMP[:2], other, *BUG])
    assert (note.kind, note.severity, note.end) == ("page-dump", "note", 3)
    assert note.title == "page dumped because: unmovable page"
    assert (bug.kind, bug.start) == ("bug", 4)


def test_each_dump_of_several_is_a_note_and_none_inside_a_splat_is() -> None:
    assert [kind for kind, *_ in kinds(*DUMP[:2], *DUMP[:2])] == ["page-dump", "page-dump"]
    bad = "[    1.000000] BUG: Bad page state in process holder  pfn:7071f"
    assert kinds(bad, *DUMP[:2], *DUMP[:2]) == [("bad-page", 1, 5)]


def test_a_line_that_begins_like_a_warning_needs_a_call_trace() -> None:
    line = "[    1.000001] WARNING: something new"
    assert kinds(line) == []
    assert kinds(line, "[    1.000002] Call Trace:", "[    1.000003]  f+0x1/0x2") == [
        ("warning", 1, 3)
    ]
    assert kinds("[    1.000000] ------------[ cut here ]------------", line) == [("warning", 1, 2)]


def test_the_rule_that_closes_a_report_opens_no_other() -> None:
    rule = "[    1.000002] " + "=" * 66
    one = ["[    1.000001] BUG: KASAN: use-after-free in f+0x1/0x2", rule]
    assert kinds(*one, *one) == [("kasan", 1, 2), ("kasan", 3, 4)]


def test_fingerprint_ignores_what_changes_between_runs() -> None:
    other = WARNING.replace("gup.c:99 f+0x10/0x830", "gup.c:107 f+0x12/0x83f")
    other = other.replace("CPU: 0 PID: 4", "CPU: 3 PID: 1234").replace("g+0x1", "g.isra.0+0x4")
    (one,), (two,) = reports(WARNING), reports(other)
    assert one.fingerprint == two.fingerprint
    assert one.title != two.title


def test_a_long_silence_ends_a_report() -> None:
    text = WARNING.replace("---[ end trace 0000000000000000 ]---", " h+0x1/0x2")
    later = "[   20.000000]  much_later+0x1/0x2\n"
    (report,) = reports(text + later)
    assert report.trace == ("g", "h")


def test_a_panic_after_a_splat_is_the_same_report() -> None:
    panic = "[    1.100000] Kernel panic - not syncing: kernel: panic_on_warn set ...\n"
    (report,) = reports(WARNING + "[    1.050000] somebody else\n" + panic)
    assert (report.kind, report.panicked, report.end) == ("warning", True, 7)


def test_a_forgotten_report_is_closed() -> None:
    start = "[    1.000000][    T1] WARNING: CPU: 0 PID: 4 at mm/gup.c:99 f+0x10/0x830"
    others = ["[    1.000001][    T2] line"] * 2000
    end = "[    1.000002][    T1]  g+0x1/0x2"
    (report,) = find_reports([start, *others, end])
    assert (report.start, report.end) == (1, 1)


def test_an_endless_report_is_cut() -> None:
    frames = ["[    1.000001]  f+0x1/0x2"] * 10_000
    (report,) = find_reports(["[    1.000000] BUG: KASAN: x in f+0x1/0x2", *frames])
    assert report.end < 3000


def test_bytes_that_are_no_text() -> None:
    data = b"\xff\xfe\x00\n" + WARNING.encode() + b"\x80\x81"
    (report,) = find_reports(read_lines(io.BytesIO(data)))
    assert report.start == 2


def test_only_a_line_feed_ends_a_line() -> None:
    assert len(list(read_lines(io.BytesIO("a\rb\u2028c\x0cd\ne".encode())))) == 2


PIECES = sorted(
    {line for log in LOGS for line in log.read_text("utf-8", errors="replace").split("\n")}
)


@settings(deadline=None, max_examples=150)
@given(
    st.lists(
        st.one_of(
            st.sampled_from(PIECES),
            st.tuples(st.sampled_from(PIECES), st.sampled_from(PIECES)).map("".join),
            st.tuples(st.sampled_from(PIECES), st.integers(0, 90)).map(lambda p: p[0][: p[1]]),
            st.text(max_size=40),
        ),
        max_size=60,
    )
)
def test_any_log_is_survived(lines: list[str]) -> None:
    found = find_reports(lines)
    for report in found:
        assert 1 <= report.start <= report.end <= len(lines)
        assert report.kind in default_rules().kinds
        assert report.title
        assert report.fingerprint.startswith(report.kind + ":")
    assert found == sorted(found, key=lambda report: (report.start, report.end))


FLOODS = (
    "------------[ cut here ]------------",
    "BUG: Bad page state in process x  pfn:{pfn:x}",
    "migrating pfn {pfn:x} failed ret:1",
    "WARNING: CPU: 0 PID: 7 at mm/gup.c:{pfn} pin+0x1/0x2",
    "alloc_contig_range: [{pfn:x}, {pfn:x}) PFNs busy",
)


@pytest.mark.parametrize("text", FLOODS)
@pytest.mark.parametrize("around", [(), ("usb 1-1: new device", "e1000e: link is up")])
def test_a_flood_of_lines_alike_is_counted_as_if_each_was_read(monkeypatch, text, around):
    def log(count):
        for number in range(count):
            stamp = f"[{number * 0.001:12.6f}] "
            yield stamp + text.format(pfn=0x140000 + number)
            if number % 97 == 0:
                yield from (stamp + line for line in around)

    splat = (GOLDEN / "real-null-6.12.117.log").read_text().split("\n")[1:]
    lines = [*log(5000), *splat, *log(500)]
    every = find_reports(lines)
    monkeypatch.setattr("hotremove.observe.kernellog.dmesg.MOST", 7)
    some = find_reports(lines)
    assert len(some) + some.left_out == len(every) + every.left_out
    assert len(some) < 60
    assert [one for one in every if one.kind == "oops"] == [o for o in some if o.kind == "oops"]


@pytest.mark.parametrize(
    "text",
    [
        "migrating pfn {} failed ret:1",
        "failed to isolate pfn {}",
        "BUG: Bad page state in process x  pfn:{}",
        "alloc_contig_range: [{}, {}) PFNs busy",
    ],
)
def test_page_frames_are_no_part_of_a_fingerprint(text: str) -> None:
    """Nor are those whose digits are all letters."""
    pfns = ("123456", "abc", "fadedb", "1a2bc", "bad", "c0de")
    found = find_reports(f"[    1.000000] {text.format(pfn, pfn)}" for pfn in pfns)
    assert len(found) == len(pfns)
    assert len({one.fingerprint for one in found}) == 1


def test_a_flood_may_have_numbers_of_letters_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def log() -> list[str]:
        pfns = (number if number % 64 else 0xABCDEF for number in range(0x140000, 0x140400))
        return [f"[    1.000000] migrating pfn {pfn:x} failed ret:1" for pfn in pfns]

    monkeypatch.setattr("hotremove.observe.kernellog.dmesg.MOST", 7)
    closed: list[int] = []
    monkeypatch.setattr(
        "hotremove.observe.kernellog.growing.Growing.blamed",
        lambda one, rules, blamed=Growing.blamed: closed.append(1) or blamed(one, rules),
    )
    found = find_reports(log())
    assert len(found) + found.left_out == 0x400
    assert len(closed) < 100  # the others are only counted
