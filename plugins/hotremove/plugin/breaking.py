# SPDX-License-Identifier: Apache-2.0
"""Gives a guest's kernel the fault that a test wants; what cannot be had is tried once in a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hotremove.errors import NotApplicable, Waived

if TYPE_CHECKING:
    from hotremove.guest.machine import Guest
    from hotremove.guest.patience import Patience
    from hotremove.guest.plan import GuestPlan
    from hotremove.kernels.kernel import Kernel
    from hotremove.session.farm import Farm

# Seconds until a call counts as endless with a fault by which it is; without one the same call
# takes less than a second under TCG.
ENDLESS_DEADLINE = 20.0


def require_fault(farm: Farm, kernel: Kernel, fault: str) -> None:
    """Spare a guest whose kernel is known not to take the fault.

    Raises:
        NotApplicable, Waived: it is.
    """
    if why := farm.missing_faults.get((kernel, fault)):
        raise type(why)(str(why))


def broken_from_boot(plan: GuestPlan, fault: str) -> GuestPlan:
    """The plan of a guest whose kernel has the fault on its command line; without a name, none."""
    from hotremove.faults.carriers import kernel_parameter

    return plan.with_parameter(kernel_parameter(fault)) if fault else plan


def require_broken(guest: Guest, fault: str) -> None:
    """See that a guest that was to be broken from boot is; without a name, nothing.

    Raises:
        NotApplicable: its kernel was not built with the fault.
    """
    from hotremove.faults.carriers import require_broken_from_boot

    if fault:
        require_broken_from_boot(guest, fault)


def _patience_with(fault: str) -> Patience:
    """How long is waited for what a kernel with a fault may never do."""
    from hotremove.faults.fault import catalogue
    from hotremove.guest.patience import Patience

    about = catalogue()[fault]
    holder = ENDLESS_DEADLINE if about.is_endless else Patience().holder
    return Patience(holder, ends_on_sight=about.gets_stuck)


def break_kernel(farm: Farm, guest: Guest, fault: str) -> None:
    """Put a fault in force; without a name, none.

    Raises:
        NotApplicable: nothing puts it in force on this kernel.
        Waived: the module could, perhaps, and somebody asked to do without modules.
        CapabilityAbsent, Blocked: there is no module for the kernel.
    """
    if not fault:
        return
    from hotremove.faults.carriers import MODULE, put_in_force

    kernel = guest.plan.image.kernel

    def module() -> Path:
        if "modules" in farm.options.without:
            raise Waived("--hotremove-without modules")
        return farm.kmods(kernel).find(MODULE)

    guest.patience = _patience_with(fault)
    try:
        put_in_force(guest, fault, module)
    except (NotApplicable, Waived) as why:
        farm.missing_faults[kernel, fault] = why
        raise
