# SPDX-License-Identifier: Apache-2.0
"""Files that QEMU maps the memory of a guest's nodes from.

libvirt names such files itself: by the folder of the embedded driver's root, the number that the
domain will have, and its name (qemu_conf.c, qemuGetMemoryBackingPath()). A link that lies there
before the start leads QEMU to a file of ours; libvirt removes the link when the domain ends.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from threading import Lock
from typing import Any

from hotremove.virt.machine_state import backend

# How much of a domain's name libvirt takes (VIR_DOMAIN_SHORT_NAME_MAX).
_NAME = 20


class NodeFiles:
    """Where one embedded driver looks for its guests' memory.

    libvirt numbers domains in the order of their starts. Whether one that failed had a number is
    not told, so links lie for each number that the next may have.
    """

    def __init__(self, root: Path) -> None:
        """`root` is the driver's."""
        self._folder = root / "lib/qemu/ram"
        self._turn = Lock()
        self._latest: set[int] = set()
        self._failed = 0

    def begin_again(self) -> None:
        """Reckon with a driver that counts from its beginning."""
        self._latest.add(0)

    def start(self, name: str, memory: Mapping[int, Path], start: Callable[[], Any]) -> Any:
        """The domain that `start()` gives, called while the links lie there.

        `memory` has a file for each node, by its number; it may be empty.
        """
        with self._turn:
            folders = {number: self._folder / f"{number}-{name[:_NAME]}" for number in self._next()}
            self._failed += 1
            try:
                for folder in folders.values():
                    _lay(folder, memory)
                domain = start()
                self._latest, self._failed = {domain.ID()}, 0
                folders.pop(domain.ID(), None)
            finally:
                for folder in folders.values():
                    shutil.rmtree(folder, ignore_errors=True)
        return domain

    def _next(self) -> Iterator[int]:
        """Numbers that the next domain may have."""
        for latest in self._latest:
            yield from range(latest + 1, latest + self._failed + 2)


def _lay(folder: Path, memory: Mapping[int, Path]) -> None:
    if memory:
        folder.mkdir(parents=True)
    for node, file in memory.items():
        (folder / backend(node)).symlink_to(file)
