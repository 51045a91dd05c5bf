# SPDX-License-Identifier: Apache-2.0
"""A breakpoint that a processor ran though memory does not hold it: an emulator's mistake."""

from __future__ import annotations

import re

from hotremove.observe.kernellog.report import Report

_TRAP = re.compile(r"(?:Oops: )?int3: ")
# The instructions around the trap, as the kernel reads them back; <> is where it would go on.
_CODE = re.compile(r"\bCode: (?:[0-9a-f]{2} )*([0-9a-f]{2}) <[0-9a-f]{2}>")
_INT3 = "cc"


def is_stale_breakpoint(report: Report) -> bool:
    """Whether an oops is of an int3 that is not where the processor ran it.

    The kernel patches its code through breakpoints, and has every processor serialise before it
    lets go of one (arch/x86/kernel/alternative.c, text_poke_bp_batch). TCG with a thread for each
    processor can keep the translation of one that is gone; then nobody claims the trap.
    """
    found = _CODE.search(report.text)
    return bool(_TRAP.match(report.title) and found and found[1] != _INT3)
