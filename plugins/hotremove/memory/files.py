# SPDX-License-Identifier: Apache-2.0
"""A filesystem of the guest, for memory that files are mapped from."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from hotremove.errors import HotremoveError, NotApplicable
from hotremove.guest.capability import refusal, require
from hotremove.guest.machine import Guest
from hotremove.kernels.capabilities import find
from hotremove.memory.page_flags import count_pages
from hotremove.memory.removable import Removable
from hotremove.observe.pageflags import BUFFERS
from hotremove.units import MIB

_COMPARED = (0, 1)  # exit statuses of cmp: the same, or not; others are trouble
_IMAGE, _PLACE, _DATA = "/run/disk", "/run/files", "/run/data"
# Not by `mount -o loop`: busybox's has the device open for writing while it mounts it, which a
# kernel from 6.8 on without CONFIG_BLK_DEV_WRITE_MOUNTED refuses with EBUSY.
_LOOP = "/dev/loop0"
# Says in the superblock, at byte 1024, that files may have extents (fs/ext4/ext4.h,
# EXT4_FEATURE_INCOMPAT_EXTENTS), beside what mke2fs has there, that folders tell types of files.
_EXTENTS = f"printf '\\102' | dd of={_IMAGE} bs=1 seek={1024 + 0x60} conv=notrunc 2>/dev/null"
_CAPABILITY = find("ext4 files")


class Filesystem:
    """An ext4 filesystem on a loop device, empty.

    >>> buffer = movable_memory.map(16 * MIB, kind="file", file=ext4.path("data"))
    """

    def __init__(
        self, guest: Guest, mib: int = 96, node: int | None = None, extents: bool = False
    ) -> None:
        """Make one of `mib` MiB and mount it; on `node` it has what memory it takes for that.

        Busybox lays it out without extents and journal, which the driver ext4 takes as it is. With
        `extents` its files have them, without which there is no fallocate(2).

        Raises:
            CapabilityAbsent: the kernel was built without ext4 or loop devices.
            Blocked: it is not mounted, though the kernel may have been built with both.
        """
        require(guest, _CAPABILITY)
        self._guest = guest
        # Built in, or not needed any more: where it is a module, ext4 does not name it.
        guest.control.run("modprobe -q crc32c_generic")
        self.guest = guest
        self._there = f"on_node {node} " if node is not None else ""
        made = guest.control.run(
            f"modprobe -a loop ext4 && truncate -s {mib}M {_IMAGE} && "
            f"mke2fs -F -b 4096 {_IMAGE} >/dev/null && {_EXTENTS if extents else 'true'} && "
            f"mkdir -p {_PLACE} && "
            f"losetup {_LOOP} {_IMAGE} && {self._there}mount -t ext4 {_LOOP} {_PLACE}"
        )
        if not made.ok:
            raise refusal(guest, _CAPABILITY, f"no ext4 on a loop device: {made.complaint}")

    def sync(self) -> None:
        """Write everything to the device: no page is dirty then, and none can be written unseen."""
        self._guest.control.check("sync")

    def remount(self) -> None:
        """Drop all that is cached of its files, once nobody has them mapped.

        Raises:
            RuntimeError: somebody has.
        """
        self._guest.control.check(f"umount {_PLACE} && mount -t ext4 {_LOOP} {_PLACE}")

    def path(self, name: str) -> str:
        """Where a file of that name is."""
        return f"{_PLACE}/{name}"

    def write_file(self, memory: Removable, mib: int = 4) -> None:
        """Write a file of random data, whose pages lie in `memory` and have buffers.

        Raises:
            HotremoveError: they lie elsewhere, or the kernel keeps the data without buffers.
        """
        data = f"dd if=/dev/urandom of={_DATA} bs=1M count={mib} 2>/dev/null"
        self.guest.control.check(f"{data} && {self._write} && sync")
        found, wanted = count_pages(self.guest.control, memory.blocks, BUFFERS), mib * MIB // 4096
        if found < wanted:
            told = f"{found} pages of the memory have buffers, of {wanted} of a file of ext4"
            raise NotApplicable(told) if found == 0 else HotremoveError(told)

    @contextmanager
    def kept_busy(self) -> Iterator[None]:
        """Write the file again and to the disk, over and over meanwhile."""
        job = self.guest.control.start(f"while :; do {self._write}; sync; done")
        yield
        self.guest.control.kill(job, signal.SIGKILL)

    def expect_file(self) -> None:
        """Require that the file is as it was written, for who reads it from the device anew.

        Raises:
            AssertionError: it is not.
            HotremoveError: it cannot be read.
        """
        __tracebackhide__ = True
        fresh = "sync; echo 3 >/proc/sys/vm/drop_caches"
        same = self.guest.control.run(f"{fresh}; cmp {_DATA} {self.path('busy')}", 60.0)
        if same.ending != "exit" or same.status not in _COMPARED:
            raise HotremoveError(f"`{same.command}`: {same.ending} {same.status}, {same.complaint}")
        assert same.ok, f"bytes of the file are not as written: {same.text}{same.complaint}"

    @property
    def _write(self) -> str:
        target = self.path("busy")
        return f"{self._there}dd if={_DATA} of={target} bs=64k conv=notrunc 2>/dev/null"
