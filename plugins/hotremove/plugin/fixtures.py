# SPDX-License-Identifier: Apache-2.0
"""The fixtures scenarios are written with.

Dimensions, each with a default that an option or a marker changes:

| fixture      | what varies            | default          | changed by                    |
|--------------|------------------------|------------------|-------------------------------|
| `kernel`     | the kernel under test  | debian:bookworm  | `--kernel`, repeatable        |
| `topology`   | the guest's hardware   | movable-node     | `--topology`, `mark.topology` |
| `accelerator`| kvm or tcg             | auto             | `--accel`                     |
| `pinner`     | the pin path           | none             | `mark.pins("rdma", "vfio")`   |

Nouns, each fresh for every test: `guest`; memory (`movable_dimm`, `normal_dimm`, `dax_kmem`,
`boot_node`, `virtio_mem`); pin paths (`rdma`, `vfio`, `uring`, `vmsplice`, `pin_hold`, `ib_umem`,
`mdev`, `udmabuf`, `edu`); what looks or interferes (`traffic`, `leak_check`, `notifier_veto`,
`rounds`, `ext4`, `memory_pressure`); `pin_cost` and `record`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from random import Random
from typing import Any, Protocol

import pytest

from hotremove.guest.machine import Guest
from hotremove.guest.memory_blocks import count_pins, reserve_gigantic_pages, reserve_huge_pages
from hotremove.guest.plan import GuestPlan
from hotremove.kernels.kernel import Kernel
from hotremove.lineage.changes import Lineage
from hotremove.memory.boot_node import BootNode
from hotremove.memory.daxkmem import DaxKmem
from hotremove.memory.dimm import Dimm
from hotremove.memory.files import Filesystem
from hotremove.memory.leak_check import LeakCheck
from hotremove.memory.normal_dimm import NormalDimm
from hotremove.memory.notifier import NotifierVeto
from hotremove.memory.placement import require_on_node
from hotremove.memory.pressure import MemoryPressure
from hotremove.memory.virtio_mem import VirtioMem
from hotremove.pincost.measure import TOPOLOGY, PinCost
from hotremove.pins.buffer import Buffer
from hotremove.pins.edu import Edu
from hotremove.pins.kmod import IbUmem, Mdev, PinHold, turn_off
from hotremove.pins.path import PinPath
from hotremove.pins.rdma import Rdma
from hotremove.pins.traffic import Range, Traffic
from hotremove.pins.udmabuf import Udmabuf
from hotremove.pins.uring import Uring
from hotremove.pins.vfio import Vfio
from hotremove.pins.vmsplice import Vmsplice
from hotremove.plugin.debugging import should_keep
from hotremove.plugin.observations import Record, recorder
from hotremove.plugin.report_check import settle_reports
from hotremove.plugin.rounds import Rounds
from hotremove.plugin.stash import EVIDENCE, FARM, GUEST, PIN_COST, ROUNDS, ROW
from hotremove.results.evidence import Evidence
from hotremove.session.capacity import share_mib, worker_mib
from hotremove.session.farm import Farm
from hotremove.session.memory_budget import Room
from hotremove.virt.accelerator import Accelerator
from hotremove.virt.topology import Topology, load_topology

DIMM_MIB = 512
# Shorter than a verdict on a kernel may be: a proof also asks where the pinned pages lie.
PROOF_DEADLINE = 4.0
# Where the lineage knows that a row fails. Fixed kernels need less than a second.
KNOWN_BUG_DEADLINE = 10.0


class DmaDevice(Protocol):
    """A way to pin a buffer, by a device that can move what is in it."""

    def dma_ranges(self, size: int, chance: Random) -> tuple[Range, ...]:
        """What the device moves of `size` bytes."""


# Names of the fixtures below that pin.
PIN_PATHS = (
    "rdma",
    "vfio",
    "uring",
    "vmsplice",
    "pin_hold",
    "ib_umem",
    "mdev",
    "edu",
    "udmabuf",
)


@pytest.fixture(scope="session")
def farm(pytestconfig: pytest.Config) -> Farm:
    """What this process works with."""
    return pytestconfig.stash[FARM]


@pytest.fixture(scope="session")
def hotremove_room(farm: Farm, tmp_path_factory: pytest.TempPathFactory) -> Room:
    """This machine's memory; workers have the parent of their temporary folder in common."""
    share = share_mib(farm.options.topology)
    return Room(tmp_path_factory.getbasetemp().parent, farm.shares, share)


@pytest.fixture(scope="session")
def kernel(request: pytest.FixtureRequest) -> Kernel:
    """The kernel under test; one test run for each `--kernel`."""
    found: Kernel = request.param
    return found


@pytest.fixture(scope="session")
def accelerator(farm: Farm) -> Accelerator:
    """What guests run under, and why."""
    return farm.accelerator


@pytest.fixture
def topology(request: pytest.FixtureRequest, farm: Farm) -> Topology:
    """The guest's hardware."""
    marker = request.node.get_closest_marker("topology")
    return load_topology(marker.args[0] if marker else farm.options.topology)


@pytest.fixture
def fix(request: pytest.FixtureRequest) -> bool:
    """Whether the kernel is as it is; False turns the migration of pins off (`--prove`)."""
    return bool(getattr(request, "param", True))


@pytest.fixture
def known_bug(request: pytest.FixtureRequest, farm: Farm, kernel: Kernel) -> bool:
    """Whether the lineage is asked, and expects the row to fail on this kernel."""
    options, row = farm.options, request.node.stash[ROW]
    if options.expect != "lineage" or row.control:
        return False
    lineage = Lineage(kernel.point_release, options.has, options.lacks)
    return lineage.known_bug(row.number) is not None


@pytest.fixture
def guest(
    request: pytest.FixtureRequest, farm: Farm, kernel: Kernel, topology: Topology, fix: bool
) -> Iterator[Guest]:
    """A fresh guest, destroyed afterwards and never used again."""
    with _lent(request, farm, farm.plan(kernel, topology), fix) as fresh:
        if not fix:
            turn_off(fresh, farm.kmods(kernel).find("unfix"))
        yield fresh


@contextmanager
def _lent(
    request: pytest.FixtureRequest, farm: Farm, plan: GuestPlan, fix: bool = True
) -> Iterator[Guest]:
    """A fresh guest for the running test, with its evidence kept."""
    evidence = Evidence.open(farm.options.artifacts, request.node.nodeid)
    request.node.stash[EVIDENCE] = evidence
    words = map(str, request.config.invocation_params.args)
    more = ["--seed", str(farm.options.seed), "--rounds", str(farm.options.rounds)]
    more += [] if fix else ["--prove"]
    more += [] if farm.options.hosts else ["--accel", plan.accelerator]
    # By its whole path: below --pyargs an id names no file that pytest would find again.
    test = "::".join((str(request.node.path), request.node.nodeid.partition("::")[2]))
    evidence.before(test, plan, request.config.rootpath, words, more)
    keep = partial(should_keep, request.node)
    mib = worker_mib(plan.topology.boot_mib, _dimm_mib(request))
    room: Room = request.getfixturevalue("hotremove_room")
    with room.take(mib), farm.stable.lend(plan, evidence.after, keep) as fresh:
        request.node.stash[GUEST] = fresh
        fresh.timeline.until_now(fresh.origin)
        evidence.started(fresh)
        yield fresh


@pytest.fixture
def pin_cost(request: pytest.FixtureRequest, farm: Farm, kernel: Kernel) -> Iterator[PinCost]:
    """Measures what pins cost, in guests of their own whose clock counts instructions."""
    with ExitStack() as guests:

        def lend(plan: GuestPlan) -> Guest:
            settle_reports(request.node)  # of the guest before, which makes room
            guests.close()
            return guests.enter_context(_lent(request, farm, plan))

        made = PinCost(farm.plan(kernel, load_topology(TOPOLOGY)), lend, farm.measured)
        request.node.stash[PIN_COST] = made
        yield made


@pytest.fixture
def removal_deadline(farm: Farm, fix: bool, known_bug: bool) -> float:
    """Seconds a removal is given; fewer where it is meant to get stuck."""
    limit = KNOWN_BUG_DEADLINE if known_bug else farm.options.deadline
    return min(farm.options.deadline, limit if fix else PROOF_DEADLINE)


@pytest.fixture
def movable_dimm(request: pytest.FixtureRequest, guest: Guest, removal_deadline: float) -> Dimm:
    """A DIMM on the movable node, online in ZONE_MOVABLE."""
    return Dimm(guest, guest.plan.topology.movable_node, _dimm_mib(request), removal_deadline)


def _dimm_mib(request: pytest.FixtureRequest) -> int:
    marker = request.node.get_closest_marker("dimm")
    return int(marker.args[0]) if marker else DIMM_MIB


@pytest.fixture
def virtio_mem(guest: Guest, removal_deadline: float) -> VirtioMem:
    """The guest's virtio-mem device, grown; wants `mark.topology("virtio-mem")`."""
    return VirtioMem(guest, removal_deadline)


@pytest.fixture
def dax_kmem(guest: Guest, removal_deadline: float) -> DaxKmem:
    """Soft-reserved memory that kmem has onlined; wants `mark.topology("dax")`."""
    return DaxKmem(guest, removal_deadline)


@pytest.fixture
def boot_node(guest: Guest, removal_deadline: float) -> BootNode:
    """A node that is movable from boot; wants `mark.topology("movable-boot")`."""
    return BootNode(guest, removal_deadline)


@pytest.fixture
def huge_pages(guest: Guest) -> Callable[[int, int], None]:
    """Reserve huge pages of 2 MiB on a node: `huge_pages(node, count)`."""
    return partial(reserve_huge_pages, guest.control)


@pytest.fixture
def gigantic_pages(guest: Guest) -> Callable[[int, int], None]:
    """Reserve huge pages of 1 GiB on a node, in ZONE_MOVABLE: `gigantic_pages(node, count)`."""
    return partial(reserve_gigantic_pages, guest.control)


@pytest.fixture
def pins_held(guest: Guest) -> Callable[[], int]:
    """Count the page references that FOLL_PIN holds on the whole machine."""
    return partial(count_pins, guest.control)


@pytest.fixture
def map_on_node(guest: Guest) -> Callable[..., Buffer]:
    """Map and fault memory on a node, outside ZONE_MOVABLE: `map_on_node(0, 128 * MIB)`.

    See `Buffer` for more words.
    """

    def map_there(node: int, size: int, **how: Any) -> Buffer:
        buffer = Buffer(guest, size, node, **how)
        require_on_node(guest, buffer, node)
        return buffer

    return map_there


@pytest.fixture
def normal_dimm(guest: Guest, removal_deadline: float) -> NormalDimm:
    """A DIMM on the movable node, online in ZONE_NORMAL."""
    return NormalDimm(guest, guest.plan.topology.movable_node, DIMM_MIB, removal_deadline)


@pytest.fixture
def notifier_veto(guest: Guest) -> NotifierVeto:
    """Who objects, when told to, to memory going offline."""
    return NotifierVeto(guest)


@pytest.fixture
def leak_check(guest: Guest) -> LeakCheck:
    """An account of the guest's memory, opened when a test first asks for it."""
    return LeakCheck(guest)


@pytest.fixture
def rdma(guest: Guest) -> Rdma:
    """The guest's rxe device."""
    return Rdma(guest)


@pytest.fixture
def vfio(guest: Guest) -> Vfio:
    """An endpoint of the guest under vfio-pci."""
    return Vfio(guest)


@pytest.fixture
def edu(guest: Guest) -> Edu:
    """A device that does DMA, under vfio-pci; wants `mark.topology("dma")`."""
    return Edu(guest)


@pytest.fixture
def uring() -> Uring:
    """The guest's io_uring."""
    return Uring()


@pytest.fixture
def udmabuf(guest: Guest) -> Udmabuf:
    """The guest's maker of DMA buffers out of memfds."""
    return Udmabuf(guest)


@pytest.fixture
def vmsplice() -> Vmsplice:
    """Pipes of the guest that nobody reads."""
    return Vmsplice()


@pytest.fixture
def pin_hold(guest: Guest, farm: Farm, kernel: Kernel) -> PinHold:
    """The module pin_hold, built for the kernel and loaded."""
    return PinHold(guest, farm.kmods(kernel).find("pin_hold"))


@pytest.fixture
def rounds(request: pytest.FixtureRequest, farm: Farm) -> Rounds:
    """The rounds of a test in which chance decides: `for chance in rounds`."""
    name = str(getattr(request.node, "originalname", request.node.name))
    made = Rounds(farm.options.seed, farm.options.rounds, name)
    request.node.stash[ROUNDS] = made
    return made


@pytest.fixture
def traffic(rounds: Rounds) -> Callable[[DmaDevice, Buffer], Traffic]:
    """Fill a buffer with data for a device to move: `traffic(rdma, buffer)`."""
    chance = rounds.chance()
    return lambda device, buffer: Traffic(buffer, device.dma_ranges(buffer.size, chance), chance)


@pytest.fixture
def ib_umem(rdma: Rdma, farm: Farm, kernel: Kernel) -> IbUmem:
    """ib_umem_get() for the guest's rxe device, by the module pin_rdma."""
    return IbUmem(rdma, farm.kmods(kernel).find("pin_rdma"))


@pytest.fixture
def mdev(guest: Guest, farm: Farm, kernel: Kernel) -> Mdev:
    """vfio_pin_pages() for a device without hardware, by the module pin_vfio."""
    return Mdev(guest, farm.kmods(kernel).find("pin_vfio"))


@pytest.fixture
def ext4(guest: Guest) -> Filesystem:
    """An empty ext4 filesystem."""
    return Filesystem(guest)


@pytest.fixture
def memory_pressure(guest: Guest) -> MemoryPressure:
    """What takes the guest's free memory away; ask for it before `movable_dimm`."""
    return MemoryPressure(guest)


@pytest.fixture
def record(request: pytest.FixtureRequest) -> Record:
    """Keep a line for the results, where more than one answer is right: `record("refused")`."""
    return recorder(request.node)


@pytest.fixture
def pinner(request: pytest.FixtureRequest) -> PinPath:
    """The pin path of this run of the test; the paths come from `@pytest.mark.pins`."""
    path: PinPath = request.getfixturevalue(request.param)
    return path
