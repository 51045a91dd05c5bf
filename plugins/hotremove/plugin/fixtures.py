# SPDX-License-Identifier: Apache-2.0
"""The fixtures scenarios are written with.

Dimensions, each with a default that an option or a marker changes:

| fixture      | what varies           | default         | changed by                              |
|--------------|-----------------------|-----------------|-----------------------------------------|
| `kernel`     | the kernel under test | debian:bookworm | `--hotremove-kernel`, repeatable        |
| `topology`   | the guest's hardware  | movable-node    | `--hotremove-topology`, `mark.topology` |
| `accelerator`| kvm or tcg            | auto            | `--hotremove-accel`                     |
| `pinner`     | the pin path          | none            | `mark.pins("rdma", "vfio")`             |

Nouns, each fresh for every test: `guest`; memory (`movable_dimm`, `normal_dimm`, `dax_kmem`,
`boot_node`, `virtio_mem`); pin paths (`rdma`, `vfio`, `uring`, `vmsplice`, `pin_hold`, `umem`,
`mediated`, `udmabuf`, `edu`); what looks or interferes (`traffic`, `leaks`, `objector`, `rounds`,
`ext4`, `scarcity`); `meter` and `record`.

Others may have fixtures of these names: what a test is run over is carried by fixtures with the
plugin's own name, and by them alone a test is known to be about guests. And as pytest imports this
for everybody, each fixture imports what it is made of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from hotremove.plugin.lending import lent, removals_of
from hotremove.plugin.rounds import ROUNDS
from hotremove.plugin.run import farm_of

if TYPE_CHECKING:
    from hotremove.guest.machine import Guest
    from hotremove.guest.plan import GuestPlan
    from hotremove.kernels.kernel import Kernel
    from hotremove.memory.boot_node import BootNode
    from hotremove.memory.daxkmem import DaxKmem
    from hotremove.memory.dimm import Dimm
    from hotremove.memory.files import Filesystem
    from hotremove.memory.leaks import Leaks
    from hotremove.memory.normal_dimm import NormalDimm
    from hotremove.memory.notifier import Objector
    from hotremove.memory.removal import Removal
    from hotremove.memory.scarcity import Scarcity
    from hotremove.memory.virtio_mem import VirtioMem
    from hotremove.pincost.meter import Meter
    from hotremove.pins.buffer import Buffer
    from hotremove.pins.edu import Edu
    from hotremove.pins.kmod import Mediated, PinHold, Umem
    from hotremove.pins.path import PinPath
    from hotremove.pins.rdma import Rdma
    from hotremove.pins.traffic import Range, Traffic
    from hotremove.pins.udmabuf import Udmabuf
    from hotremove.pins.uring import Uring
    from hotremove.pins.vfio import Vfio
    from hotremove.pins.vmsplice import Vmsplice
    from hotremove.plugin.observations import Record
    from hotremove.plugin.rounds import Rounds
    from hotremove.session.farm import Farm
    from hotremove.session.memory_budget import MemoryBudget
    from hotremove.verdict.row import Row
    from hotremove.virt.accelerator import Accelerator
    from hotremove.virt.topology import Topology

ROW: pytest.StashKey[Row] = pytest.StashKey()
"""On an item: its row of the catalogue."""
METER: pytest.StashKey[Meter] = pytest.StashKey()
"""On an item: what it measures costs with."""
DIMM_MIB = 512
# Shorter than a verdict on a kernel may be: a proof also asks where the pinned pages lie.
PROOF_DEADLINE = 4.0
# Where the lineage knows that a row fails. Fixed kernels need less than a second.
KNOWN_BUG_DEADLINE = 10.0


class Mover(Protocol):
    """A way to pin a buffer, by a device that can move what is in it."""

    def reach(self, size: int, chance: Random) -> tuple[Range, ...]:
        """What the device moves of `size` bytes."""


# Names of the fixtures below that pin.
PIN_PATHS = (
    "rdma",
    "vfio",
    "uring",
    "vmsplice",
    "pin_hold",
    "umem",
    "mediated",
    "edu",
    "udmabuf",
)


@pytest.fixture(scope="session")
def farm(pytestconfig: pytest.Config) -> Farm:
    """What this process works with."""
    return farm_of(pytestconfig)


@pytest.fixture(scope="session")
def hotremove_memory_budget(farm: Farm, tmp_path_factory: pytest.TempPathFactory) -> MemoryBudget:
    """This machine's memory; workers have the parent of their temporary folder in common."""
    from hotremove.session.capacity import portion_mib
    from hotremove.session.memory_budget import MemoryBudget

    portion = portion_mib(farm.options.topology)
    return MemoryBudget(tmp_path_factory.getbasetemp().parent, farm.portions, portion)


@pytest.fixture(scope="session")
def _hotremove_kernel(request: pytest.FixtureRequest) -> Kernel:
    found: Kernel = request.param
    return found


@pytest.fixture(scope="session")
def kernel(_hotremove_kernel: Kernel) -> Kernel:
    """The kernel under test; one test run for each `--hotremove-kernel`."""
    return _hotremove_kernel


@pytest.fixture(scope="session")
def accelerator(farm: Farm) -> Accelerator:
    """What guests run under, and why."""
    return farm.accelerator


@pytest.fixture
def topology(request: pytest.FixtureRequest, farm: Farm) -> Topology:
    """The guest's hardware."""
    from hotremove.virt.topology import load_topology

    marker = request.node.get_closest_marker("topology")
    return load_topology(marker.args[0] if marker else farm.options.topology)


@pytest.fixture
def _hotremove_fix(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def fix(_hotremove_fix: bool) -> bool:
    """Whether the kernel is as it is; to prove a scenario, its migration of pins is turned off."""
    return _hotremove_fix


@pytest.fixture
def known_bug(request: pytest.FixtureRequest, farm: Farm, kernel: Kernel) -> bool:
    """Whether the lineage is asked, and expects the row to fail on this kernel."""
    from hotremove.lineage.changes import Lineage

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
    from hotremove.pins.kmod import turn_off

    with _lent(request, farm, farm.plan(kernel, topology), fix) as fresh:
        if not fix:
            turn_off(fresh, farm.kmods(kernel).find("unfix"))
        yield fresh


def _lent(
    request: pytest.FixtureRequest, farm: Farm, plan: GuestPlan, fix: bool = True
) -> AbstractContextManager[Guest]:
    """A fresh guest for the running test, with its evidence kept."""
    from hotremove.session.capacity import worker_mib

    options = farm.options
    more = ["--hotremove-seed", str(options.seed), "--hotremove-rounds", str(options.rounds)]
    more += [] if fix else ["--hotremove-prove"]
    more += [] if options.hosts else ["--hotremove-accel", plan.accelerator]
    mib = worker_mib(plan.topology.boot_mib, _dimm_mib(request))
    budget: MemoryBudget = request.getfixturevalue("hotremove_memory_budget")
    return lent(request.node, farm, plan, budget, mib, more)


@pytest.fixture
def meter(request: pytest.FixtureRequest, farm: Farm, kernel: Kernel) -> Iterator[Meter]:
    """Measures what pins cost, in guests of their own whose clock counts instructions."""
    from hotremove.pincost.meter import TOPOLOGY, Meter
    from hotremove.plugin.report_check import settle_reports
    from hotremove.virt.topology import load_topology

    with ExitStack() as guests:

        def lend(plan: GuestPlan) -> Guest:
            settle_reports(request.node)  # of the guest before, which makes room
            guests.close()
            return guests.enter_context(_lent(request, farm, plan))

        gauge = Meter(farm.plan(kernel, load_topology(TOPOLOGY)), lend, farm.measured)
        request.node.stash[METER] = gauge
        yield gauge


@pytest.fixture
def removal_deadline(farm: Farm, fix: bool, known_bug: bool) -> float:
    """Seconds a removal is given; fewer where it is meant to get stuck."""
    limit = KNOWN_BUG_DEADLINE if known_bug else farm.options.deadline
    return min(farm.options.deadline, limit if fix else PROOF_DEADLINE)


@pytest.fixture
def hotremove_removals(request: pytest.FixtureRequest) -> list[Removal]:
    """What the test tries on its guests' memory, for the results and the evidence."""
    return removals_of(request.node)


@pytest.fixture
def movable_dimm(
    request: pytest.FixtureRequest,
    guest: Guest,
    removal_deadline: float,
    hotremove_removals: list[Removal],
) -> Dimm:
    """A DIMM on the movable node, online in ZONE_MOVABLE."""
    from hotremove.memory.dimm import Dimm

    node, mib = guest.plan.topology.movable_node, _dimm_mib(request)
    return Dimm(guest, node, mib, removal_deadline, removals=hotremove_removals)


def _dimm_mib(request: pytest.FixtureRequest) -> int:
    marker = request.node.get_closest_marker("dimm")
    return int(marker.args[0]) if marker else DIMM_MIB


@pytest.fixture
def virtio_mem(
    guest: Guest, removal_deadline: float, hotremove_removals: list[Removal]
) -> VirtioMem:
    """The guest's virtio-mem device, grown; wants `mark.topology("virtio-mem")`."""
    from hotremove.memory.virtio_mem import VirtioMem

    return VirtioMem(guest, removal_deadline, hotremove_removals)


@pytest.fixture
def dax_kmem(guest: Guest, removal_deadline: float, hotremove_removals: list[Removal]) -> DaxKmem:
    """Soft-reserved memory that kmem has onlined; wants `mark.topology("dax")`."""
    from hotremove.memory.daxkmem import DaxKmem

    return DaxKmem(guest, removal_deadline, hotremove_removals)


@pytest.fixture
def boot_node(guest: Guest, removal_deadline: float, hotremove_removals: list[Removal]) -> BootNode:
    """A node that is movable from boot; wants `mark.topology("movable-boot")`."""
    from hotremove.memory.boot_node import BootNode

    return BootNode(guest, removal_deadline, hotremove_removals)


@pytest.fixture
def huge_pages(guest: Guest) -> Callable[[int, int], None]:
    """Reserve huge pages of 2 MiB on a node: `huge_pages(node, count)`."""
    from hotremove.guest.memory_blocks import reserve_huge_pages

    return partial(reserve_huge_pages, guest.control)


@pytest.fixture
def gigantic_pages(guest: Guest) -> Callable[[int, int], None]:
    """Reserve huge pages of 1 GiB on a node, in ZONE_MOVABLE: `gigantic_pages(node, count)`."""
    from hotremove.guest.memory_blocks import reserve_gigantic_pages

    return partial(reserve_gigantic_pages, guest.control)


@pytest.fixture
def pins_held(guest: Guest) -> Callable[[], int]:
    """Count the page references that FOLL_PIN holds on the whole machine."""
    from hotremove.guest.memory_blocks import count_pins

    return partial(count_pins, guest.control)


@pytest.fixture
def map_on_node(guest: Guest) -> Callable[..., Buffer]:
    """Map and fault memory on a node, outside ZONE_MOVABLE: `map_on_node(0, 128 * MIB)`.

    See `Buffer` for more words.
    """
    from hotremove.memory.placement import require_on_node
    from hotremove.pins.buffer import Buffer

    def map_there(node: int, size: int, **how: Any) -> Buffer:
        buffer = Buffer(guest, size, node, **how)
        require_on_node(guest, buffer, node)
        return buffer

    return map_there


@pytest.fixture
def normal_dimm(
    guest: Guest, removal_deadline: float, hotremove_removals: list[Removal]
) -> NormalDimm:
    """A DIMM on the movable node, online in ZONE_NORMAL."""
    from hotremove.memory.normal_dimm import NormalDimm

    node = guest.plan.topology.movable_node
    return NormalDimm(guest, node, DIMM_MIB, removal_deadline, hotremove_removals)


@pytest.fixture
def objector(guest: Guest) -> Objector:
    """Who objects, when told to, to memory going offline."""
    from hotremove.memory.notifier import Objector

    return Objector(guest)


@pytest.fixture
def leaks(guest: Guest) -> Leaks:
    """An account of the guest's memory, opened when a test first asks for it."""
    from hotremove.memory.leaks import Leaks

    return Leaks(guest)


@pytest.fixture
def rdma(guest: Guest) -> Rdma:
    """The guest's rxe device."""
    from hotremove.pins.rdma import Rdma

    return Rdma(guest)


@pytest.fixture
def vfio(guest: Guest) -> Vfio:
    """An endpoint of the guest under vfio-pci."""
    from hotremove.pins.vfio import Vfio

    return Vfio(guest)


@pytest.fixture
def edu(guest: Guest) -> Edu:
    """A device that does DMA, under vfio-pci; wants `mark.topology("dma")`."""
    from hotremove.pins.edu import Edu

    return Edu(guest)


@pytest.fixture
def uring() -> Uring:
    """The guest's io_uring."""
    from hotremove.pins.uring import Uring

    return Uring()


@pytest.fixture
def udmabuf(guest: Guest) -> Udmabuf:
    """The guest's maker of DMA buffers out of memfds."""
    from hotremove.pins.udmabuf import Udmabuf

    return Udmabuf(guest)


@pytest.fixture
def vmsplice() -> Vmsplice:
    """Pipes of the guest that nobody reads."""
    from hotremove.pins.vmsplice import Vmsplice

    return Vmsplice()


@pytest.fixture
def pin_hold(guest: Guest, farm: Farm, kernel: Kernel) -> PinHold:
    """The module pin_hold, built for the kernel and loaded."""
    from hotremove.pins.kmod import PinHold

    return PinHold(guest, farm.kmods(kernel).find("pin_hold"))


@pytest.fixture
def rounds(request: pytest.FixtureRequest, farm: Farm) -> Rounds:
    """The rounds of a test in which chance decides: `for chance in rounds`."""
    from hotremove.plugin.rounds import Rounds

    name = str(getattr(request.node, "originalname", request.node.name))
    made = Rounds(farm.options.seed, farm.options.rounds, name)
    request.node.stash[ROUNDS] = made
    return made


@pytest.fixture
def traffic(rounds: Rounds) -> Callable[[Mover, Buffer], Traffic]:
    """Fill a buffer with data for a device to move: `traffic(rdma, buffer)`."""
    from hotremove.pins.traffic import Traffic

    chance = rounds.chance()
    return lambda device, buffer: Traffic(buffer, device.reach(buffer.size, chance), chance)


@pytest.fixture
def umem(rdma: Rdma, farm: Farm, kernel: Kernel) -> Umem:
    """ib_umem_get() for the guest's rxe device, by the module pin_rdma."""
    from hotremove.pins.kmod import Umem

    return Umem(rdma, farm.kmods(kernel).find("pin_rdma"))


@pytest.fixture
def mediated(guest: Guest, farm: Farm, kernel: Kernel) -> Mediated:
    """vfio_pin_pages() for a device without hardware, by the module pin_vfio."""
    from hotremove.pins.kmod import Mediated

    return Mediated(guest, farm.kmods(kernel).find("pin_vfio"))


@pytest.fixture
def ext4(guest: Guest) -> Filesystem:
    """An empty ext4 filesystem."""
    from hotremove.memory.files import Filesystem

    return Filesystem(guest)


@pytest.fixture
def scarcity(guest: Guest) -> Scarcity:
    """What takes the guest's free memory away; ask for it before `movable_dimm`."""
    from hotremove.memory.scarcity import Scarcity

    return Scarcity(guest)


@pytest.fixture
def record(request: pytest.FixtureRequest) -> Record:
    """Keep a line for the results, where more than one answer is right: `record("refused")`."""
    from hotremove.plugin.observations import recorder

    return recorder(request.node)


@pytest.fixture
def _hotremove_pinner(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def pinner(request: pytest.FixtureRequest, _hotremove_pinner: str) -> PinPath:
    """The pin path of this run of the test; the paths come from `@pytest.mark.pins`."""
    path: PinPath = request.getfixturevalue(_hotremove_pinner)
    return path
