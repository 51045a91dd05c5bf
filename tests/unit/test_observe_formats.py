# SPDX-License-Identifier: Apache-2.0
"""Every form in which people have and paste kernel logs, made of one log by the real programs."""

import io
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from unittest.mock import patch
from xml.sax.saxutils import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_log import (
    Message,
    dmesg,
    export,
    fold,
    journal,
    journalctl,
    levelled,
    messages,
    plain,
    rsyslog,
)

from hotremove.observe.kernellog.carrier import plain_lines
from hotremove.observe.kernellog.dmesg import find_reports, read_lines

SAID = messages()
PLAIN = plain(SAID)


def said_of(log: str, folder: Path) -> list[tuple[object, ...]]:
    """What is found in a log when it is read as a file."""
    file = folder / "log"
    file.write_text(log, encoding="utf-8", newline="")
    with file.open("rb") as stream:
        found = find_reports(read_lines(stream))
    return [
        (one.kind, " ".join(one.title.split()), one.fingerprint, one.trace, one.panicked)
        for one in found
    ]


@pytest.fixture
def expected(tmp_path: Path) -> list[tuple[object, ...]]:
    """What is found in the log as a console prints it."""
    found = said_of(PLAIN, tmp_path)
    assert {one[0] for one in found} == {"oops", "warning", "hung-task", "memory-hotplug"}
    return found


DMESG_OPTIONS = (
    "--notime", "--raw", "--human", "--ctime", "--show-delta", "--reltime", "--decode",
    "--human --color=always", "--ctime --show-delta", "--decode --human", "--decode --ctime",
    "--time-format iso", "--time-format ctime", "--time-format delta",
    "--time-format reltime", "--decode --time-format iso", "--force-prefix --ctime",
)  # fmt: skip


@pytest.mark.parametrize("options", DMESG_OPTIONS)
@pytest.mark.parametrize("language", ["C", "C.UTF-8"])
def test_dmesg(
    options: str,
    language: str,
    expected: list[tuple[object, ...]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LC_ALL", language)
    log = tmp_path / "syslog"
    log.write_text(levelled(SAID), encoding="utf-8")
    assert said_of(dmesg(log, *options.split()), tmp_path) == expected


JOURNAL_FORMS = (
    "short", "short-precise", "short-iso", "short-iso-precise", "short-full", "short-monotonic",
    "short-unix", "short-delta", "with-unit", "cat", "json", "json-pretty", "json-sse", "json-seq",
    "export", "verbose",
)  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return journal(export(SAID), tmp_path_factory.mktemp("journal"))


@pytest.mark.parametrize("form", JOURNAL_FORMS)
@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "America/Sao_Paulo"])
def test_journalctl(
    form: str,
    zone: str,
    made: Path,
    expected: list[tuple[object, ...]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TZ", zone)
    assert said_of(journalctl(made, form), tmp_path) == expected


@pytest.mark.parametrize("form", JOURNAL_FORMS)
def test_journalctl_in_a_file_of_another_system(
    form: str, made: Path, expected: list[tuple[object, ...]], tmp_path: Path
) -> None:
    assert said_of(journalctl(made, form).replace("\n", "\r\n"), tmp_path) == expected


@pytest.mark.parametrize("form", [form for form in JOURNAL_FORMS if form.startswith("short")])
def test_journalctl_without_hostname(
    form: str, made: Path, expected: list[tuple[object, ...]], tmp_path: Path
) -> None:
    assert said_of(journalctl(made, form, "--no-hostname"), tmp_path) == expected


def test_rsyslog(expected: list[tuple[object, ...]], tmp_path: Path) -> None:
    templates = (
        "RSYSLOG_TraditionalFileFormat",
        "RSYSLOG_FileFormat",
        "RSYSLOG_SyslogProtocol23Format",
    )
    written = dict(rsyslog(levelled(SAID), templates, tmp_path))
    for template, log in written.items():
        assert said_of(log, tmp_path) == expected, template
    tabs_as_received_by_udp = written[templates[0]].replace("\t", "#011")
    assert said_of(tabs_as_received_by_udp, tmp_path) == expected


def by_line(form: Callable[[Message], str]) -> str:
    return "".join(f"{form(one)}\n" for one in SAID)


GITHUB = "2026-01-01T00:00:00.1234567Z "
OTHERS = {
    "console with callers": by_line(lambda one: f"{one.stamp}[  T171] {one.text}"),
    "console with callers' names": by_line(lambda one: f"{one.stamp}[ T171(sh)] {one.text}"),
    "console, carriage returns": PLAIN.replace("\n", "\r\r\n"),
    "console, carriage returns alone": PLAIN.replace("\n", "\r"),
    "pstore": "Panic#1 Part1\n" + levelled(SAID),
    "kmsg": by_line(lambda one: f"{one.level},7,{one.microseconds},-;{one.text}"),
    "vmcore-dmesg, crash's log -T": by_line(
        lambda one: f"[Thu Jan  1 00:00:00 UTC 2026] {one.text}"
    ),
    "another language's dmesg -T": by_line(lambda one: f"[四 1月  1 00:00:00 2026] {one.text}"),
    "busybox syslogd": by_line(
        lambda one: f"Jan  1 00:00:00 lab kern.warn kernel: {one.stamp} {one.text}"
    ),
    "OpenWrt logread": by_line(
        lambda one: f"Thu Jan  1 00:00:00 2026 kern.warn kernel: {one.stamp} {one.text}"
    ),
    "syslog of a host that has an address only": by_line(
        lambda one: f"2026-01-01T00:00:00+00:00 fe80::1 kernel: {one.text}"
    ),
    "wall": by_line(lambda one: f" kernel:{one.stamp} {one.text}"),
    "another program's log": by_line(
        lambda one: f"2026-01-01 00:00:00,123 INFO vm1: kernel: {one.stamp} {one.text}"
    ),
    "a hypervisor's journal": by_line(
        lambda one: f"Jan 01 00:00:00 host qemu[123]: {one.stamp} {one.text}"
    ),
    "GitHub": by_line(lambda one: f"{GITHUB}{one.stamp} {one.text}"),
    "GitHub, no stamps": by_line(lambda one: f"{GITHUB}{one.text}"),
    "gh run view --log": by_line(lambda one: f"build\tBoot the guest\t{GITHUB}{one.text}"),
    "GitLab": by_line(lambda one: f"2026-01-01T00:00:00.123456Z 01O {one.text}"),
    "Jenkins": by_line(lambda one: f"[2026-01-01T00:00:00.123Z] {one.text}"),
    "Kubernetes": by_line(lambda one: f"2026-01-01T00:00:00.123456789Z stdout F {one.text}"),
    "docker compose": by_line(lambda one: f"guest-1  | {one.text}"),
    "docker compose, coloured": by_line(
        lambda one: f"\033[36mguest-1  |\033[0m {one.stamp} {one.text}"
    ),
    "docker, json-file": by_line(
        lambda one: json.dumps({"log": f"{one.stamp} {one.text}\n", "stream": "stdout"})
    ),
    "LAVA": by_line(
        lambda one: "- " + json.dumps({"lvl": "target", "msg": f"{one.stamp} {one.text}"})
    ),
    "dmesg --json": '{\n   "dmesg": [\n      '
    + ",".join(
        f'{{\n         "pri": {one.level},\n         "time": {one.microseconds / 1e6:12.6f},\n'
        f'         "msg": {json.dumps(one.text)}\n      }}'
        for one in SAID
    )
    + "\n   ]\n}\n",
    "a journal's message as bytes": by_line(
        lambda one: json.dumps(one.fields | {"MESSAGE": list(one.text.encode())})
    ),
    "JUnit, escaped": f"<testcase><system-out>{escape(PLAIN)}</system-out></testcase>\n",
    "JUnit, CDATA": f"<testcase>\n<system-out><![CDATA[{PLAIN}]]></system-out></testcase>\n",
    "JUnit, line ends escaped": "<system-err>"
    + escape(PLAIN).replace("\n", "&#10;")
    + "</system-err>\n",
    "HTML": f"<pre>{escape(PLAIN)}</pre>\n",
    "colours as text": by_line(lambda one: f"[32m{one.stamp} [0m[33m{one.text}[0m"),
    "colours as carets": by_line(lambda one: f"^[[32m{one.stamp} ^[[0m{one.text}"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_others(name: str, expected: list[tuple[object, ...]], tmp_path: Path) -> None:
    assert said_of(OTHERS[name], tmp_path) == expected


UNSTAMPED = by_line(lambda one: one.text)
MARGINS = (" ", "    ", "\t", "  \t", "> ", ">> ", "> > ", ">", "| ", "# ", ">     ", "guest | ")


def put_before(margin: str, log: str) -> str:
    """Each line after the margin; blanks at the ends of lines are lost, as in mail."""
    return "".join(f"{margin}{line}".rstrip() + "\n" for line in log.splitlines())


@pytest.mark.parametrize("margin", MARGINS, ids=repr)
@pytest.mark.parametrize("log", [PLAIN, UNSTAMPED], ids=["stamped", "unstamped"])
def test_indented_and_quoted(
    margin: str, log: str, expected: list[tuple[object, ...]], tmp_path: Path
) -> None:
    assert said_of(put_before(margin, log), tmp_path) == expected
    assert said_of(put_before(margin, log).replace("\n", "\r\n"), tmp_path) == expected
    mixed = "As said:\n\n" + put_before(margin, log) + "\nWhat of it?\n"
    assert said_of(mixed, tmp_path) == expected


@pytest.mark.parametrize("below", ["", "\n ? __warn.cold+0x54/0xb8\n pin_user_pages+0x81/0x82\n"])
def test_a_line_that_begins_with_a_blank_does_not_indent_the_log(
    below: str, expected: list[tuple[object, ...]], tmp_path: Path
) -> None:
    device_without_a_bus = " memory memory36: Offline failed.\n"
    _, *others = said_of(device_without_a_bus + below + UNSTAMPED, tmp_path)
    assert others == expected


JOURNAL_LINES = by_line(lambda one: f"Jan 01 00:00:00 lab kernel: {one.text}")


@pytest.mark.parametrize("width", [72, 76, 80])
@pytest.mark.parametrize("margin", ["", "> "])
@pytest.mark.parametrize(
    "log", [PLAIN, UNSTAMPED, JOURNAL_LINES], ids=["stamped", "unstamped", "journal"]
)
def test_broken_by_a_mailer(
    log: str, margin: str, width: int, expected: list[tuple[object, ...]], tmp_path: Path
) -> None:
    flowed = fold(log, width)
    assert said_of(put_before(margin, flowed), tmp_path) == expected
    kept = "".join(f"{margin}{line}\n" for line in flowed.splitlines())
    assert said_of(kept, tmp_path) == expected


def kinds(log: Iterable[str]) -> list[str]:
    stream = io.BytesIO("\n".join(log).encode())
    return [one.kind for one in find_reports(read_lines(stream))]


HUNG = "INFO: task kworker/u8:3:1234567 blocked for"


@pytest.mark.parametrize("before", ["[  363.123456] ", "Jan 01 00:00:00 lab kernel: ", ""])
def test_what_a_rule_asks_for_may_be_broken(before: str) -> None:
    first = before + HUNG.replace("u8", "u" + "8" * (27 - len(before)))
    assert 62 < len(first) <= 72
    assert kinds([first, "more than 120 seconds."]) == ["hung-task"]


PARTS = (
    "[    1.000000] ", "BUG: KASAN: x in f+0x1/0x2", " f+0x1/0x2", "> ", "| ", "# ", "    ", "\t",
    '{"MESSAGE":"', '"}', "{", "}", '\t"MESSAGE" : "a",', "MESSAGE=", "MESSAGE", "__CURSOR=",
    "_TRANSPORT=kernel", "\x1f\x00\x00\x00\x00\x00\x00\x00", "<system-out>", "<![CDATA[", "]]>",
    "</system-out>", "&lt;TASK&gt;", "&#10;", "\x1b[0m", "[32m", "#011", "a word " * 10, "\r",
    "kernel: ", "Jan 01 00:00:00 lab ", "data: ", "\ufeff", "[<80136404>]", "é",
)  # fmt: skip


@settings(deadline=None, max_examples=300)
@given(st.lists(st.lists(st.one_of(st.sampled_from(PARTS), st.text(max_size=9)), max_size=6)))
def test_any_text_is_made_plain(parts: list[list[str]]) -> None:
    lines = ["".join(line).replace("\n", "") for line in parts]
    read = list(plain_lines(lines))
    assert len(read) == len(lines)  # numbers stay those of the file
    for report in find_reports(read):
        assert 1 <= report.start <= report.end <= len(lines)


@given(st.binary(max_size=300), st.integers(1, 40))
def test_blocks_do_not_matter(data: bytes, size: int) -> None:
    expected = data.decode("utf-8", errors="replace").split("\n")
    with (
        patch("hotremove.observe.kernellog.dmesg._BLOCK", size),
        patch("hotremove.observe.kernellog.dmesg.plain_lines", iter),
        patch("hotremove.observe.kernellog.dmesg.unpacked", lambda stream: stream),
    ):
        read = list(read_lines(io.BytesIO(data)))
    assert read == (expected[:-1] if not expected[-1] else expected)


@pytest.mark.parametrize("form", ["json-pretty", "export", "verbose", "short"])
@pytest.mark.parametrize("shift", [4090, 4093])
def test_stretches_do_not_matter(
    form: str, shift: int, made: Path, expected: list[tuple[object, ...]], tmp_path: Path
) -> None:
    """An entry that lies across two stretches is read all the same."""
    text = journalctl(made, form)
    assert said_of("# nothing to see\n" * shift + text, tmp_path) == expected


def test_two_lines_of_a_console_are_not_one() -> None:
    lines = [
        "[    1.000001] systemd[1]: Started something that has quite a long name.",
        "login: BUG: unable to handle page fault for address: ffffffffc0400000",
    ]
    assert kinds(lines) == []
    assert kinds([lines[0], lines[1].removeprefix("login: ")]) == ["oops"]


def test_what_programs_say_is_not_the_kernel_s() -> None:
    said = "BUG: unable to handle page fault for address: ffffffffc0400000"
    fields = SAID[0].fields | {"_TRANSPORT": "syslog", "SYSLOG_IDENTIFIER": "x", "MESSAGE": said}
    assert kinds([json.dumps(fields)]) == []
    assert kinds(json.dumps(fields, indent=1).splitlines()) == []
    assert kinds([f"{name}={value}" for name, value in fields.items()]) == []
    assert kinds([f"Jan 01 00:00:00 lab app[12]: {said}"]) == []
    assert kinds([f"kernel: {said}"]) == ["oops"]


def test_a_program_s_lines_in_between_do_not_end_a_report(
    expected: list[tuple[object, ...]], tmp_path: Path
) -> None:
    others = "Jan 01 00:00:00 lab app[12]: all is well\n" * 12
    mixed = "".join(line + others for line in JOURNAL_LINES.splitlines(keepends=True))
    assert said_of(mixed, tmp_path) == expected
