# SPDX-License-Identifier: Apache-2.0
"""The farm's kernel modules in a guest; run on several kernels by test_kmods.py."""

import contextlib
import os
import signal

import pytest

from hotremove.errors import Blocked
from hotremove.pins.buffer import Buffer
from hotremove.pins.holder import PinRefused
from hotremove.pins.kmod import load_module
from hotremove.pins.take import take_pin
from hotremove.scenario import MIB

pytestmark = pytest.mark.hotremove

SIZE = 32 * MIB
PAGES = SIZE // 4096
FUZZ_SECONDS = int(os.environ.get("FUZZ_SECONDS", "5"))


def unload(guest, *names):
    guest.control.check(f"rmmod {' '.join(names)}")


def balanced(guest):
    """Whether as many pins were released as were taken."""
    guest.control.check("echo 1 >/proc/sys/vm/stat_refresh")
    counts = dict(line.split() for line in guest.control.read("/proc/vmstat").splitlines())
    return counts["nr_foll_pin_acquired"] == counts["nr_foll_pin_released"]


def test_every_module_is_built_loads_and_unloads(guest, farm, kernel, load, tmp_path):
    modules = farm.kmods(kernel)
    assert not modules.absent
    names = {module.stem for module in modules.modules} - {"dimm_handler", "fault"}
    load(*names)
    with pytest.raises(Blocked, match="resource busy"):  # these kernels handle DIMMs themselves
        load_module(guest, modules.find("dimm_handler"))
    # None in force: 5.10 does not migrate pins, and the module's default has nothing to turn off.
    load_module(guest, modules.find("fault"), "name=")
    unload(guest, *names, "fault")
    foreign = tmp_path / "foreign.ko"
    foreign.write_bytes(b"\x7fELF not a module")
    with pytest.raises(Blocked, match="foreign"):
        load_module(guest, foreign)


@pytest.mark.pins("rdma", "vfio")
def test_oracle_finds_what_a_fault_leaves_in_zone_movable(
    movable_dimm, pinner, oracle, broken, fixed
):
    assert oracle() == 0
    buffer = movable_dimm.map(SIZE)
    pinner.pin(buffer)
    assert (oracle(), oracle("movable")) == (PAGES, 0 if fixed else PAGES)
    buffer.close()
    assert (oracle(), oracle("movable")) == (0, 0)
    if not fixed:
        return
    with broken("no-migration") as hits:
        buffer = movable_dimm.map(SIZE)
        pinner.pin(buffer)
        assert (oracle(), oracle("movable")) == (PAGES, PAGES)
        assert hits() > 0
        buffer.unpin()
        assert (oracle(), oracle("movable")) == (0, 0)
    pinner.pin(buffer)
    assert (oracle(), oracle("movable")) == (PAGES, 0)


@pytest.fixture
def entries(guest, load):
    """The entries of pin_hold that take long-term pins of this kernel, tried on one page."""
    load("pin_hold")
    taken = []
    buffer = Buffer(guest, 4096, kind="memfd")
    for entry in ("fast", "locked", "remote", "unlocked", "memfd"):
        with contextlib.suppress(PinRefused):
            take_pin(buffer, "kmod", "pin", entry=entry)
            taken.append(entry)
    buffer.close()
    return taken


def test_every_entry_of_pin_hold(guest, movable_dimm, oracle, entries, fixed):
    assert entries[:3] == ["fast", "locked", "remote"]
    for entry in entries:
        buffer = movable_dimm.map(SIZE, kind="memfd")
        take_pin(buffer, "kmod", "pin", entry=entry)
        assert (entry, oracle()) == (entry, PAGES)
        assert (entry, oracle("movable")) == (entry, 0 if fixed else PAGES)
        assert not guest.control.run("rmmod pin_hold").ok
        buffer.close()
        assert oracle() == 0
    unload(guest, "pin_hold")


def test_pins_of_every_module_end_with_their_holder(
    guest, movable_dimm, rdma, mdev, oracle, load, fixed
):
    load("pin_hold", "pin_rdma")
    keys = {"group": mdev.group, "device": mdev.name}
    for path, more in (("kmod", {}), ("ib_umem", {}), ("mdev", keys)):
        buffer = movable_dimm.map(SIZE)
        pin = take_pin(buffer, path, "pin", batch=1 << 20, **more)
        assert (path, pin.calls) == (path, SIZE >> 20)
        assert (path, oracle()) == (path, PAGES)
        assert (path, oracle("movable")) == (path, 0 if fixed else PAGES)
        gone = f"while [ -d /proc/{buffer.pid} ]; do usleep 10000; done"
        guest.control.check(f"kill -{signal.SIGKILL} {buffer.pid}; {gone}")
        assert (path, oracle()) == (path, 0)
    unload(guest, "pin_hold", "pin_rdma", "pin_vfio")
    assert balanced(guest)


def test_a_detached_pin_ends_with_its_module(guest, movable_dimm, oracle, load):
    load("pin_hold")
    buffer = movable_dimm.map(SIZE)
    take_pin(buffer, "kmod", "pin", detached=1)
    buffer.close()
    assert oracle() == PAGES
    unload(guest, "pin_hold")
    assert oracle() == 0


def test_unmigratable_pages_hold_up_an_offline(guest, movable_dimm, load):
    load("unmigratable")
    buffer = movable_dimm.map(SIZE)
    pfn = buffer.frames().runs[0][0]
    folder = "/sys/kernel/debug/unmigratable"
    guest.control.check(f"echo {pfn} 3 >{folder}/hold")
    assert guest.control.read(f"{folder}/held").strip() == "3"
    state = f"/sys/devices/system/memory/memory{pfn * 4096 >> 27}/state"
    assert guest.control.run(f"echo offline >{state}", 3).ending == "deadline"
    unload(guest, "unmigratable")
    guest.control.check(f"until echo offline >{state}; do :; done")


def fuzz(guest, *devices):
    words = " ".join((str(FUZZ_SECONDS), str(FUZZ_SECONDS), *devices))
    guest.control.check(f"ioctl_fuzz {words}", FUZZ_SECONDS + 120)


def test_random_requests(guest, rdma, oracle, load):
    load("pin_hold", "pin_rdma")
    fuzz(guest, "/dev/pin_hold", "/dev/pin_rdma")
    unload(guest, "pin_hold", "pin_rdma")
    assert oracle() == 0
    assert balanced(guest)
    # lockdep stops watching after its first report; a kernel without it has no such file.
    watching = guest.control.run("grep debug_locks /proc/lockdep_stats").text
    assert watching.split()[1:] in ([], ["1"])


@pytest.mark.allow_splat(
    kind="lockdep",
    pattern="vfio_iommu_type1_unpin_pages",
    reason="vfio's own: it has drivers unpin, which takes iommu->lock, under a lock that it takes "
    "inside of iommu->lock elsewhere (6.1, vfio_notify_dma_unmap)",
    expires="2027-12-31",
)
def test_random_requests_to_a_vfio_device(guest, mdev, oracle):
    fuzz(guest, f"vfio:{mdev.group}:{mdev.name}")
    unload(guest, "pin_vfio")
    assert oracle() == 0
    assert balanced(guest)
