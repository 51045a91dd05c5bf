# SPDX-License-Identifier: Apache-2.0
"""Files of a saved guest: their checksums, and where libvirt is led to them."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from hotremove.guest.snapshot import Snapshot, checksum, node_files
from hotremove.units import MIB
from hotremove.virt.node_files import NodeFiles
from hotremove.virt.topology import load_topology


def sparse(file: Path, **pieces: bytes) -> Path:
    """A file of 8 MiB with pieces at offsets, given as `at_N`."""
    file.write_bytes(b"")
    os.truncate(file, 8 * MIB)
    with file.open("r+b") as stream:
        for name, piece in pieces.items():
            stream.seek(int(name.removeprefix("at_")))
            stream.write(piece)
    return file


def test_a_checksum_does_not_depend_on_how_the_file_system_holds_zeros(tmp_path: Path) -> None:
    thin = sparse(tmp_path / "thin", at_3000000=b"data")
    thick = tmp_path / "thick"
    thick.write_bytes(thin.read_bytes())
    assert checksum(thin) == checksum(thick)


@pytest.mark.parametrize(
    "pieces",
    [{}, {"at_3000000": b"dat4"}, {"at_4000000": b"data"}, {"at_3000000": b"data", "at_0": b"x"}],
)
def test_a_checksum_is_of_what_is_there_and_where(tmp_path: Path, pieces: dict[str, bytes]) -> None:
    first = checksum(sparse(tmp_path / "first", at_3000000=b"data"))
    assert checksum(sparse(tmp_path / "second", **pieces)) != first


def test_a_file_whose_empty_end_is_cut_off_is_another(tmp_path: Path) -> None:
    file = sparse(tmp_path / "file", at_10=b"data")
    whole = checksum(file)
    os.truncate(file, 4 * MIB)
    assert checksum(file) != whole


def test_of_files_that_may_not_be_written_to_there_are_copies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Root may write to all of them.
    monkeypatch.setattr(os, "access", lambda path, _mode: bool(path.stat().st_mode & 0o200))
    entry, folder = tmp_path / "entry", tmp_path / "run"
    entry.mkdir()
    folder.mkdir()
    file = sparse(entry / "memory-0", at_3000000=b"data")
    (entry / "snapshot.json").write_text('{"xml": "", "nodes": [0], "crc32": {}}')
    saved = Snapshot(entry)
    assert saved.openable_memory(folder) == {0: file}
    file.chmod(0o444)
    (copy,) = saved.openable_memory(folder).values()
    assert copy.parent.parent == folder
    assert checksum(copy) == checksum(file)
    assert copy.stat().st_blocks < 4 * MIB // 512
    assert saved.openable_memory(folder) == {0: copy}


def test_the_node_that_takes_dimms_has_no_file(tmp_path: Path) -> None:
    assert node_files(load_topology("movable-node"), tmp_path) == {0: tmp_path / "memory-0"}
    assert list(node_files(load_topology("movable-boot"), tmp_path)) == [0, 2]


class Driver:
    """Numbers domains as libvirt's driver does, and looks for their memory when they start."""

    def __init__(self, root: Path) -> None:
        self.files = NodeFiles(root)
        self.files.begin_again()
        self.number = 0
        self._ram = root / "lib/qemu/ram"

    def start(self, name: str, file: Path, fails: bool = False, has_number: bool = True) -> str:
        """What a started domain finds as the memory of node 0."""
        found = []

        def start() -> SimpleNamespace:
            self.number += has_number
            if fails:
                raise RuntimeError
            link = self._ram / f"{self.number}-{name[:20]}/ram-node0"
            found.append(link.read_text())
            number = self.number
            return SimpleNamespace(ID=lambda: number)

        self.files.start(name, {0: file}, start)
        return found[0]

    @property
    def folders(self) -> list[str]:
        """What lies there."""
        return sorted(folder.name for folder in self._ram.glob("*"))


@pytest.fixture
def driver(tmp_path: Path) -> Driver:
    return Driver(tmp_path)


@pytest.fixture
def memory(tmp_path: Path) -> Path:
    file = tmp_path / "memory"
    file.write_text("saved")
    return file


def test_a_domain_finds_its_memory_and_its_links_stay(driver: Driver, memory: Path) -> None:
    assert driver.start("hotremove-abcdefgh-10", memory) == "saved"
    assert driver.start("hotremove-abcdefgh-11", memory) == "saved"
    assert driver.folders == ["1-hotremove-abcdefgh-1", "2-hotremove-abcdefgh-1"]


@pytest.mark.parametrize("has_number", [True, False])
def test_a_start_that_failed_may_have_had_a_number(
    driver: Driver, memory: Path, has_number: bool
) -> None:
    for _ in range(2):
        with pytest.raises(RuntimeError):
            driver.start("bad", memory, fails=True, has_number=has_number)
    assert driver.folders == []
    assert driver.start("good", memory) == "saved"
    assert driver.folders == [f"{driver.number}-good"]


@pytest.mark.parametrize("counts_from", [0, 1])
def test_a_driver_that_was_closed_may_count_from_its_beginning(
    driver: Driver, memory: Path, counts_from: int
) -> None:
    driver.start("one", memory)
    driver.number = counts_from
    driver.files.begin_again()
    assert driver.start("two", memory) == "saved"
    assert driver.start("three", memory) == "saved"
    assert memory.read_text() == "saved"


def test_a_guest_without_such_files_leaves_nothing(driver: Driver, tmp_path: Path) -> None:
    driver.files.start("booted", {}, lambda: SimpleNamespace(ID=lambda: 1))
    assert not (tmp_path / "lib").exists()
