# SPDX-License-Identifier: Apache-2.0
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hotremove.observe.kernellog.logline import SKIPPED, read_records
from hotremove.observe.kernellog.stretch import Entry, Stretch, stretches

STAMP = "[    1.000000]"
PREFIXES = (
    "",
    STAMP,
    f"{STAMP} ",
    f"{STAMP}[    T1] ",
    "Jan  1 00:00:00 lab kernel: ",
    f"Jan  1 00:00:00 lab kernel: {STAMP} ",
    f"{STAMP} lab kernel: ",
    "2026-01-01T00:00:00.123456+01:00 lab kernel:",
    "2026-01-01T00:00:00Z h\u00f4te kernel: ",
    "<4>",
    "<12>",
)
PIECES = st.sampled_from(
    [
        STAMP,
        "[   T1]",
        "[    C0]",
        " ",
        "text",
        "[m]",
        "\r",
        "\n",
        "\x1b[0m",
        "é",
        "kernel: ",
        "<4>",
    ]
)
MESSAGES = st.lists(PIECES, max_size=8).map("".join)
LINES = st.tuples(st.sampled_from(PREFIXES), MESSAGES).map("".join)


@settings(deadline=None)
@example(["Jan  1 00:00:00 lab kernel:  [   T1]", "Jan  1 00:00:00 lab kernel:  <4>"])
@given(st.lists(LINES, min_size=1, max_size=8))
def test_lines_read_at_once_say_what_each_says(raws: list[str]) -> None:
    stretch = Stretch(1, raws)
    for at, raw in enumerate(stretch.lines):
        number, records, entry = stretch.numbers[at], read_records(raw), stretch.entry(at)
        record, line = records[0]
        expected = Entry(number, record, line.text, line.seconds, line.caller, line.stamped)
        assert entry == (expected if len(records) == 1 and line.kernel else None)


def test_lines_that_hold_nothing_are_left_out_and_counted() -> None:
    first, second = stretches([*["a", SKIPPED, "b"] * 2000, SKIPPED])
    assert (list(first.numbers[:3]), first.lines[:3]) == ([1, 3, 4], ["a", "b", "a"])
    assert second.numbers[-1] == 6000
    assert [entry.number for entry in second.entries(1) if entry][:2] == list(second.numbers[1:3])


def test_a_margin_belongs_to_no_message() -> None:
    stretch = Stretch(1, ["    a", "     b", f"{STAMP}     c"])
    assert [entry.text for entry in stretch.entries(0) if entry] == ["    a", "     b", "    c"]
    stretch.margin = "    "
    assert [entry.text for entry in stretch.entries(0) if entry] == ["a", " b", "    c"]


def test_every_line_has_its_place() -> None:
    stretch = Stretch(1, [f"{STAMP} {number}" for number in range(1000)])
    for at in (999, 0, 255, 256, 600):
        entry, more = stretch.entry(at), stretch.entries(at)
        assert entry
        assert (entry.text, more[0]) == (str(at), entry)
