# SPDX-License-Identifier: Apache-2.0
"""What one pytest process works with: kernels, plans, guests. Made once, closed at the end."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

from hotremove.bootimage.initramfs import BootImage, build_image
from hotremove.bootimage.kmods import Kmods, build_kmods
from hotremove.bootimage.toolchain import find_obstacle
from hotremove.cache import Cache, make_writable
from hotremove.errors import Blocked, HostProblem, NotLookedAt
from hotremove.guest.machine import Guest
from hotremove.guest.plan import GuestPlan, find_emulator
from hotremove.guest.source import GuestSource
from hotremove.kernels.kernel import Kernel
from hotremove.kernels.spec import resolve
from hotremove.pincost.model import Cost
from hotremove.pins.registry import drivers as registered_drivers
from hotremove.remote.slots import HostLoss
from hotremove.session.allocator import make_allocator
from hotremove.session.failures import Failures
from hotremove.session.options import Options
from hotremove.virt.accelerator import Accelerator
from hotremove.virt.hostdev import RDMA_DRIVERS, Found, examine
from hotremove.virt.topology import Topology, load_topology

WITHOUT_MODULES = "--hotremove-without modules runs the rest"
"""What whoever cannot build modules may do."""


class Farm:
    """Kernels are resolved, images built and libvirt opened when first asked for.

    Attributes:
        measured: what pins cost, by what was asked for.
        missing_faults: why a kernel does not take a fault, by both.
        chosen_accelerator: what guests run under, once somebody has asked for it.
    """

    def __init__(
        self,
        options: Options,
        worker: str = "",
        portions: int = 0,
        failures: Failures | None = None,
    ) -> None:
        """Nothing is fetched or started yet.

        `worker` is the name of one of several, which have `portions` of this machine's memory
        together and their `failures` in common; a single one need not ask.
        """
        self.options = options
        self.worker = worker
        self.portions = 0 if options.hosts else portions
        self.cache = Cache.default()
        self.measured: dict[str, tuple[Cost, ...]] = {}
        self.missing_faults: dict[tuple[Kernel, str], NotLookedAt] = {}
        self._images: dict[Kernel, BootImage] = {}
        self._obstacles: dict[Kernel, str | None] = {}
        self._failures = failures or Failures()
        self._allocator = make_allocator(options, self.cache, worker)
        self.chosen_accelerator: Accelerator | None = None

    @cached_property
    def kernels(self) -> tuple[Kernel, ...]:
        """The kernels under test, fetched where necessary.

        Raises:
            UsageProblem, HostProblem: a spec cannot be resolved.
        """
        return tuple(map(self._resolve, self.options.kernels))

    def _resolve(self, spec: str) -> Kernel:
        return self._failures.once(f"the kernel {spec}", lambda: resolve(spec, self.cache))

    @property
    def accelerator(self) -> Accelerator:
        """What guests run under, and why."""
        if not self.chosen_accelerator:
            choose = self.guest_source.choose_accelerator
            self.chosen_accelerator = choose(self.options.accelerator, self.kernels[0])
        return self.chosen_accelerator

    @cached_property
    def devices(self) -> tuple[Found, ...]:
        """This machine's devices that guests are to have, looked at.

        Raises:
            UsageProblem, HostProblem: one cannot be given away.
        """
        return tuple(examine(one, self.options.rebind) for one in self.options.devices)

    @property
    def guest_source(self) -> GuestSource:
        """Where guests come from: this machine, or the slot of another that could be leased."""
        return self._allocator.allocate()

    def image(self, kernel: Kernel) -> BootImage:
        """The boot image of a kernel."""
        if kernel not in self._images:
            rdma = any(found.device.kind == "rdma" for found in self.devices)
            drivers = (*(RDMA_DRIVERS if rdma else ()), *registered_drivers())
            self._images[kernel] = build_image(kernel, self.cache, drivers=drivers)
        return self._images[kernel]

    def kmods(self, kernel: Kernel) -> Kmods:
        """The farm's modules for a kernel, built when first asked for; tried once in a run.

        Raises:
            CapabilityAbsent: the kernel was built without modules.
            Blocked: they cannot be built for it, here and now.
        """
        obstacle = self.obstacle_to_modules(kernel)
        if obstacle:
            raise Blocked(f"{obstacle}; {WITHOUT_MODULES}")
        what = f"modules for {kernel.spec} {kernel.version}"
        try:
            return self._failures.once(what, lambda: build_kmods(kernel, self.cache))
        except (Blocked, HostProblem) as error:
            raise Blocked(f"{error}; {WITHOUT_MODULES}") from error

    def obstacle_to_modules(self, kernel: Kernel) -> str | None:
        """Why modules cannot be built for a kernel, as far as that is known without trying."""
        if kernel not in self._obstacles:
            self._obstacles[kernel] = find_obstacle(kernel, self.cache)
        return self._obstacles[kernel]

    def plan(self, kernel: Kernel, topology: Topology | None = None) -> GuestPlan:
        """What guests of this kernel are made from, on the default topology unless one is given.

        Raises:
            Blocked: the topology counts instructions, and only KVM may be used.
        """
        shape = topology or load_topology(self.options.topology)
        if shape.counts_instructions and self.options.accelerator == "kvm":
            raise Blocked(
                "--hotremove-accel kvm: only TCG counts instructions; auto or tcg lets it do so"
            )
        accelerator = "tcg" if shape.counts_instructions else self.accelerator.kind
        plan = self.guest_source.plan(self.image(kernel), shape, accelerator)
        return replace(plan, devices=self.devices)

    def prepare(self) -> None:
        """Do everything that can be wrong with the input or the host, before the first test."""
        if self.options.artifacts:
            make_writable(self.options.artifacts, "--hotremove-artifacts")
        if not self.options.hosts:
            find_emulator()
        load_topology(self.options.topology)
        _ = self.devices
        for kernel in self.kernels:
            self.image(kernel)
        # Nobody may wait here: xdist hands out tests when all workers have collected them, so that
        # those with a slot would wait for this one, and this one for their slots.
        if self._allocator.try_to_allocate():
            _ = self.accelerator

    @property
    def has_place(self) -> bool:
        """Whether it is known where guests run; a slot that others hold is waited for later."""
        return self._allocator.source is not None

    def leave_lost_host(self) -> HostLoss | None:
        """Give up the host that guests ran on if it, or the slot there, is lost."""
        try:
            return self._allocator.leave_lost_host()
        finally:
            if not self.has_place:
                self.chosen_accelerator = None

    @property
    def guests(self) -> tuple[Guest, ...]:
        """Those in use at present."""
        source = self._allocator.source
        return source.guests if source else ()

    @property
    def kept(self) -> tuple[Guest, ...]:
        """Those of failed tests that live on."""
        source = self._allocator.source
        return source.kept if source else ()

    def close(self) -> None:
        """End all guests."""
        if source := self._allocator.source:
            source.close()
