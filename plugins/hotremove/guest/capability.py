# SPDX-License-Identifier: Apache-2.0
"""Whether a guest's kernel can do something, and who is to blame where it does not."""

from __future__ import annotations

from collections.abc import Mapping

from hotremove.errors import NotLookedAt
from hotremove.guest.machine import Guest
from hotremove.kernels import capabilities, config
from hotremove.kernels.capabilities import Capability

_CARRIED = "modprobe -q configs; zcat /proc/config.gz"


def configuration(guest: Guest) -> Mapping[str, str]:
    """The kernel's configuration; one that came without tells it in the guest, or nobody knows it.

    CONFIG_IKCONFIG_PROC makes /proc/config.gz.
    """
    known = guest.plan.image.kernel.config
    return known or config.parse(guest.control.run(_CARRIED).text)


def require(guest: Guest, capability: Capability) -> None:
    """Make sure, before anything is set up, that the kernel was built with a capability.

    Raises:
        CapabilityAbsent: its configuration has an option off, which the text quotes.
        Blocked: a driver's module is missing among the kernel's files.
    """
    guest.plan.image.require(capability, configuration(guest))


def refusal(guest: Guest, capability: Capability, complaint: str) -> NotLookedAt:
    """The error for a set-up that failed with a complaint: absent by proof, else blocked."""
    return capabilities.refusal(configuration(guest), capability, complaint)
