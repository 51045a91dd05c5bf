# SPDX-License-Identifier: Apache-2.0
import io
import json
from argparse import ArgumentParser
from pathlib import Path

import pytest

from hotremove.observe.command import register

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
