# SPDX-License-Identifier: Apache-2.0
"""Build roots: a Debian suite's compiler and packages in a folder, used with or without root.

Nothing is installed on this machine for them. What runs in one sees the machine's /dev and /proc
and the folders it is given, in namespaces that end with it; and it ends when its caller does.
"""

from __future__ import annotations

import functools
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hotremove import processes
from hotremove.cache import Cache, digest, no_space
from hotremove.errors import Blocked, HostProblem
from hotremove.hosttools import tool
from hotremove.kernels.distro import apt
from hotremove.kernels.distro.suites import AptEnvironment, apt_environment, base_suite
from hotremove.progress import waiting

KIND = "buildroots"
LIMIT = 1800.0
"""Seconds for a step that takes a minute or two: a build root, modules, unpacking a source. A whole
kernel is given so long for each file."""

# Documentation and translations are a third of the packages' size.
_LEFT_OUT = ("doc", "man", "locale", "info", "lintian")
# trixie's gcc-14-x86-64-linux-gnu, which backported headers ask for, calls plain `as`.
_TOOLS = ("make", "binutils")
_COMPILER = r"(?:gcc-\d+|binutils)"
# What mmdebstrap says itself: which step failed, by its whole command, where apt has said why.
_ITS_OWN = re.compile(r"I: |E: (?:setup failed|mmdebstrap)|W: Download is performed unsandboxed")
_UNMET = re.compile(r"^ (\S+ : Depends: .*)", re.MULTILINE)
_UNLOCATED = re.compile(r"E: Unable to locate package (\S+)")
# Shows the machine's /dev and /proc (objtool reads its limits) and folders, given in pairs before
# `--`, in the root. Its /tmp is the command's own: from 4.4 on make keeps its jobserver there, by
# its process id, which is the same in each of these namespaces. Where another build runs, or one
# that was ended has left it, make would do one thing at a time.
_ENTER = """
mount --rbind /dev "$0/dev" && mount --rbind /proc "$0/proc" || exit
mount -t tmpfs tmpfs "$0/tmp" || exit
while [ "$1" != -- ]; do mount --rbind "$1" "$0$2" || exit; shift 2; done
shift
exec chroot "$0" "$@"
"""
# What to do about unshare's complaints.
_ADVICE = {
    "cannot change root filesystem propagation": "before chroot, mount --bind the root onto itself",
    "Operation not permitted": "run as root (in a container with --cap-add SYS_ADMIN), "
    "or allow namespaces to users",
}
_PATH = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}


@dataclass(frozen=True)
class Command:
    """A command for a build root.

    Attributes:
        words: the command and its arguments.
        folders: folders of this machine, by the absolute path the command shall see them at.
        settings: its environment, besides a plain PATH.
    """

    words: Sequence[str]
    folders: Mapping[str, Path] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Buildroot:
    """A build root that is there."""

    root: Path

    def run(self, command: Command) -> subprocess.CompletedProcess[str]:
        """Run a command in it and keep what it prints.

        Raises:
            HostProblem: it does not end in half an hour.
        """
        settings = _PATH | dict(command.settings)
        return processes.run(self._enter(command), _said(command), LIMIT, env=settings)

    @contextmanager
    def start(self, command: Command) -> Iterator[processes.Child]:
        """Start a command in it, which gives all it prints by its `lines()`.

        It is over, and all it started, when the block is left; by an error before it is done.

        Raises:
            HostProblem: it says nothing for half an hour.
        """
        how: dict[str, Any] = {"stderr": subprocess.STDOUT, "text": True, "errors": "replace"}
        how["env"] = _PATH | dict(command.settings)
        with processes.started(self._enter(command), _said(command), LIMIT, **how) as child:
            yield child

    def compiler(self, suffix: str = "") -> str:
        """Names and versions of the compiler's packages, `binutils 2.40-2, gcc-12 12.2.0-14`.

        Those of a cross compiler have a suffix, `-aarch64-linux-gnu`.
        """
        named = re.compile(_COMPILER + re.escape(suffix))
        status = (self.root / "var/lib/dpkg/status").read_text(errors="replace")
        stanzas = apt.parse_stanzas(status)
        found = {s["Package"]: s["Version"] for s in stanzas if named.fullmatch(s["Package"])}
        return ", ".join(f"{name} {version}" for name, version in sorted(found.items()))

    def _enter(self, command: Command) -> list[str]:
        pairs = []
        for inside, folder in command.folders.items():
            (self.root / inside.lstrip("/")).mkdir(parents=True, exist_ok=True)
            pairs += [str(folder), inside]
        return [*_alone(), "sh", "-c", _ENTER, str(self.root), *pairs, "--", *command.words]


def _alone() -> list[str]:
    """What runs a command in namespaces that end with it, and it with its caller."""
    identity = [] if os.geteuid() == 0 else ["--map-root-user"]
    alone = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", *identity]
    return [*alone, "--pid", "--fork", "--kill-child"]


@functools.cache
def find_obstacle() -> str | None:
    """Why no build root can be entered on this machine; None if nothing is in the way."""
    tried = processes.run([*_alone(), "true"], "trying to enter a build root")
    if not tried.returncode:
        return None
    said = tried.stderr.strip()
    advice = next((advice for words, advice in _ADVICE.items() if words in said), "run as root")
    return f"no build root can be entered here ({said}): {advice}"


def get(suite: str, packages: Sequence[str], what: str, cache: Cache, key: str = "") -> Buildroot:
    """The build root of `suite` with `packages`, made if the cache has none for this `key`.

    Raises:
        Blocked: the packages cannot be installed.
        HostProblem: mmdebstrap is missing, no root can be entered here, or the cache cannot be
            written.
    """
    if obstacle := find_obstacle():
        raise HostProblem(obstacle)

    def build(target: Path) -> None:
        environment = apt_environment(suite, cache)
        with waiting(f"making a build root of {suite} for {what} (a minute)"):
            _bootstrap(environment, packages, target)

    return Buildroot(cache.get(KIND, _key(suite, packages, key), build))


def find(suite: str, packages: Sequence[str], cache: Cache, key: str = "") -> Buildroot | None:
    """The build root of `suite` with `packages`, if the cache has it."""
    root = cache.find(KIND, _key(suite, packages, key))
    return Buildroot(root) if root else None


def _key(suite: str, packages: Sequence[str], key: str) -> str:
    return digest(base_suite(suite), *packages, *([key] if key else []), *_TOOLS, *_LEFT_OUT)


def _bootstrap(environment: AptEnvironment, packages: Sequence[str], target: Path) -> None:
    """Have mmdebstrap write an archive and unpack it here: that also works without root."""
    settings = dict(os.environ)
    if os.geteuid() == 0:
        settings["TMPDIR"] = str(target)
    with tempfile.TemporaryFile("w+") as log, tempfile.TemporaryFile("w+") as sources:
        sources.write("\n".join(environment.sources) + "\n")
        sources.seek(0)
        made = _mmdebstrap(environment, packages)
        what = f"making a build root of {environment.suite}"
        with processes.started(
            made, what, LIMIT, stdin=sources, stderr=log, env=settings
        ) as bootstrap:
            unpacked = _unpack(bootstrap, target)
        log.seek(0)
        if bootstrap.process.returncode:
            raise refusal(environment.suite, log.read())
    if unpacked:
        raise HostProblem(f"the build root cannot be unpacked: {unpacked[:200]}")


def _unpack(bootstrap: processes.Child, target: Path) -> str:
    """Unpack what mmdebstrap writes; tar's complaint, if it fails."""
    tar = ["tar", "-x", "-C", str(target), "--exclude=./dev/*", "--no-same-owner"]
    how: dict[str, Any] = {"stderr": subprocess.PIPE, "text": True}
    how["stdin"] = bootstrap.process.stdout
    with processes.started(tar, "unpacking a build root", LIMIT, **how) as unpacking:
        _, complaint = unpacking.process.communicate()
    return complaint.strip() if unpacking.process.returncode else ""


def _mmdebstrap(environment: AptEnvironment, packages: Sequence[str]) -> list[str]:
    options = [f"--aptopt={option}" for option in environment.options]
    options += [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in _LEFT_OUT]
    include = f"--include={','.join((*_TOOLS, *packages))}"
    first = [tool("mmdebstrap", "mmdebstrap"), "--variant=apt", "--format=tar", include]
    return [*first, *options, environment.suite, "-", "-"]


def _said(command: Command) -> str:
    return f"running {' '.join(command.words)[:60]} in a build root"


def refusal(suite: str, log: str) -> Blocked | HostProblem:
    """The error for a build root that cannot be made, by what mmdebstrap printed."""
    if "No space left on device" in log:
        return no_space(f"making a build root of {suite}")
    if missing := _UNLOCATED.search(log):
        return Blocked(f"the mirror no longer has {missing[1]} in {suite}")
    if unmet := _UNMET.search(log):
        return Blocked(f"no build root of {suite} can be made: {unmet[1]}")
    says = [line for line in log.splitlines() if not _ITS_OWN.match(line)]
    return Blocked(f"no build root of {suite} can be made: {apt.first_error(chr(10).join(says))}")
