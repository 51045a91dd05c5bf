# SPDX-License-Identifier: Apache-2.0
"""`./lab` on machines that have nothing: Debian's last two releases, and a container."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from bare_roots import CHECKOUT, BareRoot, bootstrap, copy_checkout, follow, pack, remove
from containers import Engine, find_engine

from hotremove.cache import Cache
from hotremove.kernels.spec import resolve

pytestmark = [
    pytest.mark.live,
    pytest.mark.nightly,
    pytest.mark.skipif(os.geteuid() != 0, reason="this account may not chroot"),
]
BASE, LAB = "localhost/hotremove-test-base", "localhost/hotremove-test-lab"
NAME = "test_memory_leaves_under_an_rdma_memory_region"
# What boots guests, and what compiles in a build root.
ROW = ("hotremove", "-n", "0", "--kernel", "debian:bookworm", "-k", NAME)
# Debian's first QEMU that emulates volatile CXL memory is that of trixie.
CXL = ("hotremove", "-n", "0", "--kernel", "debian:trixie", "-k", "cxl")
MODULES = ("run", "python", ".ci/kmods.py", "debian:bookworm")
CHECK = ("check", "style", "shell", "imports", "types", "programs")
TEST = ("test", "-n", "0", "tests/unit/test_patience.py")


@pytest.fixture
def place() -> Iterator[Path]:
    """Not below /tmp: a root takes 2 GB."""
    made = Path(tempfile.mkdtemp(prefix="hotremove-bare-", dir="/var/tmp"))
    yield made
    remove(made)


@pytest.fixture
def cache() -> Path:
    """With the kernels, which the machines need not fetch one after the other."""
    for suite in ("bookworm", "trixie"):
        resolve(f"debian:{suite}", Cache.default())
    return Cache.default().root


def bare_root(suite: str, place: Path) -> BareRoot:
    bootstrap(suite, place / "root")
    root = BareRoot(place / "root")
    root.connect()
    return root


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("suite", ["bookworm", "trixie"])
def test_a_bare_debian_gets_ready_by_itself(suite: str, place: Path, cache: Path) -> None:
    root = replace(bare_root(suite, place), shared=((cache, "/root/.cache/hotremove"),))
    copy_checkout(root.path / "lab")
    for words in (ROW, ("run", "hotremove", "doctor"), MODULES, CHECK, TEST):
        done = root.run("/lab/lab", *words)
        assert done.returncode == 0, done.stdout
    done = root.run("/lab/lab", *CXL)
    assert done.returncode == 0, done.stdout
    assert ("3 pass" if suite == "trixie" else "3 waived") in done.stdout
    _expect_ready(root.run("/lab/lab", "run", "true"))


@pytest.mark.timeout(3600)
def test_a_container_is_a_ready_lab(
    place: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = bare_root("trixie", place)
    archive = place / "base.tar"
    pack(root, archive)
    engine, why = find_engine(archive, BASE)
    if engine is None:
        with capsys.disabled():
            print(f"\nno container engine ({why}): its steps are done in a bare root")
        _prove_steps(root, cache)
        return
    try:
        _prove_container(engine, cache)
    finally:
        engine.remove(LAB, BASE)


def _prove_container(engine: Engine, cache: Path) -> None:
    built = engine.call("build", f"--build-arg=BASE={BASE}", f"--tag={LAB}", str(CHECKOUT))
    assert built.returncode == 0, built.stdout
    mounted = (f"--volume={cache}:/var/cache/hotremove", f"--volume={CHECKOUT}:/lab")
    _expect_ready(engine.call("run", "--rm", *mounted, LAB, *ROW))
    plain = engine.call("run", "--rm", LAB, "run", "hotremove", "doctor").stdout
    assert "MISSING  build roots: no build root can be entered here" in plain
    assert "in a container with --cap-add SYS_ADMIN" in plain
    _expect_ready(engine.call("run", "--rm", "--cap-add=SYS_ADMIN", *mounted, LAB, *MODULES))


def _prove_steps(root: BareRoot, cache: Path) -> None:
    settings = follow(CHECKOUT / "Containerfile", root)
    ready = replace(root, shared=((cache, settings["HOTREMOVE_CACHE"]), (CHECKOUT, "/lab")))
    for words in (ROW, MODULES):
        _expect_ready(ready.run("/lab/lab", *words, **settings))


def _expect_ready(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0, done.stdout
    assert "lab: installing" not in done.stdout, done.stdout
