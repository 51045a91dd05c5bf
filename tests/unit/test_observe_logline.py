# SPDX-License-Identifier: Apache-2.0
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hotremove.observe.kernellog.logline import (
    LogLine,
    parse_line,
    split_records,
)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("[   12.345678] text", LogLine("text", 12.345678, stamped=True)),
        ("[   12.345678]  ? f+0x1/0x2", LogLine(" ? f+0x1/0x2", 12.345678, stamped=True)),
        ("[   12.345678][  T123] a", LogLine("a", 12.345678, "T123", stamped=True)),
        ("[    0.000000] [    T0] a", LogLine("a", 0.0, "T0", stamped=True)),
        ("[    1.000000][    C1]  <IRQ>", LogLine(" <IRQ>", 1.0, "C1", stamped=True)),
        ("<6>[    1.000000] a", LogLine("a", 1.0, level=6, stamped=True)),
        ("<30>init: a", LogLine("init: a", level=6, kernel=False, stamped=True)),
        ("6,339,5140900,-;a", LogLine("a", 5.1409, level=6, stamped=True)),
        ("4,9,1000000,c,caller=C0;a", LogLine("a", 1.0, "C0", 4, stamped=True)),
        ("12,9,1000000,-;a", LogLine("a", 1.0, level=4, kernel=False, stamped=True)),
        (r"6,9,1000000,-;a\x0ab \xc3\xa9", LogLine("a\nb é", 1.0, level=6, stamped=True)),
        ("Nov  3 12:48:57 lab kernel: a", LogLine("a", stamped=True)),
        ("2026-11-23T12:48:57+0100 lab kernel: a", LogLine("a", stamped=True)),
        ("Nov 23 12:48:57 lab kernel: [    2.500000] a", LogLine("a", 2.5, stamped=True)),
        ("[Mon Nov 23 12:48:57 2026] a", LogLine("a", stamped=True)),
        ("[2026-11-23 12:00:00] [   12.345678] a", LogLine("a", 12.345678, stamped=True)),
        ("kern  :warn  : [   12.300000] a", LogLine("a", 12.3, level=4, stamped=True)),
        ("daemon:info  : [   12.300000] a", LogLine("a", 12.3, None, 6, False, True)),
        ("[  +0.000003] a", LogLine("a", stamped=True)),
        ("[   12.345678 <    0.000003>] a", LogLine("a", 12.345678, stamped=True)),
        ("[   12.345678 <    0.000003 >] lab kernel: a", LogLine("a", 12.345678, stamped=True)),
        ("[<    0.000003>] a", LogLine("a", stamped=True)),
        (
            "[<80136404>] (a) from [<80136500>] (b)",
            LogLine("[<80136404>] (a) from [<80136500>] (b)"),
        ),
        ("[Nov27 19:40] a", LogLine("a", stamped=True)),
        ("[Jun 4 07:25]  a", LogLine(" a", stamped=True)),
        ("[五 11月 27 19:40:31 2026] a", LogLine("a", stamped=True)),
        ("2026-11-27T19:40:31,000000+00:00 a", LogLine("a", stamped=True)),
        ("Fri 2026-11-27 19:40:31 UTC lab kernel: a", LogLine("a", stamped=True)),
        ("Fri 2026-11-27 19:40:31 -03 lab kernel: a", LogLine("a", stamped=True)),
        ("[   12.345678] lab kernel:  a", LogLine(" a", 12.345678, stamped=True)),
        ("1780001984.506184 lab kernel: a", LogLine("a", stamped=True)),
        ("Nov 23 12:48:57 lab app[12]: a", LogLine("lab app[12]: a", kernel=False)),
        (
            "<4>1 2026-11-23T12:48:57Z lab kernel - - - [    2.500000] a",
            LogLine("a", 2.5, level=4, stamped=True),
        ),
        ("[    2.500000] <4>a", LogLine("a", 2.5, level=4, stamped=True)),
        ("x: kernel: [    2.500000] a", LogLine("a", 2.5, stamped=True)),
        ("Kernel panic - not syncing: kernel: a", LogLine("Kernel panic - not syncing: kernel: a")),
        (
            "[    1.000000] Kernel panic - not syncing: kernel: a",
            LogLine("Kernel panic - not syncing: kernel: a", 1.0, stamped=True),
        ),
        ("2026-11-23T12:48:57.1234567Z  a", LogLine(" a")),
        ("    [   12.345678] pasted", LogLine("pasted", 12.345678, stamped=True)),
        ("\x1b[32m[    1.000000] \x1b[0m\x1b[33ma\x1b[0m\r\n", LogLine("a", 1.0, stamped=True)),
        ("[    1.000000] a\r\r\n", LogLine("a", 1.0, stamped=True)),
        ("    f+0x1/0x2", LogLine("    f+0x1/0x2")),
        ("a program's line", LogLine("a program's line")),
        ("12 monkeys; 3,4", LogLine("12 monkeys; 3,4")),
        ("", LogLine("")),
    ],
)
def test_prefixes(raw: str, expected: LogLine) -> None:
    assert parse_line(raw) == expected


@pytest.mark.parametrize(
    ("raw", "records"),
    [
        ("[    1.000000] a\n", ["[    1.000000] a"]),
        ("login: [    1.000000] a", ["login:", "[    1.000000] a"]),
        (
            "[    1.000000] [<80136404>] (a) from [<80136500>] (b)",
            ["[    1.000000] [<80136404>] (a) from [<80136500>] (b)"],
        ),
        ("[    1.000000] a [m][    1.000001] b", ["[    1.000000] a [m]", "[    1.000001] b"]),
        ("[    1.000000][    T1] a [m]", ["[    1.000000][    T1] a [m]"]),
        ("May 3 12:00:00 lab kernel: [   1.000] a", ["May 3 12:00:00 lab kernel: [   1.000] a"]),
        ("50%\r100%\r\n", ["50%", "100%"]),
        ("\r[    1.000000] a\r\r\n", ["[    1.000000] a"]),
        ("a\x00b", ["ab"]),
        ("", [""]),
    ],
)
def test_lines_that_two_share(raw: str, records: list[str]) -> None:
    assert split_records(raw) == records


@settings(deadline=None)
@given(st.text())
def test_any_text_is_survived(raw: str) -> None:
    for record in split_records(raw):
        assert isinstance(parse_line(record), LogLine)
