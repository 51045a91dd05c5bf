# SPDX-License-Identifier: Apache-2.0
"""The wheel holds the plugin, the suite and the guests' sources, and nothing that was built."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).resolve().parents[2]
HOMES = {
    "plugins/hotremove/": "hotremove/",
    "guests/": "hotremove/guests/",
    "kmods/": "hotremove/kmods/",
    "scenarios/": "hotremove/scenarios/",
}


def tracked() -> list[str]:
    if not shutil.which("git") or not (ROOT / ".git").exists():
        pytest.skip("git, which knows what belongs in it, is not here")
    command = ["git", "-c", f"safe.directory={ROOT}", "ls-files", *HOMES]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()


def in_wheel(path: str) -> str:
    home = next(home for home in HOMES if path.startswith(home))
    return HOMES[home] + path.removeprefix(home)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Built from a copy with rubbish beside the sources, as make in the tree would leave it."""
    pytest.importorskip("hatch_vcs")
    copy = tmp_path_factory.mktemp("checkout")
    for name in (*tracked(), "pyproject.toml", "README.md", ".gitignore"):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, copy / name)
    shutil.copytree(ROOT / "LICENSES", copy / "LICENSES")
    for rubbish in ("guests/agent/agent.o", "guests/agent/agent", "guests/workloads/holder"):
        (copy / rubbish).touch()
    (copy / "kmods/pin_hold/pin_hold.ko").touch()
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(copy / "dist")]
    subprocess.run(command, cwd=copy, check=True, capture_output=True)
    return zipfile.ZipFile(next((copy / "dist").glob("*.whl")))


def test_it_holds_what_is_tracked_and_no_more(wheel: zipfile.ZipFile) -> None:
    held = {name for name in wheel.namelist() if ".dist-info/" not in name}
    present = {path for path in tracked() if (ROOT / path).is_file()}
    assert held == {in_wheel(path) for path in present}


def test_its_version_is_that_of_the_tag_or_unknown(tmp_path: Path) -> None:
    pytest.importorskip("hatch_vcs")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)

    def run(*words: str) -> str:
        done = subprocess.run(words, cwd=tmp_path, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    version = (sys.executable, "-m", "hatchling", "version")
    assert run(*version).endswith("+unknown")
    author = ("-c", "user.name=nobody", "-c", "user.email=nobody@localhost")
    run("git", "init", "--quiet")
    run("git", "add", "pyproject.toml")
    run("git", *author, "commit", "--quiet", "--no-gpg-sign", "--message", "x")
    assert "+unknown" in run(*version)
    run("git", "tag", "v9.8.7")
    assert run(*version) == "9.8.7"


def test_it_loads_itself_into_pytest(wheel: zipfile.ZipFile) -> None:
    name = next(n for n in wheel.namelist() if n.endswith("entry_points.txt"))
    assert "[pytest11]\nhotremove = hotremove.plugin" in wheel.read(name).decode()


def test_it_holds_both_licences(wheel: zipfile.ZipFile) -> None:
    texts = {PurePosixPath(name).name for name in wheel.namelist() if "/licenses/" in name}
    assert texts == {"Apache-2.0.txt", "GPL-2.0-only.txt"}


def test_every_source_names_its_licence() -> None:
    known = ("Apache-2.0", "GPL-2.0-only")
    for path in tracked():
        file = ROOT / path
        if file.is_file() and file.stat().st_size:
            head = file.read_text()[:300]
            assert any(f"SPDX-License-Identifier: {name}" in head for name in known), path
