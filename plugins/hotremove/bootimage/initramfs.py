# SPDX-License-Identifier: Apache-2.0
"""The boot image: busybox, the guest's programs and the modules of one kernel, as an initramfs."""

from __future__ import annotations

import os
import shutil
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hotremove import processes
from hotremove.architecture.architecture import Architecture
from hotremove.architecture.known import is_native
from hotremove.bootimage.foreign import find_foreign
from hotremove.bootimage.modules import ModuleClosure, ModuleIndex, lay_out
from hotremove.bootimage.workloads import build_workloads
from hotremove.cache import Cache, digest
from hotremove.errors import Blocked, HostProblem
from hotremove.hosttools import packages, tool
from hotremove.kernels import capabilities
from hotremove.kernels.capabilities import Capability
from hotremove.kernels.kernel import Kernel
from hotremove.progress import waiting
from hotremove.resources import source_folder

# Loaded before the agent starts. virtio_mem and virtio_balloon find their devices by themselves.
BOOT_MODULES = (
    "virtio_pci",
    "virtio_console",
    "virtio_mem",
    "crc32_generic",  # rdma_rxe up to 6.12 asks the crypto layer for "crc32" without naming it
    "rdma_rxe",
    "ib_uverbs",
    "dummy",
    "vfio",
    "vfio_iommu_type1",
    "vfio_pci",
)

# In the image for scenarios to load.
SPARE_MODULES = (
    "memory_notifier_error_inject",
    "device_dax",
    "dax_hmem",
    "kmem",
    "nfit",
    "nd_pmem",
    "cxl_acpi",
    "cxl_pci",
    "cxl_mem",
    "cxl_port",
    "dax_cxl",
    "dax_pmem",
    "loop",
    "zram",
    "ext4",
    "crc32c_generic",  # ext4 up to 6.12 asks the crypto layer for "crc32c" without naming it
    "veth",
    "mdev",
    "vfio_mdev",  # binds mediated devices on 5.10
    "rdma_ucm",
    "siw",
    "udmabuf",
    "vhost_vdpa",
    "vdpa_sim_net",
    "vivid",
    "test_hmm",
    "configs",  # the kernel's configuration, where it is told by a module
)

# Where they go in the image, and their names below guests/.
_SCRIPTS = {"init": "init", "bin/pin_cost": "pin_cost"}
# Stands in settings for the line that a person can attach to.
_TERMINAL = "@terminal@"
_FOLDERS = ("bin", "dev", "etc/hotremove", "proc", "run", "sys", "tmp", "usr", "var/log")
_LINKS = {"sbin": "bin", "usr/bin": "../bin", "usr/sbin": "../bin", "lib64": "lib"}


@dataclass(frozen=True)
class BootImage:
    """What a guest boots.

    Attributes:
        kernel: the kernel under test.
        initramfs: the image for it.
        key: the image's content key, part of every snapshot's key.
        modules: modules loaded at boot, in order.
        absent: modules asked for that this kernel has neither as a module nor built in.
    """

    kernel: Kernel
    initramfs: Path
    key: str
    modules: tuple[str, ...]
    absent: tuple[str, ...]

    def require(self, wanted: Capability, config: Mapping[str, str] | None = None) -> None:
        """Make sure that the kernel was built with a capability, and that its modules are here.

        `config` is its configuration, where it did not come with the kernel.

        Raises:
            CapabilityAbsent: its configuration has an option off, which the text quotes.
            Blocked: its configuration has all, or is not known, and a module is missing.
        """
        options = config or self.kernel.config
        capabilities.require(options, wanted)
        gone = [module for module in wanted.modules if module in self.absent]
        complaint = f"the kernel's files hold no module {', '.join(gone)}"
        if gone and options:
            raise Blocked(f"{wanted.name}: {complaint}, which its configuration has: give all")
        if gone:
            raise capabilities.refusal(options, wanted, complaint)


@dataclass(frozen=True)
class _Parts:
    """All that goes into an image, and so into its key."""

    kernel: Kernel
    busybox: Path
    programs: tuple[Path, ...]
    loaded: ModuleClosure
    carried: ModuleClosure
    extra: tuple[Path, ...]

    def key(self) -> str:
        guests = source_folder("guests")
        scripts = [guests / name for name in _SCRIPTS.values()]
        code = sorted(Path(__file__).parent.glob("*.py"))
        files = [*code, self.busybox, *scripts, *_settings(), *self.programs]
        if self.kernel.modules:
            files += [self.kernel.modules / file for file in self.carried.files]
        files += self.extra
        named = [part for file in files for part in (file.name, file)]
        terminal = self.kernel.arch.machine.terminal
        return digest(self.kernel.release, terminal, *self.loaded.names, *named)


def build_image(
    kernel: Kernel,
    cache: Cache,
    extra_modules: Sequence[Path] = (),
    drivers: Sequence[str] = (),
) -> BootImage:
    """The image for `kernel`, with `extra_modules` (files that end in .ko) for modprobe to find.

    `drivers` are modules of the kernel for devices that not every guest has.

    Raises:
        HostProblem: a tool or static library is missing, or the cache cannot be written.
        UsageProblem: the kernel's modules are damaged.
    """
    parts = _parts(kernel, cache, tuple(extra_modules), tuple(drivers))
    key = parts.key()

    def build(target: Path) -> None:
        with waiting(f"building the boot image for {kernel.release}"):
            _build(parts, target)

    entry = cache.get("images", key, build)
    absent = parts.carried.absent
    return BootImage(kernel, entry / "initramfs", key, parts.loaded.names, absent)


def _parts(
    kernel: Kernel, cache: Cache, extra: tuple[Path, ...], drivers: tuple[str, ...] = ()
) -> _Parts:
    programs = build_workloads(cache, kernel.arch)
    busybox = find_busybox(kernel.arch, cache)
    if not kernel.modules:
        nothing = ModuleClosure((), (), ())
        return _Parts(kernel, busybox, programs, nothing, nothing, extra)
    index = ModuleIndex.read(kernel.modules)
    loaded = index.closure(BOOT_MODULES)
    carried = index.closure((*BOOT_MODULES, *SPARE_MODULES, *drivers))
    return _Parts(kernel, busybox, programs, loaded, carried, extra)


def _settings() -> list[Path]:
    return sorted((source_folder("guests") / "etc").iterdir())


def find_busybox(arch: Architecture, cache: Cache) -> Path:
    """The busybox that every guest of an architecture runs: the host's, where it can.

    Raises:
        HostProblem: it is missing or needs libraries.
    """
    if not is_native(arch):
        return find_foreign(arch, cache).busybox
    found = shutil.which("busybox")
    if not found or not _is_static(Path(found)):
        how = packages.advice("busybox-static")
        raise HostProblem(f"no statically linked busybox: {how}")
    return Path(found).resolve()


def _is_static(program: Path) -> bool:
    """An ELF program without an interpreter (PT_INTERP, 3) needs no libraries; see elf(5)."""
    data = program.read_bytes()
    if data[:5] != b"\x7fELF\x02":
        return False
    (offset,) = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    kinds = [struct.unpack_from("<I", data, offset + size * n)[0] for n in range(count)]
    return 3 not in kinds


def _build(parts: _Parts, target: Path) -> None:
    root = target / "root"
    for folder in _FOLDERS:
        (root / folder).mkdir(parents=True)
    if parts.kernel.modules:
        release = parts.kernel.release
        lay_out(parts.kernel.modules, parts.carried, parts.extra, release, root)
    _add_programs(parts, root)
    _add_settings(parts, root)
    archive(root, target / "initramfs")
    shutil.rmtree(root)


def _add_programs(parts: _Parts, root: Path) -> None:
    for program in (parts.busybox, *parts.programs):
        shutil.copy(program, root / "bin" / program.name)
    for applet in find_applets(parts.busybox.read_bytes()):
        if applet != "busybox":
            (root / "bin" / applet).symlink_to("busybox")
    for link, target in _LINKS.items():
        (root / link).symlink_to(target)


def find_applets(busybox: bytes) -> tuple[str, ...]:
    """What a busybox can be called as, which one for another processor cannot be asked.

    Their names lie in a row, each ended by a zero, sorted; the first is `[` (libbb/appletlib.c,
    applet_names).

    Raises:
        HostProblem: they don't.
    """
    start = busybox.find(b"[\0[[\0")  # a zero may be before it, as in Debian 12, or not, as in 13
    if start < 0:
        raise HostProblem("busybox does not have the names of its applets: is it whole?")
    return tuple(busybox[start : busybox.index(b"\0\0", start)].decode().split("\0"))


def _add_settings(parts: _Parts, root: Path) -> None:
    for place, name in _SCRIPTS.items():
        shutil.copy(source_folder("guests") / name, root / place)
    for setting in _settings():
        text = setting.read_text().replace(_TERMINAL, parts.kernel.arch.machine.terminal)
        (root / "etc" / setting.name).write_text(text)
    (root / "etc/passwd").write_text("root::0:0:root:/:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\n")
    (root / "etc/hotremove/modules").write_text("\n".join(parts.loaded.names) + "\n")


# Seconds; one or two.
_PACKING = 600.0


def archive(root: Path, image: Path) -> None:
    """Pack `root` so that equal trees give equal images: sorted, owned by root, without times.

    Raises:
        HostProblem: cpio is missing, or fails.
    """
    paths = sorted(path.relative_to(root) for path in root.rglob("*"))
    for path in paths:
        os.utime(root / path, (0, 0), follow_symlinks=False)
    names = b"\0".join(os.fsencode(path) for path in paths) + b"\0"
    options = ("-o", "-0", "-H", "newc", "--reproducible", "-R", "0:0", "--quiet")
    command = [tool("cpio", "cpio"), *options]
    with image.open("wb") as output:
        done = processes.feed(command, f"packing {image}", names, _PACKING, stdout=output, cwd=root)
    if done.returncode:
        raise HostProblem(f"cpio failed: {done.stderr.decode().strip()}")
