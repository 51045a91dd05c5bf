# SPDX-License-Identifier: Apache-2.0
"""Make real kernels complain and keep what they print as golden logs.

    pytest -m hotremove tests/golden/provoke.py --hotremove-kernel debian:bookworm [-k list]

Each fault runs in a guest of its own; what its console and its /dev/kmsg said from then on is
written beside this file, as `real-FAULT-VERSION.log` and `real-FAULT-VERSION-kmsg.log`. The tests
fail, for the kernel did complain. Run refresh.py afterwards.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from hotremove.errors import HotremoveError
from hotremove.guest.machine import Guest
from hotremove.kernels.kernel import Kernel
from hotremove.memory.dimm import Dimm
from hotremove.memory.normal_memory import NormalMemory
from hotremove.memory.virtio_mem import VirtioMem
from hotremove.observe.kernellog.dmesg import find_reports
from hotremove.observe.pagedump import parse_dumps
from hotremove.pins.path import PinPath
from hotremove.scenario import MIB
from hotremove.session.farm import Farm
from hotremove.virt.topology import Topology

pytestmark = pytest.mark.hotremove

HEADER = "# SPDX-License-Identifier: Apache-2.0; provoked: {release}, {what}\n"
# Swap on a loop device, and files whose memory comes from node 1.
SWAP = (
    "modprobe loop; truncate -s 64M /run/swap && mkswap /run/swap && losetup /dev/loop0 /run/swap"
    " && swapon /dev/loop0 && mkdir /m && mount -t tmpfs -o size=64m,mpol=bind:1 x /m"
)
# Each read brings the pages beside it into the swap cache, and only its own into the file.
READ_SOME = "for i in $(seq 0 8 2047); do dd if=/m/f of=/dev/null bs=4096 count=1 skip=$i; done"
# Into the pool of huge pages, as many as there are.
TAKE_NODE_0 = "echo 1000 >/sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages"
# Their inodes are kernel memory.
FILES = (
    "mkdir /m && mount -t tmpfs -o nr_inodes=0 x /m && i=0;"
    " while [ $i -lt 40000 ]; do : >/m/$i; i=$((i + 1)); done"
)
LONGEST = 20_000  # characters kept of a log
QUICK = (
    "echo 2 >/proc/sys/kernel/watchdog_thresh;"
    " echo 4 >/proc/sys/kernel/hung_task_timeout_secs;"
    " echo 2 >/proc/sys/kernel/hung_task_check_interval_secs;"
    " echo 3 >/sys/module/rcupdate/parameters/rcu_cpu_stall_timeout"
)
SPLAT = "echo {0} >/sys/kernel/debug/splat/provoke"
SYSRQ = "echo {0} >/proc/sysrq-trigger"
FAULTS = {
    "warn": SPLAT.format("warn"),
    "bug": SPLAT.format("bug"),
    "null": SPLAT.format("null"),
    "wild": SPLAT.format("wild"),
    "panic": SPLAT.format("panic"),
    "unmovable": "for m in 0 1 2 3; do"
    " echo offline >/sys/devices/system/memory/memory$m/state; done",
    "hwpoison": "for a in 0x1000000 0x1f000000; do"
    " echo $a >/sys/devices/system/memory/hard_offline_page; done",
    "soft-lockup": "echo 1 >/sys/module/rcupdate/parameters/rcu_cpu_stall_suppress; "
    + SPLAT.format("soft_lockup 12"),
    "rcu-stall": SPLAT.format("rcu_stall 9"),
    "hung-task": SPLAT.format("hung_task 8"),
    "list": SPLAT.format("list"),
    "refcount": SPLAT.format("refcount"),
    "oops-panic": f"echo 1 >/proc/sys/kernel/panic_on_oops; {SPLAT.format('null')}",
    "two-at-once": f"for i in 1 2 3 4; do {SPLAT.format('warn')} & done; wait",
    "sysrq-crash": SYSRQ.format("c"),
    "sysrq-backtraces": SYSRQ.format("l"),
    "usercopy": SPLAT.format("usercopy"),
    "divide": SPLAT.format("divide"),
    "oversized": SPLAT.format("oversized"),
    "atomic": SPLAT.format("atomic"),
    "slab-poison": SPLAT.format("slab_poison"),
    "slab-overrun": SPLAT.format("slab_overrun"),
    "slab-double-free": SPLAT.format("slab_double_free"),
    "slab-remains": SPLAT.format("slab_remains"),
    "oom": "mkdir /m && mount -t tmpfs -o size=4g x /m && dd if=/dev/zero of=/m/f bs=1M",
}


@pytest.fixture
def topology(request: pytest.FixtureRequest, topology: Topology) -> Topology:
    """The guest's hardware, with SLUB's checks on for the faults that only they see."""
    if not str(request.node.callspec.params.get("complaint")).startswith("slab-"):
        return topology
    return replace(topology, name="slab-checks", cmdline="slub_debug=FZPU")


@pytest.mark.parametrize("complaint", FAULTS)
def test_provoke(guest: Guest, farm: Farm, kernel: Kernel, complaint: str) -> None:
    """Provoke one fault and write its logs."""
    if "splat/" in FAULTS[complaint]:
        guest.control.write("/run/splat.ko", farm.kmods(kernel).find("splat").read_bytes())
        guest.control.check("insmod /run/splat.ko; mount -t debugfs d /sys/kernel/debug || true")
    guest.control.check(f"{QUICK} || true")
    starts = sizes(guest)
    with suppress(HotremoveError):
        guest.control.start(FAULTS[complaint])
    wait_for_silence(guest, starts[0])
    keep_logs(guest, starts, f"{complaint}-{kernel.label}", FAULTS[complaint])


@pytest.mark.parametrize("memory", ["anon", "thp", "hugetlb2m", "shmem"])
@pytest.mark.pins("vmsplice", "rdma")
def test_provoke_page_dumps(
    movable_dimm: Dimm, pinner: PinPath, kernel: Kernel, memory: str
) -> None:
    """Offline pinned memory, which the kernel tries again and again, and keep the page dumps."""
    guest = movable_dimm.guest
    pin = pinner.pin(movable_dimm.map(32 * MIB, memory))
    starts = sizes(guest)
    movable_dimm.offline(deadline=6)
    keep_logs(guest, starts, f"{pin.path}-{memory}-{kernel.label}", f"{memory} under {pin.path}")


@pytest.mark.topology("virtio-mem")
@pytest.mark.parametrize("memory", ["anon", "thp", "shmem"])
def test_provoke_page_dumps_without_a_dimm(
    virtio_mem: VirtioMem, vmsplice: PinPath, kernel: Kernel, memory: str
) -> None:
    """The same on kernels that cannot be given DIMMs."""
    guest = virtio_mem.guest
    vmsplice.pin(virtio_mem.map(32 * MIB, memory))
    starts = sizes(guest)
    virtio_mem.offline(deadline=6)
    keep_logs(guest, starts, f"vmsplice-{memory}-{kernel.label}", f"{memory} under vmsplice")


def test_provoke_swap_cache(movable_dimm: Dimm, kernel: Kernel) -> None:
    """Offline shmem that is partly in the swap cache: kernels from 6.16 on never end that."""
    guest = movable_dimm.guest
    guest.control.check(SWAP)
    movable_dimm.map(8 * MIB, "file", file="/m/f").advise("pageout")
    guest.control.check(READ_SOME, deadline=120)
    starts = sizes(guest)
    movable_dimm.offline(deadline=8)
    keep_logs(guest, starts, f"swap-cache-{kernel.label}", "shmem in the swap cache, offlined")


def test_provoke_hugetlb_without_room(
    movable_dimm: Dimm, huge_pages: Callable[[int, int], None], kernel: Kernel
) -> None:
    """Offline more huge pages than the other memory has room for; nobody pins them."""
    guest = movable_dimm.guest
    huge_pages(1, 240)
    movable_dimm.map(480 * MIB, "hugetlb2m")
    starts = sizes(guest)
    movable_dimm.offline(deadline=30)
    keep_logs(guest, starts, f"hugetlb-no-room-{kernel.label}", "hugetlb without room elsewhere")


def test_provoke_kernel_pages(normal_memory: NormalMemory, kernel: Kernel) -> None:
    """Offline a DIMM in ZONE_NORMAL that the kernel took pages from, for want of other memory."""
    guest = normal_memory.guest
    guest.control.check(f"{TAKE_NODE_0}; {FILES}", deadline=120)
    starts = sizes(guest)
    for block in normal_memory.blocks:
        guest.control.run(f"echo offline >/sys/devices/system/memory/memory{block.index}/state")
    keep_logs(guest, starts, f"kernel-pages-{kernel.label}", "kernel memory in a DIMM, offlined")


def sizes(guest: Guest) -> tuple[int, int]:
    """How long console and /dev/kmsg are so far."""
    return guest.console.size(), guest.evidence.size()


def keep_logs(guest: Guest, starts: tuple[int, int], name: str, what: str) -> None:
    """Write what was said since `starts` beside this file, if there is a report in it."""
    release = guest.plan.image.kernel.release
    if "page-owner" in release:
        name = f"page-owner-{name}"
    logs = zip((guest.console, guest.evidence), ("", "-kmsg"), starts, strict=True)
    for log, suffix, start in logs:
        said = log.text(start)
        lines = said.split("\n")
        if not find_reports(lines) and not parse_dumps(lines):
            print(said)
            continue
        if len(said) > LONGEST:
            said = said[: said.rindex("\n", 0, LONGEST) + 1]
        header = HEADER.format(release=release, what=what)
        path = Path(__file__).with_name(f"real-{name}{suffix}.log")
        path.write_text(header + said, encoding="utf-8", newline="")


def wait_for_silence(guest: Guest, start: int, deadline: float = 60.0) -> None:
    """Until the kernel has reported something and said nothing for two seconds."""
    end = time.monotonic() + deadline
    size, since = -1, time.monotonic()
    while time.monotonic() < end and not guest.ended:
        if guest.console.size() != size:
            size, since = guest.console.size(), time.monotonic()
        lines = guest.console.text(start).split("\n")
        if (find_reports(lines) or parse_dumps(lines)) and time.monotonic() - since > 2:
            return
        time.sleep(0.2)
