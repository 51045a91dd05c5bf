# SPDX-License-Identifier: Apache-2.0
"""Bundles: what was packed comes out, and nothing else passes."""

from __future__ import annotations

import hashlib
import io
import random
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
import zstandard
from report_samples import write_run

from hotremove.cli.main import main
from hotremove.errors import DataProblem
from hotremove.results.bundle import _SKIPPABLE, _TRAILER, MANIFEST, pack, unpack, verify
from hotremove.results.record import read_record
from hotremove.results.source import opened


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = tmp_path / "run.tar.zst"
    pack(write_run(tmp_path / "run"), path)
    return path


def forge(path: Path, members: list[tuple[tarfile.TarInfo | str, bytes]], manifest: str) -> Path:
    """A bundle with sums that fit, of whatever members."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as archive:
        for member, data in [*members, (MANIFEST, manifest.encode())]:
            entry = tarfile.TarInfo(member) if isinstance(member, str) else member
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    packed = zstandard.compress(plain.getvalue())
    path.write_bytes(packed + _TRAILER.pack(_SKIPPABLE, 32, hashlib.sha256(packed).digest()))
    return path


def line(name: str, data: bytes) -> str:
    return f"{hashlib.sha256(data).hexdigest()}  {name}\n"


def test_what_was_packed_comes_out(bundle: Path, tmp_path: Path):
    run = tmp_path / "run"
    unpack(bundle, tmp_path / "out")
    packed = {p.relative_to(run): p.read_bytes() for p in run.rglob("*") if p.is_file()}
    out = tmp_path / "out"
    assert {p.relative_to(out): p.read_bytes() for p in out.rglob("*") if p.is_file()} == packed
    with opened(bundle) as source:
        assert source.record.results == read_record(run / "results.json")
        assert source.cases[3].pages


def test_the_same_run_gives_the_same_bundle(bundle: Path, tmp_path: Path):
    again = tmp_path / "again.tar.zst"
    shutil.copytree(tmp_path / "run", tmp_path / "elsewhere")
    pack(tmp_path / "elsewhere", again)
    assert again.read_bytes() == bundle.read_bytes()


def test_hidden_files_and_links_stay_out(tmp_path: Path):
    run = write_run(tmp_path / "run")
    (run / ".secret").write_text("x")
    (run / "link").symlink_to("/etc/passwd")
    assert set(pack(run, tmp_path / "b.tar.zst")) == {
        "results.json",
        *(f"stuck/{n}" for n in ("dmesg.log", "removals.json", "repro.sh", "timeline.json")),
    }


def test_any_changed_byte_is_noticed(bundle: Path):
    whole = bundle.read_bytes()
    chosen = random.Random(1).sample(range(len(whole)), 200)
    for place in {*chosen, *range(20), *range(len(whole) - 50, len(whole))}:
        changed = bytearray(whole)
        changed[place] ^= 1 << (place % 8)
        bundle.write_bytes(changed)
        with pytest.raises(DataProblem) as told:
            verify(bundle)
        assert "\n" not in str(told.value)


@pytest.mark.parametrize("left", [0, 1, 39, 40, 41, 200, -1, -40, -41])
def test_a_truncated_bundle_is_refused(bundle: Path, left: int):
    bundle.write_bytes(bundle.read_bytes()[:left])
    with pytest.raises(DataProblem, match=r"run\.tar\.zst: (truncated|damaged)"):
        verify(bundle)


def test_a_missing_file_is_named(tmp_path: Path):
    forged = forge(tmp_path / "b.tar.zst", [], line("results.json", b"{}"))
    with pytest.raises(DataProblem, match=r"missing: results\.json"):
        verify(forged)


def test_an_added_file_is_named(tmp_path: Path):
    forged = forge(tmp_path / "b.tar.zst", [("extra", b"x")], "")
    with pytest.raises(DataProblem, match="not in the manifest: extra"):
        verify(forged)


def test_a_file_with_another_sum_is_named(tmp_path: Path):
    forged = forge(tmp_path / "b.tar.zst", [("a", b"x")], line("a", b"y"))
    with pytest.raises(DataProblem, match="changed: a"):
        verify(forged)


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a/../../evil", ".", "a\\..\\evil"])
def test_a_name_that_leads_out_is_refused_before_anything_is_written(tmp_path: Path, name: str):
    forged = forge(tmp_path / "b.tar.zst", [(name, b"x")], line(name, b"x"))
    (tmp_path / "out").mkdir()
    with pytest.raises(DataProblem, match="leads out of the bundle"):
        unpack(forged, tmp_path / "out")
    assert {path.name for path in tmp_path.iterdir()} == {"b.tar.zst", "out"}
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, b"6"])
def test_only_files_come_out(tmp_path: Path, kind: bytes):
    member = tarfile.TarInfo("link")
    member.type = kind
    member.linkname = "/etc/passwd"
    forged = forge(tmp_path / "b.tar.zst", [(member, b"")], line("link", b""))
    with pytest.raises(DataProblem, match="is not a file"):
        unpack(forged, tmp_path)


def test_a_name_given_twice_is_refused(tmp_path: Path):
    forged = forge(tmp_path / "b.tar.zst", [("a", b"x"), ("a", b"x")], line("a", b"x"))
    with pytest.raises(DataProblem, match="is there twice"):
        verify(forged)


def test_a_bundle_that_would_fill_the_disk_is_refused(bundle: Path, monkeypatch):
    monkeypatch.setattr("hotremove.results.bundle._MOST_BYTES", 100)
    with pytest.raises(DataProblem, match="more than"):
        verify(bundle)


@pytest.mark.skipif(not shutil.which("zstd"), reason="no zstd(1)")
def test_other_programs_read_it(bundle: Path, tmp_path: Path):
    out = tmp_path / "out"
    out.mkdir()
    subprocess.run(["tar", "--zstd", "-xf", bundle, "-C", out], check=True)
    subprocess.run(["sha256sum", "--quiet", "-c", MANIFEST], cwd=out, check=True)


def test_the_commands(tmp_path: Path, capsys):
    run = write_run(tmp_path / "run")
    assert main(["bundle", str(run)]) == 0
    assert main(["verify", str(tmp_path / "run.tar.zst")]) == 0
    assert "5 files, all as they were packed" in capsys.readouterr().out
    (tmp_path / "run.tar.zst").write_bytes(b"no")
    assert main(["verify", str(tmp_path / "run.tar.zst")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert main(["bundle", str(tmp_path / "nothing")]) == 2
    assert not (tmp_path / "nothing.tar.zst").exists()
