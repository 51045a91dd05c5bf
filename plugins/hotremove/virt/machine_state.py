# SPDX-License-Identifier: Apache-2.0
"""A machine's state, but for memory that lies in files, to a file and back.

libvirt's own save and restore write and read all memory. QEMU leaves out what is mapped shared
from a file when it is told so (x-ignore-shared, from QEMU 4.0 on): the file has it already. Who
maps that file privately has the same memory, and writes to copies of its pages.
"""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hotremove.virt.monitor import Monitor, MonitorRefusal

_FILE = "hotremove-state"
# Seconds between two looks at what QEMU does: loading takes 20 ms, saving 100.
_STEP = 0.002
# What is left on a disk that is full, bytes.
_FULL = 1 << 20


def is_mapped(domain: Any, memory: Mapping[int, Path]) -> bool:
    """Whether QEMU has the nodes' memory from these files, by number of the node."""
    monitor = Monitor(domain)
    return all(_file_of(monitor, node) == file.resolve() for node, file in memory.items())


def _file_of(monitor: Monitor, node: int) -> Path | None:
    try:
        words = {"path": f"/objects/{backend(node)}", "property": "mem-path"}
        return Path(monitor.ask("qom-get", **words)).resolve()
    except MonitorRefusal:  # its memory is of no file
        return None


def backend(node: int) -> str:
    """What libvirt calls QEMU's memory of a node."""
    return f"ram-node{node}"


def save(domain: Any, file: Path, is_apart: bool) -> None:
    """Stop the machine and write its state; without shared memory where that `is_apart`.

    Raises:
        OSError: the disk is full.
        MonitorRefusal: it cannot be written, or QEMU refuses.
    """
    monitor = Monitor(domain)
    _leave_out(monitor, is_apart)
    with file.open("wb") as opened:
        monitor.lend(opened.fileno(), _FILE)
    monitor.ask("migrate", uri=f"fd:{_FILE}")
    while (told := monitor.ask("query-migrate"))["status"] != "completed":
        if told["status"] in ("failed", "cancelled"):
            check_space(file.parent)
            raise MonitorRefusal(told.get("error-desc", told["status"]))
        time.sleep(_STEP)


def load(domain: Any, file: Path, is_apart: bool) -> None:
    """Give the state to a machine that was started with `-incoming defer`; its CPUs stay stopped.

    A QEMU that does not take it ends.

    Raises:
        OSError: there is no such file.
        MonitorRefusal: QEMU refuses.
    """
    monitor = Monitor(domain)
    _leave_out(monitor, is_apart)
    with file.open("rb") as opened:
        monitor.lend(opened.fileno(), _FILE)
    monitor.ask("migrate-incoming", uri=f"fd:{_FILE}")
    while monitor.ask("query-status")["status"] == "inmigrate":
        time.sleep(_STEP)


def check_space(folder: Path) -> None:
    """Raise the error of a full disk if the folder's is: QEMU's own words do not tell it.

    Raises:
        OSError: it is.
    """
    if shutil.disk_usage(folder).free < _FULL:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))


def _leave_out(monitor: Monitor, is_apart: bool) -> None:
    wanted = {"capability": "x-ignore-shared", "state": is_apart}
    monitor.ask("migrate-set-capabilities", capabilities=[wanted])
