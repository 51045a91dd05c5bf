# SPDX-License-Identifier: Apache-2.0
"""How long the dmesg engine takes for a log of 100 MB, and whether the time grows linearly.

    PYTHONPATH=plugins python bench/dmesg_throughput.py [--megabytes 100] [--splats 0.02]

The log mixes ordinary boot and driver lines with splats of the golden files; `--splats` is their
share of the lines (1.0: nothing else). Each size is measured from bytes in memory to reports.
"""

from __future__ import annotations

import argparse
import io
import random
import time
from pathlib import Path

from hotremove.observe.dmesg import find_reports, read_lines

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


def make_log(size: int, share: float) -> bytes:
    """A log of at least `size` bytes, in which a share of the lines belongs to splats."""
    chance = random.Random(1)  # noqa: S311 - the same log every time
    splats = [log.read_bytes().split(b"\n") for log in sorted(GOLDEN.glob("*.log"))]
    mean = sum(map(len, splats)) / len(splats)
    quiet = round(mean / share - mean) if share else 10_000
    parts: list[bytes] = []
    written, clock = 0, 0.0
    while written < size:
        for _ in range(quiet):
            clock += 0.0001
            parts.append(f"[{clock:12.6f}] {chance.choice(ORDINARY)}".encode())
            written += len(parts[-1]) + 1
        if share:
            splat = chance.choice(splats)
            parts += splat
            written += sum(len(line) + 1 for line in splat)
    return b"\n".join(parts)[:size]


def measure(log: bytes) -> tuple[float, float, int]:
    """Seconds to read the log by the clock and on the processor, and how many reports there are."""
    begun, busy = time.perf_counter(), time.process_time()
    reports = find_reports(read_lines(io.BytesIO(log)))
    return time.perf_counter() - begun, time.process_time() - busy, len(reports)


def main() -> None:
    """Measure a quarter, a half and the whole, and print a line for each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--splats", type=float, default=0.02, help="share of the lines, 0 to 1")
    options = parser.parse_args()
    whole = make_log(options.megabytes * 1_000_000, options.splats)
    for divisor in (4, 2, 1):
        log = whole[: len(whole) // divisor]
        seconds, busy, reports = measure(log)
        print(
            f"{len(log) / 1e6:6.0f} MB  {log.count(10):9,} lines  {reports:7,} reports"
            f"  {seconds:6.2f} s ({busy:.2f} s of processor time)"
        )


if __name__ == "__main__":
    main()
