# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace
from pathlib import Path

import pytest

from hotremove.errors import HostProblem, UsageProblem
from hotremove.observe.kernellog.symbolise import DebugInfo, symbolise


@pytest.fixture
def debug(tmp_path: Path) -> DebugInfo:
    """A script that shows its arguments and marks each line, in place of the kernel's."""
    script = tmp_path / "decode_stacktrace.sh"
    script.write_text('echo "$@"; sed "s/$/ (mm.c:1)/"\n')
    vmlinux = tmp_path / "vmlinux"
    vmlinux.touch()
    return DebugInfo(script, vmlinux)


def test_text_goes_through_the_script(debug: DebugInfo) -> None:
    assert symbolise("f+0x1/0x2\ng+0x1/0x2", debug).split("\n") == [
        f"{debug.vmlinux} auto",
        "f+0x1/0x2 (mm.c:1)",
        "g+0x1/0x2 (mm.c:1)",
    ]


def test_modules_are_passed_on(debug: DebugInfo) -> None:
    debug = replace(debug, modules=Path("/modules"))
    assert symbolise("", debug).startswith(f"{debug.vmlinux} auto /modules")


def test_what_is_missing_is_named(debug: DebugInfo) -> None:
    with pytest.raises(UsageProblem, match="cannot symbolise: no file /nowhere/vmlinux"):
        symbolise("", replace(debug, vmlinux=Path("/nowhere/vmlinux")))


def test_a_failing_script_is_quoted(debug: DebugInfo) -> None:
    debug.script.write_text("echo first >&2; echo no addr2line >&2; exit 3\n")
    with pytest.raises(HostProblem, match=r"decode_stacktrace\.sh failed: no addr2line"):
        symbolise("", debug)


def test_a_slow_script_is_given_up(debug: DebugInfo) -> None:
    debug.script.write_text("exec sleep 20\n")
    with pytest.raises(HostProblem, match=r"did not end within 0\.1 s"):
        symbolise("", debug, deadline=0.1)
