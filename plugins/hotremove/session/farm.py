# SPDX-License-Identifier: Apache-2.0
"""What one pytest process works with: kernels, plans, guests. Made once, closed at the end."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

from hotremove.bootimage.initramfs import BootImage, build_image
from hotremove.bootimage.kmods import Kmods, build_kmods
from hotremove.bootimage.toolchain import find_obstacle
from hotremove.bootimage.vmlinux import boot_file
from hotremove.cache import Cache, make_writable
from hotremove.errors import Blocked, HostProblem
from hotremove.guest.local import Stable
from hotremove.guest.machine import Guest
from hotremove.guest.plan import GuestPlan, find_emulator, make_plan
from hotremove.kernels.kernel import Kernel
from hotremove.kernels.spec import resolve
from hotremove.pincost.model import Cost
from hotremove.pins.registry import drivers as registered_drivers
from hotremove.remote.remote_guests import FarStable
from hotremove.remote.slots import Lodging, Loss
from hotremove.session.failures import Failures
from hotremove.session.options import Options
from hotremove.virt.accelerator import Accelerator, choose
from hotremove.virt.hostdev import RDMA_DRIVERS, Found, examine
from hotremove.virt.topology import Topology, load_topology

WITHOUT_MODULES = "--without modules runs the rest"
"""What whoever cannot build modules may do."""


class Farm:
    """Kernels are resolved, images built and libvirt opened when first asked for."""

    def __init__(
        self,
        options: Options,
        worker: str = "",
        shares: int = 0,
        failures: Failures | None = None,
    ) -> None:
        """Nothing is fetched or started yet.

        `worker` is the name of one of several, which have `shares` of this machine's memory
        together and their `failures` in common; a single one need not ask.
        """
        self.options = options
        self.worker = worker
        self.shares = 0 if options.hosts else shares
        self.cache = Cache.default()
        self.measured: dict[str, tuple[Cost, ...]] = {}
        self._images: dict[Kernel, BootImage] = {}
        self._obstacles: dict[Kernel, str | None] = {}
        self._failures = failures or Failures()
        self._lodging = Lodging(
            options.hosts, self.cache, worker, options.fresh_boot, options.boot_deadline
        )

    @cached_property
    def kernels(self) -> tuple[Kernel, ...]:
        """The kernels under test, fetched where necessary.

        Raises:
            UsageProblem, HostProblem: a spec cannot be resolved.
        """
        return tuple(map(self._resolve, self.options.kernels))

    def _resolve(self, spec: str) -> Kernel:
        return self._failures.once(f"the kernel {spec}", lambda: resolve(spec, self.cache))

    @cached_property
    def accelerator(self) -> Accelerator:
        """What guests run under, and why."""
        if isinstance(self.stable, FarStable):
            return self.stable.accelerator
        kernel = boot_file(self.kernels[0], self.cache)
        return choose(self.options.accelerator, find_emulator(), kernel, self.cache)

    @cached_property
    def devices(self) -> tuple[Found, ...]:
        """This machine's devices that guests are to have, looked at.

        Raises:
            UsageProblem, HostProblem: one cannot be given away.
        """
        return tuple(examine(one, self.options.rebind) for one in self.options.devices)

    @cached_property
    def stable(self) -> Stable:
        """Where guests come from: this machine, or the slot of another that could be leased."""
        if self.options.hosts:
            return self._lodging.lease()
        return Stable(
            self.cache,
            self.options.uri,
            self.options.fresh_boot,
            self.options.boot_deadline,
            self.options.gdb,
            self.worker,
        )

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
            raise Blocked("--accel kvm: only TCG counts instructions; --accel auto or tcg lets it")
        accelerator = "tcg" if shape.counts_instructions else self.accelerator.kind
        far = self.stable.emulator if isinstance(self.stable, FarStable) else None
        plan = make_plan(self.image(kernel), shape, accelerator, self.cache, far)
        return replace(plan, devices=self.devices)

    def prepare(self) -> None:
        """Do everything that can be wrong with the input or the host, before the first test."""
        if self.options.artifacts:
            make_writable(self.options.artifacts, "--artifacts")
        if not self.options.hosts:
            find_emulator()
        load_topology(self.options.topology)
        _ = self.devices
        for kernel in self.kernels:
            self.image(kernel)
        if self.options.hosts and not self.has_place:
            # Nobody may wait here: xdist hands out tests when all workers have collected them, so
            # that those with a slot would wait for this one, and this one for their slots.
            stable = self._lodging.try_to_lease()
            if not stable:
                return
            self.stable = stable
        _ = self.accelerator, self.stable

    @property
    def has_place(self) -> bool:
        """Whether it is known where guests run; a slot that others hold is waited for later."""
        return "stable" in self.__dict__

    def leave_lost_host(self) -> Loss | None:
        """Give up the host that guests ran on if it, or the slot there, is lost."""
        stable = self.__dict__.get("stable")
        if not isinstance(stable, FarStable) or stable.usable:
            return None
        for made in ("stable", "accelerator"):
            self.__dict__.pop(made, None)
        return self._lodging.give_up(stable)

    @property
    def guests(self) -> tuple[Guest, ...]:
        """Those in use at present."""
        return self.stable.guests if self.has_place else ()

    @property
    def kept(self) -> tuple[Guest, ...]:
        """Those of failed tests that live on."""
        return self.stable.kept if self.has_place else ()

    def close(self) -> None:
        """End all guests."""
        if self.has_place:
            self.stable.close()
