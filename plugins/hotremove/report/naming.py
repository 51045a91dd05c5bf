# SPDX-License-Identifier: Apache-2.0
"""What a test is called apart from the kernel it ran on."""

from __future__ import annotations

import re

from hotremove.report.record import Result


def nameless(result: Result) -> str:
    """A test's id without the kernel: `test_x.py::test_y[6.1.192-rdma]` is `…test_y[rdma]`."""
    label = re.escape(result.kernel_label)
    return re.sub(rf"\[{label}(-|(?=\]))", "[", result.test).removesuffix("[]")


def variant(result: Result) -> str:
    """What a scenario was run over beside the kernel: `memfd`, `rdma`; or nothing."""
    found = re.search(r"\[(.+)\]$", nameless(result))
    return found[1] if found else result.pin


def title(result: Result) -> str:
    """The scenario with all it was run over, `15 shared memory [memfd]`: one test of a kernel."""
    words = variant(result)
    return f"{result.scenario} [{words}]" if words else result.scenario
