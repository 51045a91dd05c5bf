# SPDX-License-Identifier: Apache-2.0
"""Topologies, domain XML, clock and accelerator: what needs no guest."""

import os
import re
import time
from pathlib import Path

import pytest

from hotremove.architecture.arm64 import ARM64
from hotremove.architecture.x86_64 import X86_64
from hotremove.bootimage.initramfs import BootImage
from hotremove.cache import Cache
from hotremove.errors import Blocked, HostProblem, NotApplicable, UsageProblem
from hotremove.guest.plan import BootTask, GuestPlan, find_emulator, has_device, soft_reserve
from hotremove.kernels.kernel import Kernel
from hotremove.session.farm import Farm
from hotremove.session.options import Options
from hotremove.virt import accelerator
from hotremove.virt.clock import Clock
from hotremove.virt.domain import (
    Boot,
    Channels,
    dimm_xml,
    domain_xml,
    incoming,
    move_channels,
    with_node_files,
    without_capability,
)
from hotremove.virt.embedded import can_do
from hotremove.virt.polling import wait_until
from hotremove.virt.topology import load_topology, parse_topology

GOLDEN = Path(__file__).parents[1] / "golden/domains"
TABLE = {
    "description": "",
    "cpus": 1,
    "movable_node": 0,
    "dimm_slots": 1,
    "max_mib": 1024,
    "node": [{"mib": 512, "cpus": "0"}],
}


def make_xml(kind="tcg", gdb=None, topology="movable-node", arch=X86_64):
    firmware = Path("/c/firmware") if arch.machine.firmware else None
    boot = Boot(Path("/c/vmlinux"), Path("/c/initramfs"), 'quiet dyndbg="a +p"', firmware)
    how = ("/usr/bin/qemu", kind, gdb, arch)
    return domain_xml("g1", load_topology(topology), boot, Channels(Path("/run/g")), *how)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("tcg", {}),
        ("kvm", {"kind": "kvm"}),
        ("gdb", {"gdb": 1234}),
        ("icount", {"topology": "icount", "gdb": 1234}),
        ("arm64", {"arch": ARM64}),
    ],
)
def test_domain_xml_is_as_reviewed(name, options):
    assert make_xml(**options) == (GOLDEN / f"{name}.xml").read_text()


def test_an_edu_device_is_given_to_qemu_itself():
    words = make_xml(topology="dma", gdb=1234).partition("<qemu:commandline")[2]
    values = re.findall(r'value="([^"]*)"', words)
    assert values == ["-device", "edu,bus=pcie.0,addr=0x10", "-gdb", "tcp:127.0.0.1:1234"]


@pytest.mark.parametrize("kind", ["tcg", "kvm"])
def test_cxl_memory_is_given_to_qemu_itself(kind):
    xml = make_xml(kind, topology="cxl")
    values = re.findall(r'value="([^"]*)"', xml.partition("<qemu:commandline")[2])
    words = dict(zip(values[1::2], values[::2], strict=True))
    assert words["cxl=on,cxl-fmw.0.targets.0=cxl-bridge,cxl-fmw.0.size=256M"] == "-machine"
    assert words["memory-backend-ram,id=cxl-ram,size=256M"] == "-object"
    assert words["cxl-type3,id=cxl-memory,bus=cxl-port,volatile-memdev=cxl-ram"] == "-device"
    assert '<feature policy="disable" name="hypervisor"/>' in xml
    assert "hypervisor" not in make_xml(kind)


def test_the_node_of_cxl_memory_is_none_at_boot():
    assert parse_topology("t", {**TABLE, "movable_node": 1, "cxl_mib": 256}).movable_node == 1
    for wrong in ({"movable_node": 1}, {"movable_node": 2, "cxl_mib": 256}):
        with pytest.raises(UsageProblem, match="is none of its 1 nodes"):
            parse_topology("t", {**TABLE, **wrong})
    with pytest.raises(UsageProblem, match="cxl_mib = 128 is no multiple of 256"):
        parse_topology("t", {**TABLE, "cxl_mib": 128})


def test_devices_that_qemu_was_built_with():
    assert has_device(find_emulator(), "virtio-mem-pci")
    assert not has_device(find_emulator(), "flux-capacitor")


def test_soft_reserved_memory_begins_where_its_node_does():
    assert soft_reserve(load_topology("dax"), X86_64.machine) == ["memmap=256M%512M-1+0xefffffff"]
    assert soft_reserve(load_topology("movable-node"), X86_64.machine) == []
    with pytest.raises(NotApplicable, match="kernels on virt take no parameter"):
        soft_reserve(load_topology("dax"), ARM64.machine)


def test_channels_move_and_nothing_else_does():
    xml = make_xml()
    moved = move_channels(xml, Channels(Path("/run/g")), Channels(Path("/run/h")))
    assert moved.count("/run/h/") == 4
    assert "/run/g/" not in moved
    back = move_channels(moved, Channels(Path("/run/h")), Channels(Path("/run/g")))
    assert back.split() == xml.split()


def test_a_domain_makes_no_use_of_what_it_is_told_to_leave_alone():
    xml = without_capability(make_xml(gdb=1234), "cpu-unavailable-features")
    told = re.findall(r'<qemu:capabilities.*>\s*<qemu:del capability="(.*)"/>', xml)
    assert told == ["cpu-unavailable-features"]
    assert 'value="tcp:127.0.0.1:1234"' in xml
    assert without_capability(xml, "cpu-unavailable-features") == xml


def test_memory_of_some_nodes_is_from_files():
    shared = with_node_files(make_xml(), [0], "shared")
    assert re.findall(r'<cell id="0".*memAccess="(.*?)"', shared) == ["shared"]
    assert shared.count("memAccess") == 1
    private = with_node_files(shared, [1], "private")
    assert re.findall(r'<cell id="1".*memAccess="(.*?)"', private) == ["private"]
    assert with_node_files(private, [], "private").split() == make_xml().split()


@pytest.mark.parametrize("options", [{}, {"gdb": 1234}])
def test_a_domain_whose_state_comes_in_is_another_and_keeps_its_own_words(options):
    saved = make_xml(**options).replace("</name>", "</name><uuid>1</uuid>")
    xml = incoming(saved, "other")
    assert "<name>other</name>" in xml
    assert "uuid" not in xml
    values = re.findall(r'qemu:arg value="([^"]*)"', xml)
    assert values == [*(["-gdb", "tcp:127.0.0.1:1234"] if options else []), "-incoming", "defer"]
    assert xml.count("</qemu:commandline>") == 1


def test_what_qemu_can_do_is_what_the_driver_has_found(tmp_path):
    found = tmp_path / "cache/qemu/capabilities"
    found.mkdir(parents=True)
    (found / "a.xml").write_text("<qemuCaps>\n  <flag name='cpu-max'/>\n</qemuCaps>\n")
    assert can_do(tmp_path, "cpu-max")
    assert not can_do(tmp_path, "cpu")


def test_a_dimm_names_its_size_and_node():
    assert dimm_xml("ua-dimm0", 512, 1) == (
        '<memory model="dimm"><target><size unit="MiB">512</size><node>1</node></target>'
        '<alias name="ua-dimm0"/></memory>'
    )


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"colour": "red"}, "unknown key `colour`"),
        ({"name": "other"}, "unknown key `name`"),
        ({"movable_node": 3}, "movable_node 3 is none of its 1 nodes"),
        ({"movable_node": -1}, "movable_node = -1 is negative"),
        ({"cpus": "2"}, "cpus: expected `int`, got `str`"),
        ({"cpus": True}, "cpus: expected `int`, got `bool`"),
        ({"max_mib": 1024.0}, "max_mib: expected `int`, got `float`"),
        ({"iommu": 1}, "iommu: expected `bool`, got `int`"),
        ({"description": 3}, "description: expected `str`, got `int`"),
        ({"cmdline": ["quiet"]}, r"cmdline: expected `str`, got `array`"),
        ({"endpoints": -1}, "endpoints = -1 is negative"),
        ({"node": 512}, "nodes: expected `array`, got `int`"),
        ({"node": [512]}, "nodes 1: expected `object`, got `int`"),
        ({"node": [{"mib": "512"}]}, "nodes 1: mib: expected `int`, got `str`"),
        ({"node": [{"mib": 512, "cpus": 0}]}, "nodes 1: cpus: expected `str`, got `int`"),
        ({"node": [{"mib": 512, "cpu": "0"}]}, "nodes 1: unknown key `cpu`"),
    ],
)
def test_a_wrong_topology_is_refused_by_name(change, complaint):
    with pytest.raises(UsageProblem, match=f"topology t: .*{complaint}"):
        parse_topology("t", {**TABLE, **change})


@pytest.mark.parametrize("key", ["cpus", "movable_node", "dimm_slots", "max_mib", "description"])
def test_a_topology_needs_every_key(key):
    with pytest.raises(UsageProblem, match=key):
        parse_topology("t", {name: value for name, value in TABLE.items() if name != key})


def test_a_topology_that_is_no_toml_or_not_there(tmp_path):
    broken = tmp_path / "broken.toml"
    broken.write_text("cpus = = 2")
    with pytest.raises(UsageProblem, match=r"broken\.toml"):
        load_topology(str(broken))
    with pytest.raises(UsageProblem, match=r"known are .*movable-node"):
        load_topology("no-such-shape")


def test_what_shapes_a_machine_is_in_its_fingerprint():
    shape = parse_topology("t", TABLE)
    other = parse_topology("t", {**TABLE, "dimm_slots": 2})
    assert shape.fingerprint != other.fingerprint


def test_a_stopped_clock_stands_still_and_goes_on_from_there():
    clock = Clock()
    clock.stop()
    stopped = clock.now()
    time.sleep(0.05)
    assert clock.now() == stopped
    clock.go_on()
    assert stopped <= clock.now() < stopped + 0.04


def test_waiting_gives_up_at_its_deadline_and_hears_of_a_death():
    start = time.monotonic()
    assert not wait_until(lambda: False, 0.2)
    assert 0.2 <= time.monotonic() - start < 2

    def dead():
        raise HostProblem("dead")

    with pytest.raises(HostProblem):
        wait_until(lambda: False, 5, dead)


def fake_emulator(path, body):
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("echo 'x: Kernel panic - not syncing: VFS: Unable to mount root fs on'", None),
        ("echo 'qemu: failed to set MSR 0x10a' >&2; exit 1", "failed to set MSR 0x10a"),
        ("exit 3", "QEMU exited with status 3"),
    ],
)
def test_a_probe_says_what_an_accelerator_lacks(tmp_path, body, complaint):
    emulator = fake_emulator(tmp_path / "qemu", body)
    assert accelerator.try_boot(emulator, "kvm", Path("/k"), 0.5) == complaint


def slow_emulator(tmp_path):
    return fake_emulator(tmp_path / "qemu", "echo SeaBIOS; echo once >>$0.log; exec sleep 60")


def test_a_probe_whose_time_is_over_says_nothing_of_the_accelerator(tmp_path):
    with pytest.raises(TimeoutError, match=r"did not boot in 0.5 s \(1 lines on its console\)"):
        accelerator.try_boot(slow_emulator(tmp_path), "kvm", Path("/k"), 0.5)


@pytest.fixture
def kvm(tmp_path, monkeypatch):
    """A device that can be opened."""
    device = tmp_path / "kvm"
    device.touch()
    monkeypatch.setattr(accelerator, "_DEVICE", device)
    monkeypatch.setattr(accelerator, "PROBE_DEADLINE", 0.3)
    monkeypatch.delenv("PYTEST_XDIST_TESTRUNUID", raising=False)


@pytest.mark.usefixtures("kvm")
def test_a_probe_whose_time_is_over_is_tried_again(tmp_path):
    emulator, cache = slow_emulator(tmp_path), Cache(tmp_path / "cache")
    for tries in (1, 2):
        found = accelerator.choose("auto", emulator, Path("/k"), cache)
        assert (found.kind, found.proven) == ("tcg", False)
        assert found.reason.startswith("KVM was tried in vain: a kernel did not boot in 0.3 s")
        assert (tmp_path / "qemu.log").read_text() == "once\n" * tries


@pytest.mark.usefixtures("kvm")
def test_the_workers_of_one_run_try_once(tmp_path, monkeypatch):
    emulator, cache = slow_emulator(tmp_path), Cache(tmp_path / "cache")
    for run, tries in (("one", 1), ("one", 1), ("two", 2)):
        monkeypatch.setenv("PYTEST_XDIST_TESTRUNUID", run)
        assert accelerator.choose("auto", emulator, Path("/k"), cache).kind == "tcg"
        assert (tmp_path / "qemu.log").read_text() == "once\n" * tries


@pytest.mark.usefixtures("kvm")
def test_an_old_answer_is_asked_for_again(tmp_path):
    emulator = fake_emulator(tmp_path / "qemu", "echo once >>$0.log; echo 'qemu: broken' >&2")
    cache = Cache(tmp_path / "cache")
    accelerator.choose("auto", emulator, Path("/k"), cache)
    (known,) = (tmp_path / "cache/accelerators").glob("*.json")
    old = time.time() - 7200
    os.utime(known, (old, old))
    accelerator.choose("auto", emulator, Path("/k"), cache)
    assert (tmp_path / "qemu.log").read_text() == "once\n" * 2


def test_a_probe_without_qemu_is_the_hosts_problem(tmp_path):
    with pytest.raises(HostProblem, match="QEMU does not start"):
        accelerator.try_boot(str(tmp_path / "none"), "kvm", Path("/k"), 1)


def test_what_a_probe_found_is_remembered(tmp_path, monkeypatch):
    device = tmp_path / "kvm"
    device.touch()
    monkeypatch.setattr(accelerator, "_DEVICE", device)
    emulator = fake_emulator(tmp_path / "qemu", "echo once >>$0.log; echo 'qemu: broken' >&2")
    cache = Cache(tmp_path / "cache")
    for _ in range(2):
        found = accelerator.choose("auto", emulator, Path("/k"), cache)
        assert found == accelerator.Accelerator("tcg", "KVM fails here: broken")
    assert (tmp_path / "qemu.log").read_text() == "once\n"
    with pytest.raises(UsageProblem, match="--hotremove-accel kvm: KVM fails here: broken"):
        accelerator.choose("kvm", emulator, Path("/k"), cache)


def make_plan(tmp_path, **changes):
    emulator = tmp_path / "qemu"
    if not emulator.exists():
        emulator.touch()
    kernel = Kernel(release="6.1", version="6.1-1", image=emulator, modules=None, spec="host")
    image = BootImage(kernel, Path("/c/initramfs"), changes.pop("image", "k1"), (), ())
    boot = Boot(Path("/c/v1/vmlinux"), Path("/c/initramfs"), "quiet")
    given = {
        "boot": boot,
        "topology": load_topology("movable-node"),
        "accelerator": "tcg",
        "emulator": str(emulator),
        **changes,
    }
    return GuestPlan(image, **given)


@pytest.mark.parametrize(
    "change",
    [
        {"image": "k2"},
        {"boot": Boot(Path("/c/v2/vmlinux"), Path("/c/initramfs"), "quiet")},
        {"boot": Boot(Path("/c/v1/vmlinux"), Path("/c/initramfs"), "quiet debug")},
        {"topology": parse_topology("t", TABLE)},
        {"accelerator": "kvm"},
    ],
    ids=["image", "kernel", "command line", "topology", "accelerator"],
)
def test_whatever_makes_another_machine_makes_another_key(tmp_path, change):
    assert make_plan(tmp_path, **change).key != make_plan(tmp_path).key


def test_another_qemu_makes_another_key(tmp_path):
    before = make_plan(tmp_path).key
    assert make_plan(tmp_path).key == before
    (tmp_path / "qemu").write_text("upgraded")
    assert make_plan(tmp_path).key != before


def test_another_firmware_makes_another_key_and_is_not_read(tmp_path):
    firmware = tmp_path / "firmware"
    boot = Boot(Path("/c/v1/vmlinux"), Path("/c/initramfs"), "quiet", firmware)
    keys = [make_plan(tmp_path).key]
    for tib in (1, 2):  # more than anybody could read
        with firmware.open("wb") as file:
            file.truncate(tib << 40)
        keys.append(make_plan(tmp_path, boot=boot).key)
    assert len(set(keys)) == 3


def test_a_guest_with_a_boot_task_is_another_guest(tmp_path):
    plan = make_plan(tmp_path)
    sent = plan.with_boot_task(BootTask("hotremove.cost=rdma:anon:1:1:8:0", "done", 5))
    assert sent.boot.cmdline == "quiet hotremove.cost=rdma:anon:1:1:8:0"
    assert (plan.boot_task, sent.boot_task.mark) == (None, "done")
    assert sent.key != plan.key


def test_instructions_are_not_counted_where_only_kvm_may_be_used(tmp_path):
    options = Options(("host",), "movable-node", "kvm", None, None, 30, False)
    with pytest.raises(Blocked, match="--hotremove-accel kvm: only TCG counts instructions"):
        Farm(options).plan(make_plan(tmp_path).image.kernel, load_topology("icount"))
