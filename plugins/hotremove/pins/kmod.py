# SPDX-License-Identifier: Apache-2.0
"""The farm's modules in a guest."""

from __future__ import annotations

import re
from pathlib import Path

from hotremove.errors import Blocked
from hotremove.guest.machine import Guest


def load_module(guest: Guest, module: Path, *parameters: str) -> None:
    """Put a module, a file of the host, into the guest and load it with `name=value` parameters.

    Raises:
        Blocked: the kernel does not take it; the text is the kernel's, or else insmod's.
    """
    guest.control.write(f"/run/{module.name}", module.read_bytes())
    start = guest.evidence.size()
    loaded = guest.control.run(" ".join(("insmod", f"/run/{module.name}", *parameters)))
    if not loaded.ok:
        said = explain_refusal(guest.dmesg(start), module.stem) or loaded.complaint
        raise Blocked(f"the kernel does not take the module {module.stem}: {said}")


def explain_refusal(log: str, name: str) -> str:
    """What the kernel printed of a module that it refused, as one line; empty if nothing.

    insmod gives one text for an unknown symbol and for an ENOENT of the module's own.

    Example:
        >>> explain_refusal("pin_hold: Unknown symbol pin_user_pages (err -2)", "pin_hold")
        'Unknown symbol pin_user_pages (err -2)'
    """
    said = dict.fromkeys(re.findall(rf"\b{name}: (.*)", log))
    return "; ".join(line for line in said if "taint" not in line)
