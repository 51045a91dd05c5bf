# SPDX-License-Identifier: Apache-2.0
"""Pins by videobuf2: buffers of user memory (V4L2_MEMORY_USERPTR) of a video device."""

from __future__ import annotations

from hotremove.guest.capability import refusal
from hotremove.guest.machine import Guest
from hotremove.kernels.capabilities import find
from hotremove.pins.buffer import Buffer
from hotremove.pins.path import FindKmod, PinPath, no_kmods
from hotremove.pins.pin import Pin
from hotremove.pins.take import take_pin

_CAPABILITY = find("V4L2 pins")
# One device, which shows pictures and records none (Documentation/admin-guide/media/vivid.rst).
_SET_UP = "modprobe vivid n_devs=1 node_types=0x100"
_FIND = "ls -d /sys/class/video4linux/video*"


class V4l2(PinPath):
    """An output of vivid, the kernel's video device without hardware.

    videobuf2 pins with FOLL_LONGTERM (drivers/media/common/videobuf2/frame_vector.c,
    get_vaddr_frames()) when a buffer is prepared, for as long as it is the queue's.

    Attributes:
        device: its file.
    """

    capabilities = (_CAPABILITY,)

    def __init__(self, guest: Guest, find_kmod: FindKmod = no_kmods) -> None:
        """Load the driver.

        Raises:
            CapabilityAbsent: the kernel was built without CONFIG_VIDEO_VIVID.
            Blocked: there is no device, though it may have been built with it.
        """
        super().__init__(guest, find_kmod)
        found = guest.control.run(f"{_SET_UP} && {_FIND}")
        if not found.ok:
            raise refusal(guest, _CAPABILITY, f"no video device: {found.complaint}")
        self.device = "/dev/" + found.text.split()[0].rpartition("/")[2]

    def pin(self, buffer: Buffer, batch: int | None = None) -> Pin:
        """Prepare the buffer as one of the device's, or as one for each `batch` bytes, at most 32.

        Raises:
            PinRefused: VIDIOC_PREPARE_BUF's errno.
        """
        return take_pin(buffer, "v4l2", "V4L2 buffer", device=self.device, batch=batch)
