# SPDX-License-Identifier: Apache-2.0
"""The catalogue of faults: what it may say, and what it says."""

import importlib.util
import re
from pathlib import Path

import pytest

from hotremove.errors import UsageProblem
from hotremove.faults.fault import KINDS, catalogue, find_faults, parse

DOCS = Path(__file__).resolve().parents[2] / "docs"
GOOD = """
[sign]
bytes = ['are not as written']
[[fault]]
name = 'bytes-lost'
kind = 'becomes'
sentence = 'A page that moves loses bytes.'
signs = ['bytes']
"""


def test_a_fault_shows_by_its_signs():
    (fault,) = parse("faults.toml", GOOD)
    assert fault.shows_in("8 of bytes 0x0-0xfff are not as written, by what the device reads")
    assert not fault.shows_in("stuck: ACPI eject did not end in 30 s")
    assert not fault.pins_stay


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("'becomes'", "'other'", "fault 'bytes-lost': kind: one of looked-at, .*, not 'other'"),
        ("'bytes-lost'", "'Bytes_lost'", "'Bytes_lost' is no name: small letters"),
        ("['bytes']", "['byte']", "fault 'bytes-lost': unknown sign 'byte'"),
        ("['bytes']", "[]", "signs: by what does it show"),
        ("'are not as written'", "'('", "sign 'bytes': not a regular expression"),
        ("'are not as written'", "'x*'", "sign 'bytes': 'x\\*' is in every message"),
        ("signs =", "sign =", "`signs` is missing|unknown key `sign`"),
    ],
)
def test_what_makes_no_sense_is_told_with_its_place(old, new, told):
    with pytest.raises(UsageProblem, match=rf"^faults\.toml: .*{told}|^{told}"):
        parse("faults.toml", GOOD.replace(old, new))


def test_what_is_waited_for_less_long():
    def named(which):
        return [fault.name for fault in catalogue().values() if which(fault)]

    assert named(lambda fault: fault.is_endless) == ["livelock", "wait-under-pressure"]
    stuck = named(lambda fault: fault.gets_stuck)
    assert {"no-migration", "hugetlb", "swap-cache", "poisoned"} < {*stuck}
    assert not {"bytes-lost", "kept-pin", "quadratic-scan", "offline-lies"} & {*stuck}


def test_a_control_may_notice_what_every_test_looks_at():
    may = {fault.name for fault in catalogue().values() if not fault.spares_controls}
    # Any call whose pages are not all isolated at once finds some of them moved, and keeps pins.
    assert {"mixed-zones", "kept-pin", "bytes-lost", "livelock"} < may
    assert not {"no-migration", "anon", "unfaulted"} & may


def test_the_catalogue():
    faults = catalogue().values()
    assert len(faults) >= 40
    assert [fault.kind for fault in faults] == sorted(
        (fault.kind for fault in faults), key=KINDS.index
    )
    for fault in faults:
        assert re.fullmatch(r"[A-Z].*\.", fault.sentence), fault
        # A time that ran out is a sign of nothing.
        assert not fault.shows_in("`verify 3` did not return in the guest in 60 s"), fault
        assert not fault.shows_in("stuck: ACPI eject did not end in 30 s"), fault


BOOKS = "books: node 1's ZONE_MOVABLE: {} 131,072 pages (/proc/zoneinfo), expected 0"
HOLDER = "pid 118, an rxe memory region of 128 MiB"
MESSAGES = {
    "anon": [
        f"8 pages of {HOLDER} lie in ZONE_MOVABLE: 0x100000-0x100007",
        "stuck: pfn 0x100009 in node 1's ZONE_MOVABLE holds 1 long-term pin (refcount 1026 = 1024 "
        f"(1 long-term pin) + 2), held by {HOLDER}; suspect a regression",
        "stuck: the kernel dumped no page of node 1's ZONE_MOVABLE; meanwhile pgmigrate_fail rose "
        f"by 8 and 0 pages were left isolated; 8 pages of {HOLDER} lie inside; did not end",
        f"fewer pages migrated than were pinned: {HOLDER}: acquired 1, released 0, migrated 0",
    ],
    "bytes-lost": [
        "8 of bytes 0x0-0xfff are not as written, by what the processor reads",
        "3 of 256 pages of pid 3 are not as the processor wrote them before the pin; the first at "
        "byte 0x0",
    ],
    "fork-side": [
        "the pages of pid 3, 0x1-0x2, are not those that are pinned, 0x5-0x6",
        f"the child has 4 of the pinned pages of {HOLDER}",
    ],
    "zero-page": [
        "10000 page references of pins are left",
        "pages of the pin are not what memory is made of: {'untouched': 1, 'shared': 0}",
    ],
    "kept-pin": [
        "8 page references of pins are left",
        "books: node 0: 32,736 of 32,768 pins released (nr_foll_pin_released 1, …)",
        "stuck: pfn 0x5 in node 1's ZONE_MOVABLE is an anonymous page, which no pin of the "
        "scenario holds (refcount 1024 = 1024 (1 long-term pin)): pinned",
    ],
    "pinned-vm": [
        "VmPin is 4096 bytes with nothing pinned",
        "VmPin 4,096 bytes with nothing pinned",
    ],
    "locked-vm": [
        "VmLck is 4096 bytes with nothing pinned",
        "VmLck 4,096 bytes with nothing pinned",
    ],
    "isolated-count": [
        "600 pages are left isolated",
        "the machine: 1,024 pages are isolated with nothing going on (nr_isolated_anon and _file)",
    ],
    "isolated-after-signal": [
        "books: node 1's ZONE_MOVABLE: 64 pageblocks stay isolated (/proc/pagetypeinfo), 0 before"
    ],
    "present-pages": [BOOKS.format("present"), "node 1's ZONE_MOVABLE still has 131072 pages"],
    "managed-pages": [
        BOOKS.format("managed"),
        "node 1 has 578707456 bytes (MemTotal, its managed pages), more than it booted with",
    ],
    "spanned-pages": [BOOKS.format("spanned")],
    "eject-early": ["refused: … with: DEVICE_REMOVED came, but blocks [32, 33] exist"],
    "livelock": [
        "`pin rdma` goes on after 60 s, in the kernel all the time: pid 3, 8 MiB of memory",
        f"{HOLDER}: 90000 page faults, at most 67536",
    ],
    "wait-under-pressure": ["`pin rdma` is in state D after 60 s in a < b: pid 3, 8 MiB"],
    "secret-memory": [
        "memory of the kind secret is pinned: pid 3, 1 MiB of secret memory (expected: EFAULT)"
    ],
    "swap-cache": [
        "stuck: pfn 0x100a05 in node 1's ZONE_MOVABLE is a page in the swap cache, which no pin of "
        "the scenario holds (refcount 3 = 1 (page cache) + 1 (caller)): a shmem page"
    ],
    "poisoned": [
        "stuck: the kernel dumped no page of node 1's ZONE_MOVABLE; meanwhile pgmigrate_fail rose "
        "by 0 and 0 pages were left isolated; no page of any pin lies inside; 1 poisoned page is "
        "inside; look at what else uses the memory"
    ],
    "protection-lost": ["0 pages of pid 3, 4 MiB of anon memory are write-protected, of 1024"],
    "node-left": [
        "node 1 is left behind, though all of its memory has gone: "
        "/sys/devices/system/node/has_memory has 0-2"
    ],
    "no-tracepoint": [
        f"mm_migrate_pages tells of 0 pages that moved for a long-term pin, of 4096 of {HOLDER}"
    ],
    "no-log-line": ["offlining failed for no reason (expected: notifier failure)"],
}


@pytest.mark.parametrize("name", MESSAGES)
def test_a_fault_is_known_by_what_it_spoils_and_by_nothing_else(name):
    fault = catalogue()[name]
    for message in MESSAGES[name]:
        assert fault.shows_in(message), message
    others = [one for one in MESSAGES if not {*catalogue()[one].signs} & {*fault.signs}]
    for other in others:
        assert not any(map(fault.shows_in, MESSAGES[other])), other


def test_faults_are_found_by_name():
    assert [one.name for one in find_faults(["hugetlb", "anon", "hugetlb"], "x")] == [
        "hugetlb",
        "anon",
    ]
    assert find_faults(["anon", "all"], "x") == tuple(catalogue().values())
    with pytest.raises(UsageProblem, match=r"^--faults: no fault 'anom'; there are no-migration, "):
        find_faults(["anom"], "--faults")


def test_the_page_lists_the_catalogue():
    spec = importlib.util.spec_from_file_location("faults_page", DOCS / "list_faults.py")
    page = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(page)
    assert page.main(["--check"]) == 0, "run: ./lab run python docs/list_faults.py"
