# SPDX-License-Identifier: Apache-2.0
"""A filesystem of the guest, for memory that files are mapped from."""

from __future__ import annotations

from hotremove.guest.capability import refusal, require
from hotremove.guest.machine import Guest
from hotremove.kernels.capabilities import find

_IMAGE, _PLACE = "/run/disk", "/run/files"
# Not by `mount -o loop`: busybox's has the device open for writing while it mounts it, which a
# kernel from 6.8 on without CONFIG_BLK_DEV_WRITE_MOUNTED refuses with EBUSY.
_LOOP = "/dev/loop0"
_CAPABILITY = find("ext4 files")


class Filesystem:
    """An ext4 filesystem on a loop device, empty.

    >>> buffer = movable_dimm.map(16 * MIB, kind="file", file=ext4.path("data"))
    """

    def __init__(self, guest: Guest, mib: int = 96) -> None:
        """Make one of `mib` MiB and mount it.

        Busybox lays it out without extents and journal, which the driver ext4 takes as it is.

        Raises:
            CapabilityAbsent: the kernel was built without ext4 or loop devices.
            Blocked: it is not mounted, though the kernel may have been built with both.
        """
        require(guest, _CAPABILITY)
        self._guest = guest
        # Built in, or not needed any more: where it is a module, ext4 does not name it.
        guest.control.run("modprobe -q crc32c_generic")
        made = guest.control.run(
            f"modprobe -a loop ext4 && truncate -s {mib}M {_IMAGE} && "
            f"mke2fs -F -b 4096 {_IMAGE} >/dev/null && mkdir -p {_PLACE} && "
            f"losetup {_LOOP} {_IMAGE} && mount -t ext4 {_LOOP} {_PLACE}"
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
