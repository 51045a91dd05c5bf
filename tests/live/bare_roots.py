# SPDX-License-Identifier: Apache-2.0
"""Debian installations that hold nothing but Debian's base, and what is run in them.

They have this machine's kernel, devices and network, but none of its packages. What reaches a
mirror or an index of packages from here does so from there: names, certificates, apt's settings.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hotremove.cache import Cache
from hotremove.kernels.distro.suites import apt_environment

CHECKOUT = Path(__file__).resolve().parents[2]
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
# Where they lie in a root or a container, and what tells pip of them.
TRUSTED = "/etc/machine.crt"
PIP_SETTINGS = f"[global]\ncert = {TRUSTED}\n"
LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv", ".tox", "__pycache__", "artifacts", "dist", ".*_cache", ".hypothesis"
)
# A root that is no mount point lets nobody change how mounts spread; all mounts end with it.
ENTER = """
set -e
mount --bind "$0" "$0"
for folder in dev sys; do mount --rbind "/$folder" "$0/$folder"; done
mount -t proc proc "$0/proc"
while [ "$1" != -- ]; do mkdir -p "$0$2"; mount --bind "$1" "$0$2"; shift 2; done
shift
cd "$0"
exec chroot "$0" "$@"
"""
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def bootstrap(suite: str, target: Path) -> None:
    """Make a root with Debian's base alone in a folder."""
    environment = apt_environment(suite, Cache.default())
    options = [f"--aptopt={option}" for option in environment.options]
    command = ["mmdebstrap", "--quiet", "--variant=minbase", *options, suite, str(target), "-"]
    sources = "\n".join(environment.sources) + "\n"
    subprocess.run(command, input=sources, text=True, check=True, timeout=900)


def copy_checkout(target: Path) -> None:
    """The checkout as it is, without what tools left in it."""
    shutil.copytree(CHECKOUT, target, ignore=LEFT_OUT)


@dataclass(frozen=True)
class BareRoot:
    """A root below `path`; `shared` are pairs of a folder here and its place there."""

    path: Path
    shared: tuple[tuple[Path, str], ...] = ()

    def connect(self) -> None:
        """Let it reach what this machine reaches."""
        for name in ("resolv.conf", "hosts"):
            shutil.copy(Path("/etc", name), self.path / "etc" / name)
        if CERTIFICATES.is_file():
            shutil.copy(CERTIFICATES, self.path / TRUSTED.lstrip("/"))
            (self.path / "etc/pip.conf").write_text(PIP_SETTINGS)

    def run(self, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """Run a command in it as root; all it started is over when it ends."""
        alone = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
        pairs = [str(word) for pair in self.shared for word in pair]
        home = {"HOME": "/root", "PATH": PATH, "LC_ALL": "C.UTF-8", "TERM": "dumb"}
        return run(
            [*alone, "sh", "-c", ENTER, str(self.path), *pairs, "--", *words], home | settings
        )


def run(command: Iterable[str], settings: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, with all that it says in one text."""
    return subprocess.run(
        list(command),
        env=settings,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=3000,
    )


def instructions(containerfile: Path) -> list[tuple[str, str]]:
    """What a Containerfile says, as pairs of the instruction and its words."""
    lines = containerfile.read_text().replace("\\\n", " ").splitlines()
    said = (line.split(maxsplit=1) for line in lines if line and not line.startswith("#"))
    return [(word, rest) for word, rest in said]


def follow(containerfile: Path, root: BareRoot) -> dict[str, str]:
    """Do in a bare root what a Containerfile says of the image; gives the image's environment."""
    settings: dict[str, str] = {}
    place = "/"
    for word, rest in instructions(containerfile):
        if word == "ENV":
            settings |= dict(pair.split("=", 1) for pair in rest.split())
        elif word == "WORKDIR":
            place = rest
        elif word == "COPY":
            assert rest == ". ."
            copy_checkout(root.path / place.lstrip("/"))
        elif word == "RUN":
            done = root.run("sh", "-c", f"cd {place} && {rest}", **settings)
            assert done.returncode == 0, done.stdout
        else:
            assert word in ("ARG", "FROM", "ENTRYPOINT", "CMD"), word
    return settings


def pack(root: BareRoot, archive: Path) -> None:
    """A root as an archive, of which an image can be made."""
    subprocess.run(["tar", "-C", root.path, "-cf", archive, "."], check=True, timeout=600)


def remove(folder: Path) -> None:
    """Delete what has roots in it, where nothing may be mounted any more."""
    assert f" {folder}/" not in Path("/proc/self/mountinfo").read_text(), "it has mounts"
    shutil.rmtree(folder)
