# SPDX-License-Identifier: Apache-2.0
"""What a guest, a test's name or a kernel's words must never be able to do to the host."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from hotremove.kernels.distro.buildroot import Buildroot, Command
from hotremove.results.evidence import safe_name
from hotremove.virt.domain import Boot, Channels, domain_xml
from hotremove.virt.topology import load_topology

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "plugins").rglob("*.py"))
TOPOLOGIES = sorted(path.stem for path in (ROOT / "guests/topologies").glob("*.toml"))
# Only these elements can be devices of a guest; none of them leads out of the machine.
DEVICES = {"emulator", "controller", "memballoon", "serial", "channel", "memory", "iommu"}
SHELLS = {"sh", "bash", "dash", "ash", "ksh", "zsh", "busybox"}
# Who may start a shell on the host, and how: the user's own command, a script of ours without a
# placeholder, a script of the kernel's that gets a log on its input.
ALLOWED = {
    "cli/builds.py": ["['/bin/sh', '-c', command]"],
    "kernels/distro/buildroot.py": [
        "[*_alone(), 'sh', '-c', _ENTER, str(self.root), *pairs, '--', *command.words]"
    ],
    "observe/kernellog/symbolise.py": ["['bash', str(debug.script), str(debug.vmlinux), 'auto']"],
}
# Who waits for a process by other means: with a deadline of the user's, or not at all.
BOUNDED_OTHERWISE = {
    *("processes.py", "cli/builds.py", "cli/suite.py", "virt/run_directory.py"),
}
FORBIDDEN = {
    *("os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"),
    *("asyncio.create_subprocess_shell", "eval", "exec"),
}


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_a_guest_has_no_way_out(name):
    boot = Boot(Path("/k"), Path("/i"), "quiet")
    xml = domain_xml("name", load_topology(name), boot, Channels(Path("/c")), "/q", "tcg")
    domain = etree.fromstring(xml.encode())
    devices = {element.tag for element in domain.find("devices")}
    assert not devices & {"interface", "filesystem", "disk", "hostdev", "redirdev", "vsock"}
    assert not any("netdev" in arg.get("value", "") for arg in domain.iter("{*}arg"))


def calls_of(source: Path):
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Call):
            yield node


def shells_of(source: Path):
    """The commands of a file that a shell is told to run, as they are written."""
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.List | ast.Tuple) and any(map(is_shell, node.elts)):
            yield ast.unparse(node)


def is_shell(word: ast.expr) -> bool:
    if not isinstance(word, ast.Constant) or str(word.value).startswith("#!"):
        return False
    return Path(str(word.value)).name in SHELLS


def test_a_shell_runs_on_the_host_only_for_what_the_docs_name():
    found = {
        str(source.relative_to(ROOT / "plugins/hotremove")): list(shells_of(source))
        for source in SOURCES
    }
    assert {file: commands for file, commands in found.items() if commands} == ALLOWED
    safety = (ROOT / "docs/farm.md").read_text().partition("## Safety")[2].partition("\n## ")[0]
    for named in ("bisect-step --build", "build root", "decode_stacktrace.sh"):
        assert named in safety


def test_what_is_done_in_a_build_root_is_no_part_of_its_script():
    """It comes as words behind the script, which does not evaluate any of them."""
    hostile = "$(reboot); `reboot`"
    words = Buildroot(Path("/root of it"))._enter(Command([hostile], {}))
    script = words[words.index("-c") + 1]
    assert words[-1] == hostile
    assert "reboot" not in script
    assert "eval" not in script
    unquoted = re.sub(r'"[^"]*"', "", script)
    assert "$" not in unquoted


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_each_program_has_a_bound(source):
    file = str(source.relative_to(ROOT / "plugins/hotremove"))
    for call in calls_of(source):
        called = ast.unparse(call.func)
        if called == "subprocess.run":
            assert any(word.arg == "timeout" for word in call.keywords), ast.unparse(call)
        if called == "subprocess.Popen":
            assert file in BOUNDED_OTHERWISE, ast.unparse(call)
        assert not called.startswith(("subprocess.check_", "subprocess.call"))


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_text_is_given_to_a_shell_by_python(source):
    for call in calls_of(source):
        called = ast.unparse(call.func)
        assert not any(word.arg == "shell" for word in call.keywords), ast.unparse(call)
        assert called not in FORBIDDEN, ast.unparse(call)
        if called in ("subprocess.run", "subprocess.Popen"):
            assert not isinstance(call.args[0], ast.Constant | ast.JoinedStr), ast.unparse(call)


@given(st.text(min_size=1))
def test_evidence_never_leaves_its_folder(test):
    name = safe_name(f"scenarios/test_it.py::{test}")
    assert Path("/artifacts", name).resolve().parent == Path("/artifacts")
    assert name not in ("", ".", "..")
    assert len(name) < 200


@pytest.mark.parametrize(
    "test", ["../../etc/passwd", "a/../../b", "..", "x\0y", "$(reboot)", "a\nb"]
)
def test_names_that_were_made_to_leave_it(test):
    name = safe_name(f"scenarios/test_it.py::{test}")
    assert not set(name) & set("/\0\n$`;&|")


def test_a_script_that_repeats_a_test_runs_nothing_of_its_name(tmp_path):
    from hotremove.results import evidence

    class Plan:
        accelerator = "tcg"

        class topology:  # noqa: N801
            name = "movable-node"

        class image:  # noqa: N801
            class kernel:  # noqa: N801
                spec, release, version = "debian:bookworm", "6.1", "1"

    mark = tmp_path / "run"
    hostile = f"test_it.py::test[$(touch {mark});`touch {mark}`\n touch {mark}]"
    script = evidence.repro_script(hostile, Plan, tmp_path, [f"-k; touch {mark}"])
    subprocess.run(["sh", "-c", script.replace("exec ", "echo ")], cwd=tmp_path, check=False)
    assert not list(tmp_path.iterdir()), script
    assert shlex.quote(hostile) in script
