# SPDX-License-Identifier: Apache-2.0
"""A container engine of this machine, podman or docker, if one of them runs containers here."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bare_roots import run

# Some kernels' cgroups are for one runtime and not for the other.
RUNTIMES = ((), ("--runtime=runc",), ("--runtime=crun",))
# Engines raise them, which not every machine lets them; for a root's process nproc is no limit.
LIMITS = ((), ("--ulimit=nofile=1024:4096", "--ulimit=nproc=1000:1000"))


@dataclass(frozen=True)
class Engine:
    """A program with the options that it takes here, for all words, and to build or run."""

    program: str
    first: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()

    def call(self, word: str, *words: str) -> subprocess.CompletedProcess[str]:
        """`podman WORD WORDS...`; building and running use this machine's network."""
        more = ("--network=host", *self.limits) if word in ("build", "run") else ()
        return run([self.program, *self.first, word, *more, *words], dict(os.environ))

    def remove(self, *images: str) -> None:
        self.call("rmi", "--force", *images)


def find_engine(archive: Path, image: str) -> tuple[Engine | None, str]:
    """An engine that runs a container of the archive's root, as `image`; else why none does."""
    why = ["neither podman nor docker is installed"]
    for program in filter(shutil.which, ("podman", "docker")):
        loaded = Engine(program).call("import", str(archive), image)
        if loaded.returncode:
            why.append(f"{program}: {loaded.stdout.strip()[-200:]}")
            continue
        for engine in _engines(program):
            tried = engine.call("run", "--rm", image, "true")
            if not tried.returncode:
                return engine, ""
            why.append(f"{program}: {tried.stdout.strip()[-200:]}")
        Engine(program).remove(image)
    return None, "; ".join(why[1:] or why)


def _engines(program: str) -> list[Engine]:
    runtimes = RUNTIMES if program == "podman" else ((),)
    return [Engine(program, first, limits) for limits in LIMITS for first in runtimes]
