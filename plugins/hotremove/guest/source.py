# SPDX-License-Identifier: Apache-2.0
"""What a source of guests gives, be they this machine's or another's."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from hotremove.bootimage.initramfs import BootImage
from hotremove.guest.machine import Guest
from hotremove.guest.plan import GuestPlan
from hotremove.kernels.kernel import Kernel
from hotremove.virt.accelerator import Accelerator
from hotremove.virt.hypervisor import Hypervisor
from hotremove.virt.topology import Topology

AtEnd = Callable[[Guest, Path | None], None]
"""Looks at a guest before it goes, and at QEMU's log, where that is on this machine."""


class GuestSource(Protocol):
    """Where one worker's guests come from; who asks for one need not know where it runs."""

    @property
    def hypervisor(self) -> Hypervisor:
        """The libvirt that they run under."""

    @property
    def guests(self) -> tuple[Guest, ...]:
        """Those that are in use."""

    @property
    def kept(self) -> tuple[Guest, ...]:
        """Those that live on after the run."""

    def choose_accelerator(self, wanted: str, kernel: Kernel, /) -> Accelerator:
        """What guests run under, and why; `kernel` is one to try it with.

        Raises:
            HostProblem: it is not to be had.
        """

    def plan(self, image: BootImage, topology: Topology, accelerator: str) -> GuestPlan:
        """What guests of an image are made from here.

        Raises:
            HostProblem: there is no QEMU.
            Blocked: QEMU was built without a device that the topology has.
        """

    def fresh(self, plan: GuestPlan) -> Guest:
        """A guest that nobody has used, ready to take commands.

        Raises:
            GuestDied, GuestLost: it did not come up.
            HostProblem: QEMU, the disk or the host refuses.
        """

    def prepare(self, plan: GuestPlan, /) -> None:
        """Begin to make what `fresh` will be asked for next; nobody waits for it.

        It is ended if nobody asks.
        """

    def boot(self, plan: GuestPlan) -> Guest:
        """A guest booted from power-on; raises what `fresh` does."""

    def lend(
        self, plan: GuestPlan, at_end: AtEnd = ..., keep: Callable[[], bool] = ...
    ) -> AbstractContextManager[Guest]:
        """A fresh guest for one test, looked at by `at_end` before it goes.

        A guest that does not come up is looked at as well. One for which `keep()` is true lives on.
        """

    def release(self, guest: Guest) -> None:
        """Destroy a guest off the critical path; its logs stay until the source is closed."""

    def close(self) -> None:
        """End every guest and leave nothing behind."""


def pass_over(_guest: Guest, _emulator_log: Path | None) -> None:
    """Look at nothing."""


def keep_none() -> bool:
    """Let no guest live on."""
    return False
