# SPDX-License-Identifier: Apache-2.0
"""How long `hotremove dmesg` takes for a log of 100 MB, and whether the time grows linearly.

    PYTHONPATH=plugins python bench/dmesg_throughput.py [--megabytes 100] [--splats 0.02]
                                                        [--form plain] [--only kasan] [--varied]
                                                        [--flood warn] [--json]

The log mixes ordinary boot and driver lines with splats of the golden files; `--splats` is their
share of the lines (1.0: nothing else), `--form` what they are wrapped in, `--only` takes those of
golden files with such a name. Golden files come again and again; with `--varied` each number in
them is another each time, as no machine's are, so that nothing helps that was read before. With
`--flood` it is one line, again and again with other numbers, or none. Each size is measured as a
command is run: from a file to what is printed.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage

from hotremove.observe.kernellog.logline import parse_line

GOLDEN = Path(__file__).parents[1] / "tests" / "golden"
ORDINARY = (
    "pci 0000:00:1f.0: [8086:2918] type 00 class 0x060100 conventional PCI endpoint",
    "ACPI: LAPIC_NMI (acpi_id[0xff] dfl dfl lint[0x1])",
    "e1000e 0000:00:02.0 eth0: (PCI Express:2.5GT/s:Width x1) 52:54:00:12:34:56",
    "Memory: 480712K/523768K available (14336K kernel code, 2342K rwdata, 9112K rodata)",
    "audit: type=1400 audit(1700000000.123:45): apparmor=STATUS operation=profile_load",
    "clocksource: tsc: mask: 0xffffffffffffffff max_cycles: 0x2b2c5b0dbe2",
    "usb 1-1: new high-speed USB device number 2 using xhci_hcd",
)
# What a line becomes, by the message's seconds and text.
FORMS: dict[str, Callable[[float, str], str]] = {
    "plain": lambda clock, text: f"[{clock:12.6f}] {text}",
    "untimed": lambda _, text: text,
    "quoted": lambda clock, text: f"> [{clock:12.6f}] {text}",
    "indented": lambda _, text: f"    {text}",
    "syslog": lambda clock, text: f"Jan 01 00:00:00 lab kernel: [{clock:12.6f}] {text}",
    "journal": lambda _, text: f"Jan 01 00:00:00 lab kernel: {text}",
    "monotonic": lambda clock, text: f"[{clock:12.6f}] lab kernel: {text}",
    "json": lambda clock, text: json.dumps(
        {"__MONOTONIC_TIMESTAMP": str(round(clock * 1e6)), "_TRANSPORT": "kernel", "MESSAGE": text}
    ),
    "export": lambda clock, text: (
        f"__CURSOR=s\n__MONOTONIC_TIMESTAMP={clock * 1e6:.0f}\n_TRANSPORT=kernel\nMESSAGE={text}\n"
    ),
}


# One line that is a report each time, by its number.
FLOODS: dict[str, Callable[[int], str]] = {
    "cut-here": lambda _: "------------[ cut here ]------------",
    "warn": lambda number: (
        f"WARNING: CPU: {number % 16} PID: {number} at mm/gup.c:{number} f+0x1/0x2"
    ),
    "bad-page": lambda number: (
        f"BUG: Bad page state in process x  pfn:{number * 7919 % 0xFFFFFF:05x}"
    ),
    "pfn": lambda number: f"migrating pfn {number * 7919 % 0xFFFFFF:x} failed ret:1",
    "dump": lambda number: f"page:{number:016x} refcount:2 mapcount:1 index:0x0 pfn:{number:#x}",
    "blank": lambda _: "",
    "long": lambda number: f"audit: {number:08x} " * 1000,
}
_NUMBER = re.compile(r"(?<![\w+])(?:0x)?(?=[0-9a-f]*\d)([0-9a-f]{2,16})\b|(?<=[/+]0x)([0-9a-f]+)")


def make_flood(
    size: int, message: Callable[[int], str], form: Callable[[float, str], str]
) -> bytes:
    """A log of `size` bytes that says the same thing all the time."""
    parts: list[bytes] = []
    written = 0
    while written < size:
        parts.append(form(len(parts) * 0.0001, message(len(parts))).encode())
        written += len(parts[-1]) + 1
    return b"\n".join(parts)[:size]


def make_log(
    size: int,
    share: float,
    form: Callable[[float, str], str],
    *,
    only: str = "",
    varied: bool = False,
) -> bytes:
    """A log of `size` bytes, in which a share of the messages belongs to splats."""
    rng = random.Random(1)  # noqa: S311 - the same log every time
    splats = [_messages(log) for log in sorted(GOLDEN.glob(f"*{only}*.log" if only else "*.log"))]
    mean = sum(map(len, splats)) / len(splats)
    quiet = round(mean / share - mean) if share else 10_000
    parts: list[bytes] = []
    written, clock = 0, 0.0
    while written < size:
        said: list[tuple[float | None, str]] = [(None, rng.choice(ORDINARY)) for _ in range(quiet)]
        said += rng.choice(splats) if share else []
        for seconds, text in said:
            clock = clock + 0.0001 if seconds is None else seconds
            parts.append(form(clock, _varied(text, rng) if varied else text).encode())
            written += len(parts[-1]) + 1
    return b"\n".join(parts)[:size]


def _varied(text: str, rng: random.Random) -> str:
    """The message with other numbers, as long as they were."""
    return _NUMBER.sub(lambda found: _another(found, rng), text)


def _another(found: re.Match[str], rng: random.Random) -> str:
    number = found[1] or found[2]
    digits = "0123456789" if number.isdecimal() else "0123456789abcdef"
    return found[0].removesuffix(number) + "".join(rng.choices(digits, k=len(number)))


def _messages(log: Path) -> list[tuple[float | None, str]]:
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")[1:]
    return [(line.seconds, line.text) for line in map(parse_line, lines)]


def measure(log: bytes, options: list[str]) -> tuple[float, float]:
    """Seconds that the command takes by the clock and on the processor."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(log)
        file.flush()
        before, begun = getrusage(RUSAGE_CHILDREN), time.perf_counter()
        command = [sys.executable, "-m", "hotremove.cli", "dmesg", *options, file.name]
        subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
        seconds, after = time.perf_counter() - begun, getrusage(RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Measure a quarter, a half and the whole, and print a line for each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--splats", type=float, default=0.02, help="share of the lines, 0 to 1")
    parser.add_argument("--form", choices=FORMS, default="plain")
    parser.add_argument("--only", default="", metavar="NAME", help="golden files to take")
    parser.add_argument("--varied", action="store_true", help="other numbers each time")
    parser.add_argument("--flood", choices=FLOODS, help="one line, in place of the mix")
    parser.add_argument("--json", action="store_true", help="JSON in place of a table")
    options = parser.parse_args()
    size, form = options.megabytes * 1_000_000, FORMS[options.form]
    if options.flood:
        whole = make_flood(size, FLOODS[options.flood], form)
    else:
        whole = make_log(size, options.splats, form, only=options.only, varied=options.varied)
    for divisor in (4, 2, 1):
        log = whole[: len(whole) // divisor]
        seconds, busy = measure(log, ["--json"] if options.json else [])
        memory = getrusage(RUSAGE_CHILDREN).ru_maxrss // 1024
        print(
            f"{len(log) / 1e6:6.0f} MB  {log.count(10):9,} lines  {seconds:6.2f} s"
            f" ({busy:.2f} s of processor time), {memory} MiB at most"
        )


if __name__ == "__main__":
    main()
