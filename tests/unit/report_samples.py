# SPDX-License-Identifier: Apache-2.0
"""Runs for the tests of reports: as real ones are, and as a malicious guest would like them."""

from __future__ import annotations

import json
from pathlib import Path

from hotremove.pincost.model import MOVABLE, NORMAL, Cost
from hotremove.results.record import Record, Result, write_record
from hotremove.verdict.scenario_id import catalogue

EVIL = '<script>alert(1)</script> "]]> & # \x1b[31m \x00\x07 \u2028 | ok 7 - forged\nok 8 - forged'
DMESG = """\
[    5.381871] rdma0 speed is unknown, defaulting to 1000
[   10.697743] migrating pfn 100009 failed ret:32768
[   10.698866] page:0000000008c251be refcount:1026 mapcount:1 mapping:0000000000000000 \
index:0x7f2dc534d pfn:0x100009
[   10.699398] anon flags: 0x5fffffc008000e(referenced|uptodate|dirty|swapbacked)
[   10.700038] raw: 005fffffc008000e ffffea0004000048 ffffc90000257c58 ffff8880050b04e1
[   10.700624] page dumped because: migration failure
[   11.000000] <script>document.title = "owned"</script>
[   12.000000] BUG: Bad page state in process holder  pfn:100009
[   12.000010] page dumped because: nonzero <img src=x onerror=alert(1)>
"""
REMOVAL = {
    "mechanism": "ACPI eject",
    "outcome": "stuck",
    "seconds": 30.002,
    "deadline": 30.0,
    "explanation": "stuck: pfn 0x100009 holds 1 long-term pin",
    "node": 1,
    "frames": "0x100000-0x11ffff",
    "pins": [{"path": "rdma", "pid": 118, "bytes": 1 << 27, "frames": "0x100000-0x107fff"}],
    "before": {"nr_foll_pin_acquired": 32768, "nr_foll_pin_released": 0, "pgmigrate_fail": 0},
    "after": {"nr_foll_pin_acquired": 32768, "nr_foll_pin_released": 0, "pgmigrate_fail": 262144},
}
TIMELINE = [
    ["restored", 0.0, 1.2],
    ["plug 512 MiB", 1.3, 0.2],
    ["online", 1.5, 0.7],
    ["map 128 MiB", 2.3, 1.1],
    ["pin through rdma", 3.5, 0.4],
    ["remove by ACPI eject", 4.0, 30.0],
]


NOT_LOOKED = {
    "blocked": "linux-headers-5.10.0-39-amd64 is not in bullseye any more: --without modules",
    "not-applicable": "the kernel removed the memory under this pin",
    "not-run": "the run ended before it",
    "waived": "--without modules",
}


def make_result(**changed) -> Result:
    facts = {
        "kernel": "debian:bookworm",
        "kernel_version": "6.1.192-2",
        "kernel_label": "6.1.192",
        "scenario": "1 rxe memory region held",
        "test": "scenarios/test_x.py::test_y[6.1.192]",
        "pin": "",
        "outcome": "removed",
        "verdict": "pass",
        "duration_s": 4.2,
        "evidence": "",
    }
    return Result(**{**facts, **changed})


def whole_run(**changed) -> list[Result]:
    """A result for each row of the catalogue."""
    title = "{} a row"
    return [
        make_result(scenario=title.format(number), test=f"t.py::row{number}[6.1.192]", **changed)
        for number in catalogue()
    ]


def old(**changed) -> Result:
    """A result of an unfixed kernel."""
    of_old = {
        "kernel": "debian:bullseye",
        "kernel_version": "5.10.262-1",
        "kernel_label": "5.10.262",
        "test": "scenarios/test_x.py::test_y[5.10.262]",
    }
    return make_result(**{**of_old, **changed})


def make_costs(a_page: int = 7500, sizes: tuple[int, ...] = (16, 32, 64, 128)) -> tuple[Cost, ...]:
    """A rxe pin in ZONE_MOVABLE by its size, and the same elsewhere."""
    facts = {"path": "rdma", "calls": 1, "drains": 8}
    return tuple(
        Cost(mib=mib, zone=zone, instructions=mib * 256 * each, acquired=taken, migrated=0, **facts)
        for mib in sizes
        for zone, each, taken in (
            (MOVABLE, a_page, mib * 512),
            (NORMAL, 300, mib * 256),
        )
    )


def make_record(*more: Result) -> Record:
    """Two kernels, every verdict once, and a guest that prints what it likes."""
    results = (
        make_result(),
        make_result(test="scenarios/test_x.py::test_v", verdict="lost", message=EVIL, outcome=""),
        make_result(test="scenarios/test_x.py::test_e", verdict="error", message="NameError: x"),
        old(verdict="fail", outcome="stuck", message=EVIL, evidence="stuck"),
        old(
            test="scenarios/test_x.py::test_k",
            pin="vfio",
            verdict="known-bug",
            outcome="stuck",
            message="stuck: 1 pin [known: 5.10.262 lacks d1e153fea2a8 (5.13)]",
        ),
        old(
            test="scenarios/test_x.py::test_a",
            verdict="absent",
            outcome="",
            message="CONFIG_RDMA_RXE is not set",
        ),
        *(
            old(test=f"scenarios/test_x.py::test_{word}", verdict=word, outcome="", message=why)
            for word, why in NOT_LOOKED.items()
        ),
        *more,
    )
    return Record(results, "2026-01-31T03:00:00+00:00", {"accelerator": "tcg, because <b>"})


def write_run(directory: Path, record: Record | None = None) -> Path:
    """A run on disk with the evidence of one test; gives its directory."""
    record = record or make_record()
    directory.mkdir(parents=True, exist_ok=True)
    write_record(directory, record)
    evidence = directory / "stuck"
    evidence.mkdir(exist_ok=True)
    (evidence / "dmesg.log").write_text(DMESG)
    (evidence / "removals.json").write_text(json.dumps([REMOVAL]))
    (evidence / "timeline.json").write_text(json.dumps(TIMELINE))
    (evidence / "repro.sh").write_text("#!/bin/sh\nexit 0\n")
    return directory


GOLDEN = Path(__file__).resolve().parents[1] / "golden"
# As many point releases as an archive has, and as many rows as the suite.
KERNELS = tuple(f"6.{12 + n // 20}.{n % 20 * 5 + 3}" for n in range(60))
ROWS = 90


def make_many(directory: Path, kernels: tuple[str, ...] = KERNELS) -> Record:
    """A run of many kernels by ninety rows on disk, with the evidence of real guests.

    Rows below 60 pass everywhere, the others are known to fail on the older half; one fails.
    """
    results = tuple(_one_of_many(version, row) for version in kernels for row in range(ROWS))
    record = Record(results, "2026-01-31T03:00:00+00:00", {"accelerator": "tcg"})
    write_run(directory, record)
    log = (GOLDEN / "real-vmsplice-anon-6.12.117.log").read_text()
    (directory / "stuck" / "dmesg.log").write_text(log)
    return record


def _one_of_many(version: str, row: int) -> Result:
    facts = {"verdict": "pass", "outcome": "removed", "message": ""}
    if row >= 60 and version in KERNELS[:30]:
        facts = {"verdict": "known-bug", "outcome": "stuck", "message": "stuck: 1 pin [known: x]"}
    if row == 70 and version == KERNELS[-1]:
        facts = {"verdict": "fail", "outcome": "stuck", "message": EVIL}
    return make_result(
        kernel=f"debian:trixie/{version}-1",
        kernel_version=f"{version}-1",
        kernel_label=version,
        scenario=f"{row} a row whose name is as long as names of rows are",
        test=f"scenarios/test_x.py::test_{row}[{version}]",
        evidence="stuck",
        **facts,
    )
