# SPDX-License-Identifier: Apache-2.0
"""Which module files a guest needs, and a module tree made of them alone."""

from __future__ import annotations

import gzip
import lzma
import shutil
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from zstandard import ZstdError

from hotremove.errors import UsageProblem
from hotremove.kernels import depmod
from hotremove.kernels.formats import zstd

# What the kernel's own tools keep beside the modules; depmod reads these.
_INDEXES = ("modules.builtin", "modules.builtin.modinfo", "modules.order")


def module_name(file: str) -> str:
    """The name a module is loaded by: `kernel/drivers/vfio/vfio-pci.ko.xz` is `vfio_pci`."""
    return file.rsplit("/", 1)[-1].split(".ko", 1)[0].replace("-", "_")


@dataclass(frozen=True)
class ModuleClosure:
    """The modules that a list of names comes to.

    Attributes:
        names: modules to load, each after what it depends on.
        files: their files below the module directory, in the same order.
        absent: names that the kernel has neither as a module nor built in.
    """

    names: tuple[str, ...]
    files: tuple[str, ...]
    absent: tuple[str, ...]


@dataclass(frozen=True)
class ModuleIndex:
    """What depmod wrote about a module directory.

    Attributes:
        files: file of each module, by name.
        needs: names a module needs loaded before it, nearest dependency last.
        builtin: names of what is part of the kernel image.
    """

    files: Mapping[str, str]
    needs: Mapping[str, tuple[str, ...]]
    builtin: frozenset[str]

    @classmethod
    def read(cls, directory: Path) -> ModuleIndex:
        """Read modules.dep, modules.softdep and modules.builtin of `lib/modules/RELEASE`.

        Raises:
            UsageProblem: there is no modules.dep.
        """
        if not (directory / "modules.dep").is_file():
            raise UsageProblem(f"{directory} holds no modules.dep: run depmod on the kernel's tree")
        files: dict[str, str] = {}
        needs: dict[str, tuple[str, ...]] = {}
        for line in _lines(directory / "modules.dep"):
            file, _, dependencies = line.partition(":")
            files[module_name(file)] = file
            needs[module_name(file)] = tuple(map(module_name, reversed(dependencies.split())))
        for name, before in _soft_needs(directory / "modules.softdep"):
            needs[name] = (*before, *needs.get(name, ()))
        builtin = frozenset(map(module_name, _lines(directory / "modules.builtin")))
        return cls(files, needs, builtin)

    def closure(self, names: Iterable[str]) -> ModuleClosure:
        """The modules to load for `names`, soft dependencies included where they exist."""
        order: dict[str, None] = {}
        absent = []
        for name in map(module_name, names):
            if name in self.files:
                self._add(name, order, ())
            elif name not in self.builtin:
                absent.append(name)
        return ModuleClosure(tuple(order), tuple(self.files[n] for n in order), tuple(absent))

    def with_soft_needs(self) -> str:
        """A modules.dep for busybox, whose modprobe knows of no other file: the last comes first.

        cxl_mem without cxl_port, of which only modules.softdep speaks, makes no endpoint
        (drivers/cxl/mem.c).
        """
        closures = (self.closure([name]).files for name in self.files)
        return "".join(f"{own}: {' '.join(reversed(first))}\n" for *first, own in closures)

    def _add(self, name: str, order: dict[str, None], path: tuple[str, ...]) -> None:
        if name in order or name in path or name not in self.files:
            return
        for needed in self.needs.get(name, ()):
            self._add(needed, order, (*path, name))
        order[name] = None


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.is_file() else []


def _soft_needs(path: Path) -> Iterable[tuple[str, tuple[str, ...]]]:
    """Lines read `softdep NAME pre: A B post: C`; only what comes before matters here."""
    for line in _lines(path):
        words = line.split()
        if len(words) < 3 or words[0] != "softdep":
            continue
        before, kind = [], ""
        for word in words[2:]:
            if word.endswith(":"):
                kind = word
            elif kind == "pre:":
                before.append(module_name(word))
        yield module_name(words[1]), tuple(before)


def plain_module(source: Path) -> bytes:
    """A module's ELF file, decompressed: busybox and older kernels load nothing else.

    Raises:
        UsageProblem: the file is damaged.
    """
    try:
        if source.suffix == ".xz":
            return lzma.decompress(source.read_bytes())
        if source.suffix == ".gz":
            return gzip.decompress(source.read_bytes())
        if source.suffix == ".zst":
            return zstd.unpack(source.read_bytes())
        return source.read_bytes()
    except (lzma.LZMAError, zlib.error, ZstdError, OSError, EOFError) as error:
        raise UsageProblem(f"the kernel module {source} is damaged: {error}") from error


def lay_out(
    directory: Path, closure: ModuleClosure, extra: Iterable[Path], release: str, root: Path
) -> None:
    """Make `root/lib/modules/RELEASE` of the closure and the `extra` modules, ready for modprobe.

    Raises:
        UsageProblem: a module file is missing or damaged.
        HostProblem: depmod is missing.
    """
    tree = root / "lib/modules" / release
    (tree / "extra").mkdir(parents=True)
    for file in closure.files:
        target = tree / (file.split(".ko", 1)[0] + ".ko")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(plain_module(directory / file))
    for module in extra:
        shutil.copyfile(module, tree / "extra" / module.name)
    for index in _INDEXES:
        if (directory / index).is_file():
            shutil.copyfile(directory / index, tree / index)
    depmod.index(root, release)
    (tree / "modules.dep").write_text(ModuleIndex.read(tree).with_soft_needs())
    for binary in tree.glob("modules.*.bin"):
        binary.unlink()
