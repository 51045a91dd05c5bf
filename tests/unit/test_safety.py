# SPDX-License-Identifier: Apache-2.0
"""What a guest, a test's name or a kernel's words must never be able to do to the host."""

from __future__ import annotations

import ast
import shlex
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from hotremove.guest.domain import Boot, Channels, domain_xml
from hotremove.guest.topology import load_topology
from hotremove.report.evidence import safe_name

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "plugins").rglob("*.py"))
TOPOLOGIES = sorted(path.stem for path in (ROOT / "guests/topologies").glob("*.toml"))
# Only these elements can be devices of a guest; none of them leads out of the machine.
DEVICES = {"emulator", "controller", "memballoon", "serial", "channel", "memory", "iommu"}
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


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_host_command_goes_through_a_shell(source):
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
    from hotremove.report import evidence

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
