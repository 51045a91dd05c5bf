# SPDX-License-Identifier: Apache-2.0
"""What a kernel prints only when it is told to (Documentation/admin-guide/dynamic-debug-howto)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from hotremove.guest.control import Control

# There with CONFIG_DYNAMIC_DEBUG, whether debugfs is mounted or not (lib/dynamic_debug.c, 5.7).
_CONTROL = "/proc/dynamic_debug/control"


@contextmanager
def printing(control: Control, function: str) -> Iterator[bool]:
    """Have a function of the kernel print what it would not; gives whether it can.

    By an error it is left so: the guest is dead then, or given up.
    """
    can = control.run(f"grep -q ']{function} =' {_CONTROL}").ok
    if can:
        control.write(_CONTROL, f"func {function} +p")
    yield can
    if can:
        control.write(_CONTROL, f"func {function} -p")
