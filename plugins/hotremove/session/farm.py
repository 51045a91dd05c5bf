# SPDX-License-Identifier: Apache-2.0
"""What one pytest process works with: kernels, plans, guests. Made once, closed at the end."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import cached_property, partial

from hotremove.architecture.architecture import Architecture
from hotremove.bootimage.initramfs import BootImage, build_image
from hotremove.bootimage.kmods import Kmods, build_kmods
from hotremove.bootimage.toolchain import find_obstacle
from hotremove.cache import Cache, make_writable
from hotremove.errors import Blocked, HostProblem, NotLookedAt, UsageProblem
from hotremove.guest.machine import Guest
from hotremove.guest.plan import GuestPlan, find_emulator
from hotremove.guest.source import GuestSource
from hotremove.kernels.kernel import Candidate, Kernel
from hotremove.kernels.source import Expansion
from hotremove.kernels.spec import expand, resolve
from hotremove.observe.timeline import TIMELINE
from hotremove.patience import ELSEWHERE
from hotremove.pincost.model import Cost
from hotremove.pins.registry import drivers as registered_drivers
from hotremove.remote.slots import HostLoss
from hotremove.selftests.build import Built, build_selftests
from hotremove.session.ahead import Ahead
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
        accelerators: what guests run under, by their processor, once somebody has asked for it.
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
        self._fetched: dict[Candidate, Kernel] = {}
        self._ahead = Ahead()
        self._obstacles: dict[Kernel, str | None] = {}
        self._failures = failures or Failures()
        self._allocator = make_allocator(options, self.cache, worker)
        self.accelerators: dict[Architecture, Accelerator] = {}

    @cached_property
    def kernels(self) -> tuple[Candidate, ...]:
        """The kernels under test; of a spec that stands for several none is fetched yet.

        Raises:
            UsageProblem, HostProblem: a spec cannot be resolved.
        """
        found: dict[str, Candidate] = {}
        for spec in self.options.kernels:
            if several := self._several.get(spec):
                for kernel in several.kernels:
                    found.setdefault(kernel.spec, kernel)
            elif spec not in found:
                found[spec] = self._resolve(spec)
        return tuple(found.values())

    @property
    def left_out(self) -> Mapping[str, tuple[str, ...]]:
        """What is gone of kernels that a spec would stand for, by the spec."""
        found = {spec: several.left_out for spec, several in self._several.items()}
        return {spec: told for spec, told in found.items() if told}

    @property
    def without_headers(self) -> Mapping[str, tuple[Candidate, ...]]:
        """The kernels of a spec that stands for several which no modules can be built for."""
        found = {spec: several.without_headers for spec, several in self._several.items()}
        return {spec: kernels for spec, kernels in found.items() if kernels}

    @cached_property
    def _several(self) -> Mapping[str, Expansion]:
        """The kernels of the specs that stand for several."""
        found = {spec: self._expand(spec) for spec in self.options.kernels}
        return {spec: several for spec, several in found.items() if several}

    def _expand(self, spec: str) -> Expansion | None:
        return self._failures.once(f"the kernels {spec}", partial(expand, spec, self.cache))

    def _resolve(self, spec: str) -> Kernel:
        return self._failures.once(f"the kernel {spec}", partial(resolve, spec, self.cache))

    def fetch(self, kernel: Candidate) -> Kernel:
        """The kernel itself, fetched when first asked for.

        Raises:
            Blocked: it is not to be had; the others are.
        """
        if isinstance(kernel, Kernel):
            return kernel
        if kernel not in self._fetched:
            with ELSEWHERE.running():
                if not self._ahead.has_begun(kernel.spec):
                    self._make_room()
                self._fetched[kernel] = self._try_to_resolve(kernel)
        return self._fetched[kernel]

    def _try_to_resolve(self, kernel: Candidate) -> Kernel:
        try:
            return self._resolve(kernel.spec)
        except (UsageProblem, HostProblem) as error:
            raise Blocked(f"{kernel.spec} cannot be had: {error}") from error

    def fetch_ahead(self, kernel: Candidate) -> None:
        """Begin to fetch a kernel that will be asked for; nobody waits for it."""
        if not isinstance(kernel, Kernel) and kernel not in self._fetched:
            self._spare_what_was_named()
            self._ahead.fetch(kernel.spec, self.options.cache_gib)

    def _make_room(self) -> None:
        """Keep the cache as small as was asked for, but for what this run goes on with."""
        if self.options.cache_gib is not None:
            self._spare_what_was_named()
            self.cache.make_room(self.options.cache_gib)

    def _spare_what_was_named(self) -> None:
        """Note that kernels will be used which are here, and whose turn has not come."""
        for kernel in self.kernels:
            if isinstance(kernel, Kernel):
                self._note_use(self.image(kernel))

    def _note_use(self, image: BootImage) -> None:
        self.cache.note_use(image.kernel.image)
        self.cache.note_use(image.initramfs)

    @cached_property
    def first_kernel(self) -> Kernel:
        """The first kernel that can be had.

        Raises:
            Blocked: none can.
        """
        *_, last = self.kernels
        for kernel in self.kernels:
            with suppress(Blocked):
                return self.fetch(kernel)
        return self.fetch(last)

    @property
    def accelerator(self) -> Accelerator:
        """What guests of the first kernel run under, and why."""
        return self.accelerator_for(self.first_kernel)

    def accelerator_for(self, kernel: Kernel) -> Accelerator:
        """What guests of a kernel run under, and why."""
        if kernel.arch not in self.accelerators:
            choose = self.guest_source.choose_accelerator
            self.accelerators[kernel.arch] = choose(self.options.accelerator, kernel)
        return self.accelerators[kernel.arch]

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
            with TIMELINE.span("find the boot image"):
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
            with TIMELINE.span("find the modules"):
                return self._failures.once(what, lambda: build_kmods(kernel, self.cache))
        except (Blocked, HostProblem) as error:
            raise Blocked(f"{error}; {WITHOUT_MODULES}") from error

    def selftests(self, kernel: Kernel) -> Built:
        """The kernel's own tests, built when first asked for; tried once in a run.

        Raises:
            CapabilityAbsent: the kernel was not compiled from a source that is at hand.
            Blocked: they cannot be built, here and now.
        """
        what = f"the kernel's own tests of {kernel.spec} {kernel.version}"
        try:
            with TIMELINE.span("find the kernel's own tests"):
                return self._failures.once(what, lambda: build_selftests(kernel, self.cache))
        except (HostProblem, UsageProblem) as error:
            raise Blocked(str(error)) from error

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
        counts = shape.counts_instructions
        accelerator = "tcg" if counts else self.accelerator_for(kernel).kind
        image = self.image(kernel)
        self._note_use(image)
        plan = self.guest_source.plan(image, shape, accelerator)
        return replace(plan, devices=self.devices)

    def prepare(self) -> None:
        """Do everything that can be wrong with the input or the host, before the first test."""
        if self.options.artifacts:
            make_writable(self.options.artifacts, "--hotremove-artifacts")
        if not self.options.hosts:
            self._find_emulators()
        load_topology(self.options.topology)
        _ = self.devices
        for kernel in self.kernels:
            if isinstance(kernel, Kernel):
                self.image(kernel)
        self.image(self.first_kernel)
        # Nobody may wait here: xdist hands out tests when all workers have collected them, so that
        # those with a slot would wait for this one, and this one for their slots.
        if self._allocator.try_to_allocate():
            self._choose_accelerators()

    def _find_emulators(self) -> None:
        for arch in dict.fromkeys(kernel.arch for kernel in self.kernels):
            find_emulator(arch)

    def _choose_accelerators(self) -> None:
        for kernel in (self.first_kernel, *self.kernels):
            if isinstance(kernel, Kernel):
                self.accelerator_for(kernel)

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
                self.accelerators.clear()

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
        """End all guests, and what is fetched ahead."""
        self._ahead.close()
        if source := self._allocator.source:
            source.close()
