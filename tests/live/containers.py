# SPDX-License-Identifier: Apache-2.0
"""A container engine of this machine, podman or docker, if one of them runs containers here."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bare_roots import run

# Some kernels' cgroups are for one runtime and not for the other.
RUNTIMES = ((), ("--runtime", "runc"), ("--runtime", "crun"))


@dataclass(frozen=True)
class Engine:
    """A program with the options that it takes here."""

    program: str
    first: tuple[str, ...] = ()

    def call(self, word: str, *words: str) -> subprocess.CompletedProcess[str]:
        """`podman WORD WORDS...`; building and running use this machine's network."""
        network = ("--network=host", *_limits()) if word in ("build", "run") else ()
        return run([self.program, *self.first, word, *network, *words], dict(os.environ))

    def remove(self, *images: str) -> None:
        self.call("rmi", "--force", *images)


def find_engine(archive: Path, image: str) -> tuple[Engine | None, str]:
    """An engine that runs a container of the archive's root; else why there is none."""
    why = ["neither podman nor docker is installed"]
    for program in filter(shutil.which, ("podman", "docker")):
        for first in RUNTIMES if program == "podman" else ((),):
            engine = Engine(program, first)
            tried = engine.call("import", str(archive), image)
            tried = tried if tried.returncode else engine.call("run", "--rm", image, "true")
            if not tried.returncode:
                return engine, ""
            why = [*why[1:], f"{' '.join((program, *first))}: {tried.stdout.strip()[-200:]}"]
            engine.remove(image)
    return None, "; ".join(why)


def _limits() -> list[str]:
    """No higher than this process's own, which not everybody may raise."""
    names = {"nofile": resource.RLIMIT_NOFILE, "nproc": resource.RLIMIT_NPROC}
    found = {name: resource.getrlimit(which)[1] for name, which in names.items()}
    return [f"--ulimit={name}={most}:{most}" for name, most in found.items() if most > 0]
