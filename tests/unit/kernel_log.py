# SPDX-License-Identifier: Apache-2.0
"""One kernel log with reports of several kinds, and what programs make of it."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hotremove.hosttools import tool
from hotremove.observe.kernellog.logline import parse_line

GOLDEN = Path(__file__).parents[1] / "golden"
SOURCES = (
    "real-null-6.12.117-kmsg.log",
    "real-warn-6.1.192-kmsg.log",
    "real-hung-task-5.10.262-kmsg.log",
    "real-vmsplice-anon-6.12.117-kmsg.log",
)
DMESG = tool("dmesg", "util-linux")
JOURNALCTL = tool("journalctl", "systemd")
FOLD = tool("fold", "coreutils")
RSYSLOGD = tool("rsyslogd", "rsyslog")
JOURNAL_REMOTE = Path("/lib/systemd/systemd-journal-remote")
PATIENCE = 30.0  # seconds
FIRST_SECOND_OF_2026 = 1_767_225_600


@dataclass(frozen=True)
class Message:
    """One of the kernel's messages; `microseconds` since boot."""

    level: int
    microseconds: int
    text: str

    @property
    def stamp(self) -> str:
        """As printk prints it."""
        return f"[{self.microseconds // 1_000_000:5}.{self.microseconds % 1_000_000:06}]"

    @property
    def fields(self) -> dict[str, object]:
        """As the journal keeps it."""
        return {
            "__REALTIME_TIMESTAMP": FIRST_SECOND_OF_2026 * 1_000_000 + self.microseconds,
            "__MONOTONIC_TIMESTAMP": self.microseconds,
            "_BOOT_ID": "5e7c1a1b2c3d4e5f60718293a4b5c6d7",
            "_MACHINE_ID": "0123456789abcdef0123456789abcdef",
            "_HOSTNAME": "lab",
            "_TRANSPORT": "kernel",
            "SYSLOG_FACILITY": 0,
            "SYSLOG_IDENTIFIER": "kernel",
            "PRIORITY": self.level,
            "_SOURCE_MONOTONIC_TIMESTAMP": self.microseconds,
            "MESSAGE": self.text,
        }


def messages() -> list[Message]:
    """What kernels said in guests, as if one had said it all, ten minutes apart."""
    found: list[Message] = []
    for name in SOURCES:
        text = (GOLDEN / name).read_text(encoding="utf-8")
        lines = [parse_line(line) for line in text.splitlines()]
        later = 600_000_000 + (found[-1].microseconds if found else 0)
        found += [
            Message(line.level or 0, round(line.seconds * 1e6) + later, line.text)
            for line in lines
            if line.seconds is not None and line.kernel
        ]
    return found


def plain(said: Iterable[Message]) -> str:
    """As `dmesg` and a console show it."""
    return "".join(f"{one.stamp} {one.text}\n" for one in said)


def levelled(said: Iterable[Message]) -> str:
    """As syslog(2), `dmesg --raw` and pstore have it."""
    return "".join(f"<{one.level}>{one.stamp} {one.text}\n" for one in said)


def export(said: Iterable[Message]) -> bytes:
    """As the journal exports it; a text with control characters is a binary field."""
    return b"".join(b"".join(map(_field, one.fields.items())) + b"\n" for one in said)


def _field(item: tuple[str, object]) -> bytes:
    name, data = item[0].encode(), str(item[1]).encode()
    if re.search(rb"[\x00-\x1f]", data):
        return name + b"\n" + len(data).to_bytes(8, "little") + data + b"\n"
    return name + b"=" + data + b"\n"


def dmesg(log: Path, *options: str) -> str:
    """What dmesg of util-linux prints for a log in syslog(2)'s form."""
    return _output(DMESG, "--file", log, *options)


def journal(exported: bytes, folder: Path) -> Path:
    """A journal that systemd made of exported entries."""
    source, made = folder / "entries.export", folder / "lab.journal"
    source.write_bytes(exported)
    _output(JOURNAL_REMOTE, "--output", made, source)
    return made


def journalctl(made: Path, form: str, *options: str) -> str:
    """What journalctl prints of a journal."""
    return _output(JOURNALCTL, "--file", made, "--output", form, "--no-pager", *options)


def fold(text: str, width: int) -> str:
    """Lines broken at blanks."""
    return _output(FOLD, "--spaces", f"--width={width}", text=text)


def _output(*command: str | Path, text: str | None = None) -> str:
    done = subprocess.run(
        [str(word) for word in command], input=text, capture_output=True, text=True, check=True
    )
    return done.stdout


def rsyslog(said: str, templates: Iterable[str], folder: Path) -> Iterator[tuple[str, str]]:
    """What rsyslogd writes by each of its own templates when the kernel says `said`."""
    source, settings, process_id = folder / "kmsg", folder / "rsyslog.conf", folder / "rsyslog.pid"
    source.write_text(said, encoding="utf-8")
    names = list(templates)
    settings.write_text(
        f'module(load="imklog" LogPath="{source}" PermitNonKernelFacility="on")\n'
        + "".join(
            f'action(type="omfile" file="{folder / name}" template="{name}")\n' for name in names
        ),
        encoding="utf-8",
    )
    command = [RSYSLOGD, "-n", "-f", str(settings), "-i", str(process_id)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as daemon:
        try:
            _wait_for(said.rstrip().rsplit("] ", maxsplit=1)[1], [folder / name for name in names])
        finally:
            daemon.send_signal(signal.SIGTERM)
    for name in names:
        yield name, (folder / name).read_text(encoding="utf-8")


def _wait_for(last: str, files: Iterable[Path]) -> None:
    limit = time.monotonic() + PATIENCE
    for file in files:
        while not (file.exists() and last in file.read_text(encoding="utf-8")):
            assert time.monotonic() < limit, f"rsyslogd did not write {file.name}"
            time.sleep(0.05)
