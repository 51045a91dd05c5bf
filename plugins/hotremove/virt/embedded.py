# SPDX-License-Identifier: Apache-2.0
"""libvirt's QEMU driver inside this process: its settings, its users, its cached capabilities."""

from __future__ import annotations

import filecmp
import grp
import os
import pwd
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from hotremove.cache import Cache
from hotremove.errors import HostProblem

# The driver's defaults want virtlogd, a security driver and cgroups of a running daemon.
_SETTINGS = """\
stdio_handler = "file"
security_driver = "none"
remember_owner = 0
dynamic_ownership = 0
namespaces = []
cgroup_controllers = []
"""
_AS_ROOT = """\
user = "root"
group = "root"
"""
_CAPABILITIES = Path("cache/qemu/capabilities")
FEATURE_BY_FEATURE = "cpu-unavailable-features"
"""What QEMU can do that has libvirt ask it for each feature of a new guest's CPU: 47 kB of
requests, half of a restore. Without it, libvirt asks for the words of CPUID in one request
(libvirt's qemu_process.c, qemuProcessFetchGuestCPU()). Guests here are told which CPU to have, and
nothing depends on the answer."""


def prepare_root(root: Path, cache: Cache) -> str:
    """Make `root` fit for the embedded driver and give its URI.

    Raises:
        HostProblem: running as root without the account libvirt-qemu, which the driver looks up
            before it reads its settings.
    """
    settings = _SETTINGS
    if os.geteuid() == 0:
        _require_account()
        settings += _AS_ROOT
    (root / "etc").mkdir(parents=True)
    (root / "etc/qemu.conf").write_text(settings)
    known = cache.directory("libvirt") / "capabilities"
    if known.is_dir():
        # Probing QEMU takes 4 s in a root that knows nothing; libvirt checks what it finds here.
        shutil.copytree(known, root / _CAPABILITIES)
    return f"qemu:///embed?root={root}"


@contextmanager
def first_to_learn(cache: Cache) -> Iterator[None]:
    """Where nothing is known of QEMU, let one process ask and the others wait for it."""
    with ExitStack() as stack:
        if not (cache.directory("libvirt") / "capabilities").is_dir():
            stack.enter_context(cache.lock("libvirt", "capabilities"))
        yield


def keep_capabilities(root: Path, cache: Cache) -> None:
    """Save what libvirt has learnt of QEMU for the next run.

    What was saved before another QEMU or libvirt was installed is of no more use, and replaced.
    """
    probed = root / _CAPABILITIES
    known = cache.directory("libvirt") / "capabilities"
    for file in probed.glob("*.xml"):
        if not _is_same(file, known / file.name):
            known.mkdir(exist_ok=True)
            aside = known / f".{file.name}.{os.getpid()}"
            shutil.copy2(file, aside)
            aside.rename(known / file.name)


def can_do(root: Path, name: str) -> bool:
    """Whether the driver has found that QEMU can do something; by libvirt's own name for it."""
    flag = f"<flag name='{name}'/>"
    return any(flag in file.read_text() for file in (root / _CAPABILITIES).glob("*.xml"))


def _is_same(one: Path, other: Path) -> bool:
    return other.is_file() and filecmp.cmp(one, other, shallow=False)


def _require_account() -> None:
    try:
        pwd.getpwnam("libvirt-qemu")
        grp.getgrnam("libvirt-qemu")
    except KeyError as error:
        raise HostProblem(
            "libvirt's QEMU driver, run by root, wants the account libvirt-qemu: "
            "`useradd --system --user-group --no-create-home --shell /usr/sbin/nologin "
            "libvirt-qemu`, or run as an ordinary user"
        ) from error
