# SPDX-License-Identifier: Apache-2.0
import bz2
import gzip
import io
import lzma
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from hotremove.cli.dmesg import register
from hotremove.observe.kernellog.dmesg import find_reports, read_lines
from hotremove.observe.kernellog.packing import BROKEN

LOG = b"\n".join(
    [
        *(b"[%12.6f] usb 1-%d: new device, number %d" % (n / 10, n, n * n) for n in range(900)),
        b"[   91.000000] BUG: soft lockup - CPU#1 stuck for 22s! [test:7]",
    ]
)
PACKED: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "xz": lzma.compress,
    "bzip2": bz2.compress,
    "zstd": zstandard.compress,
}
FORMS: dict[str, Callable[[bytes], bytes]] = {
    **PACKED,
    "two frames of zstd": lambda log: zstandard.compress(log[:999]) + zstandard.compress(log[999:]),
    "UTF-16": lambda log: log.decode().encode("utf-16"),
    "UTF-16, big end first": lambda log: b"\xfe\xff" + log.decode().encode("utf-16-be"),
    "UTF-16 without a mark": lambda log: log.decode().encode("utf-16-le"),
    "UTF-16 in gzip": lambda log: gzip.compress(log.decode().encode("utf-16")),
}


@pytest.mark.parametrize("form", FORMS)
def test_what_is_packed_is_read(form: str) -> None:
    (report,) = find_reports(read_lines(io.BytesIO(FORMS[form](LOG))))
    assert (report.kind, report.start) == ("soft-lockup", 901)


@pytest.mark.parametrize("form", PACKED)
def test_a_file_cut_short_is_no_quiet_log(form: str) -> None:
    packed = PACKED[form](LOG)
    with pytest.raises((*BROKEN, OSError)):
        list(read_lines(io.BytesIO(packed[: len(packed) // 2])))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"LPKSHHRH" + bytes(200), "journalctl --file"),
        (b"PK\x03\x04" + bytes(200), "zip archive"),
        (b"KDUMP   " + bytes(200), "kernel's dump"),
        (gzip.compress(LOG)[:-40], "damaged"),
    ],
)
def test_a_file_that_is_no_log_is_told(
    data: bytes, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "log"
    log.write_bytes(data)
    parser = ArgumentParser()
    register(parser.add_subparsers())
    options = parser.parse_args(["dmesg", str(log)])
    assert options.func(options) == 2
    complaint = capsys.readouterr().err
    assert said in complaint
    assert str(log) in complaint
    assert complaint.count("\n") == 1


@pytest.mark.parametrize("data", [b"", b"x", b"\xff", b"B", b"\x1f"])
def test_short_files_are_text(data: bytes) -> None:
    assert len(list(read_lines(io.BytesIO(data)))) <= 1
