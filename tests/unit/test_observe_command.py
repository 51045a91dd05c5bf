# SPDX-License-Identifier: Apache-2.0
import io
import json
from argparse import ArgumentParser
from pathlib import Path

import pytest

from hotremove.cli.dmesg import register

GOLDEN = Path(__file__).parents[1] / "golden"


def dmesg(*words: str | Path) -> int:
    parser = ArgumentParser()
    register(parser.add_subparsers())
    options = parser.parse_args(["dmesg", *map(str, words)])
    status = options.func(options)
    assert isinstance(status, int)
    return status


def test_a_report_is_shown_and_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert dmesg(GOLDEN / "refcount.log") == 1
    shown = capsys.readouterr().out
    assert "1 failing" in shown
    assert "refcount_t: underflow; use-after-free." in shown
    assert "refcount:rxe_mr_cleanup" in shown


def test_a_quiet_log_passes(capsys: pytest.CaptureFixture[str]) -> None:
    assert dmesg(GOLDEN / "quiet.log") == 0
    assert "nothing found" in capsys.readouterr().out


def test_notes_do_not_fail_and_pages_are_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert dmesg("--notes", GOLDEN / "offline-notes.log") == 0
    shown = capsys.readouterr().out
    assert "6 informative" in shown
    assert "refcount 1026 = 1024 (1 long-term pin)" in shown


def test_a_note_that_comes_again_has_one_row(capsys: pytest.CaptureFixture[str]) -> None:
    dmesg("--notes", GOLDEN / "page-buffers.log")
    shown = " ".join(capsys.readouterr().out.split())
    assert "13 informative" in shown
    assert shown.count("migrating pfn 104c3a failed ret:1") == 1
    assert "failed ret:1, 13 times in 10 min, the last at 1500 s" in shown


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert dmesg("--json", GOLDEN / "lockups.log", GOLDEN / "quiet.log") == 1
    first, second = json.loads(capsys.readouterr().out)
    assert [one["kind"] for one in first["reports"]] == ["soft-lockup", "hung-task"]
    assert first["reports"][0]["trace"] == ["offline_pages", "memory_subsys_offline"]
    assert second["reports"] == []


def test_full_text(capsys: pytest.CaptureFixture[str]) -> None:
    dmesg("--full", GOLDEN / "refcount.log")
    assert "[    9.700015]  rxe_mr_cleanup+0x7c/0x90 [rdma_rxe]" in capsys.readouterr().out


def test_standard_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (GOLDEN / "refcount.log").read_bytes()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text)))
    assert dmesg("-") == 1
    assert "1 failing" in capsys.readouterr().out


def test_an_unreadable_file_is_one_line_and_the_others_are_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert dmesg(tmp_path / "absent", tmp_path, GOLDEN / "quiet.log") == 2
    shown = capsys.readouterr()
    assert shown.err.splitlines() == [
        f"hotremove dmesg: cannot read {tmp_path / 'absent'}: No such file or directory",
        f"hotremove dmesg: cannot read {tmp_path}: Is a directory",
    ]
    assert "quiet.log: nothing found" in shown.out.replace("\n", "")


def test_allow_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    allow = tmp_path / "allow.toml"
    allow.write_text("[[allow]]\nkind = 'refcount'\nreason = 'thread'\nexpires = 9999-12-31\n")
    assert dmesg("--allow", allow, GOLDEN / "refcount.log") == 0
    assert "(allowed: thread)" in capsys.readouterr().out
    assert dmesg("--allow", allow, GOLDEN / "quiet.log") == 0
    assert "unused allowance: refcount (thread), until 9999-12-31" in capsys.readouterr().out
    assert dmesg("--allow", tmp_path / "absent", GOLDEN / "quiet.log") == 2


def test_symbolised(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script, vmlinux = tmp_path / "decode.sh", tmp_path / "vmlinux"
    script.write_text("sed 's/^/decoded /'\n")
    vmlinux.touch()
    words = ("--full", "--decode", script, GOLDEN / "refcount.log")
    assert dmesg("--vmlinux", vmlinux, *words) == 1
    assert "decoded [    9.700015]" in capsys.readouterr().out
    assert dmesg(*words) == 2
    assert capsys.readouterr().err == "hotremove dmesg: --decode needs --vmlinux\n"


WARNING = """\
[{0:12.6f}] WARNING: CPU: 0 PID: {1} at mm/gup.c:99 f{2}+0x10/0x830
[{0:12.6f}] Call Trace:
[{0:12.6f}]  g{2}+0x1/0x2
[{0:12.6f}] ---[ end trace 0000000000000000 ]---
"""


def test_very_many_reports_have_a_row_for_each_fingerprint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hotremove.observe.kernellog.dmesg.MOST", 200)
    monkeypatch.setenv("COLUMNS", "160")
    log = tmp_path / "log"
    log.write_text("".join(WARNING.format(20.0 * n, n, n % 2) for n in range(500)))
    assert dmesg(log) == 1
    shown = capsys.readouterr().out
    assert "400 failing, 100 more of the same" in shown
    assert shown.count("200 times, the last in line 159") == 2
    assert len(shown.splitlines()) < 10
    assert dmesg("--json", log) == 1
    (found,) = json.loads(capsys.readouterr().out)
    assert (len(found["reports"]), found["left_out"]) == (400, 100)
    assert {one["fingerprint"] for one in found["reports"]} == {"warning:f0:g0", "warning:f1:g1"}


@pytest.mark.parametrize("case", ["indented", "first of its minute", "short-monotonic"])
def test_a_report_is_found_however_the_log_came(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {
        "indented": ("    ", "    "),
        "first of its minute": ("[Jun 4 07:25] ", "[  +0.000013] "),
        "short-monotonic": ("[ 1984.506184] node kernel: ", "[ 1984.506199] node kernel: "),
    }
    first, further = before[case]
    log = tmp_path / "log"
    log.write_text(
        f"{first}BUG: kernel NULL pointer dereference, address: 0000000000000008\n"
        f"{further}RIP: 0010:unpin_user_pages+0x3a/0x2d0\n"
    )
    assert dmesg(log) == 1
    assert "oops:unpin_user_pages" in capsys.readouterr().out


PAGES = {
    "page-swap-cache": ["pfn 0x12b4e0", "shmem page in the swap cache, no pin", "f183663901f2"],
    "page-unmovable": [
        "pfn 0x123e80",
        "reserved: allocated at boot",
        "pfn 0x121a07",
        "a slab page",
        "The offline of 0x120000000-0x127ffffff was refused for it.",
    ],
    "page-z3fold": [
        "pfn 0x10c7d2",
        "a z3fold page: movable, not on the LRU",
        "Allocated by z3fold_zpool_malloc",
        "last freed by tlb_flush_mmu",
    ],
    "page-freed-pinned": ["freed with 1 pin still counted (refcount 0, pincount 1)"],
    "page-buffers": [
        "13 times in 10 min, the last at 1500 s: block-device page cache with private data",
    ],
    "page-thp-bug": [
        "1 long-term pin (FOLL_PIN) of a THP, 511 of whose 512 pages are mapped",
        "an anonymous page that is not exclusive",
    ],
    "real-unmovable-6.1.192-kmsg": [
        "pfn 0x1fff7 (node 0, zone 1): reserved: allocated at boot",
        "The offline of 0x18000000-0x1fffffff was refused for it.",
    ],
    "real-swap-cache-6.16.3": [
        "pages (file, swap_aops, node 1, zone 3), pfn 0x1007ff, pfn 0x1007fe, pfn 0x1007fd and",
        "in all 20 times in 5 s, the last at 13.6 s: a shmem page in the swap cache, no pin",
    ],
    "real-hugetlb-no-room-6.1.192": [
        "in all 34 times in 15 s, the last at 19.9 s: a hugetlb page, and no free huge page",
        "(-ENOMEM)",
    ],
    "real-page-owner-vmsplice-anon-6.1.192": [
        "FOLL_GET as vmsplice takes",
        "Allocated by __handle_mm_fault < handle_mm_fault",
        "last freed by generic_online_page < online_pages",
    ],
    "real-kernel-pages-6.16.3-kmsg": [
        "pfn 0x100040 (slab, order 2, node 1, zone 2): a slab page",
        "The offline of 0x100000000-0x107ffffff was refused for it.",
    ],
    "real-page-owner-kernel-pages-6.1.192-kmsg": [
        "allocated by the kernel for itself by init_section_page_ext",
        "last freed by generic_online_page",
    ],
    "page-old-formats": ["pfn 0x10a411 (anon): 1 long-term pin", "512 long-term pins"],
}


@pytest.mark.parametrize("log", PAGES)
def test_dumped_pages_are_explained(log: str, capsys: pytest.CaptureFixture[str]) -> None:
    dmesg(GOLDEN / f"{log}.log")
    shown = capsys.readouterr().out
    assert [words for words in PAGES[log] if words not in shown] == []
    assert log == "page-old-formats" or "may have been transient" not in shown


def test_dumped_pages_alone_do_not_fail_and_are_not_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert dmesg(GOLDEN / "page-unmovable.log") == 0
    assert "2 dumped pages" in capsys.readouterr().out


def test_dumped_pages_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    dmesg("--json", GOLDEN / "page-z3fold.log", GOLDEN / "page-buffers.log")
    (z3fold, buffers) = json.loads(capsys.readouterr().out)
    (page,) = z3fold["pages"]
    assert (page["pfn"], page["cause"]["kind"]) == (0x10C7D2, "movable-non-lru")
    assert page["dump"]["owner"]["allocated_by"][3] == "z3fold_zpool_malloc"
    assert page["dump"]["owner"]["freed_by"][-1] == "unmap_page_range"
    (page,) = buffers["pages"]
    assert (page["times"], page["first"], page["last"]) == (13, 900.000002, 1500.000002)
    assert page["references"]["private"] == 1
    assert buffers["pages_left_out"] == 0


def test_many_sorts_of_pages_are_cut_off_unless_all_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "log"
    line = "page: refcount:{} mapcount:0 mapping:0000000000000000 index:0x0 pfn:{:#x}\n"
    log.write_text("".join(line.format(number, number) for number in range(1, 24)))
    dmesg(log)
    assert "and 3 more page dumps" in capsys.readouterr().out
    dmesg("--full", log)
    assert "pfn 0x17" in capsys.readouterr().out
