# SPDX-License-Identifier: Apache-2.0
"""What puts a fault in force in a guest: its kernel itself, or the farm's module."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hotremove.errors import Blocked, NotApplicable
from hotremove.faults.fault import NO_MIGRATION
from hotremove.guest.longterm import migrates_pins
from hotremove.guest.machine import Guest
from hotremove.pins.kmod import load_module

MODULE = "fault"
"""The module that breaks a kernel which is whole."""
# Of a kernel that was built with tests/faults/: what it can do, and what it does.
_OFFERED = "/sys/module/kernel/parameters/faults"
_IN_FORCE = "/sys/module/kernel/parameters/fault"
# How the module says that it finds nothing to probe.
_NO_WAY = "nothing to probe"


def put_in_force(guest: Guest, fault: str, module: Callable[[], Path]) -> None:
    """Break a guest's kernel.

    Args:
        guest: the guest.
        fault: the fault's name.
        module: gives the module's file; it may have to be built, and is asked for only if the
            kernel cannot do it by itself.

    Raises:
        NotApplicable: neither can do it on this kernel.
        CapabilityAbsent: the kernel was built without what the module needs.
        Blocked: it could not be built.
    """
    if fault in offered_by_kernel(guest):
        guest.control.write(_IN_FORCE, fault)
        return
    file = module()
    try:
        load_module(guest, file, f"name={fault}")
    except Blocked as error:
        lacks_way = _NO_WAY in str(error)
        if not lacks_way or (fault == NO_MIGRATION and migrates_pins(guest.control)):
            raise
        raise NotApplicable(no_carrier(fault, str(error))) from error


def kernel_parameter(fault: str) -> str:
    """What has a kernel that was built with tests/faults/ broken from boot."""
    return f"fault={fault}"


def require_broken_from_boot(guest: Guest, fault: str) -> None:
    """See that a guest's kernel took the fault that its command line names.

    Raises:
        NotApplicable: it was not built with it, and a module comes too late.
    """
    if fault not in offered_by_kernel(guest):
        why = "what is looked at happens before a module can be loaded"
        raise NotApplicable(no_carrier(fault, why))


def offered_by_kernel(guest: Guest) -> frozenset[str]:
    """The faults that a guest's kernel was built with; none where it is like any other."""
    offered = guest.control.run(f"cat {_OFFERED}")
    return frozenset(offered.text.replace(",", " ").split()) if offered.ok else frozenset()


def no_carrier(fault: str, why: str) -> str:
    """Why a fault cannot be had on a kernel."""
    return f"{NO_CARRIER} {fault} on this kernel: {why}"


NO_CARRIER = "nothing brings the fault"
"""Begins the message of a run whose fault could not be put in force."""
