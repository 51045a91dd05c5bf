# SPDX-License-Identifier: Apache-2.0
"""Live progress: on a real terminal only, and never in the way of what pytest writes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import kernel_samples as samples
import pexpect
import pyte
import pytest

ROOT = Path(__file__).resolve().parents[2]
# A guest that boots nothing: its timeline is all that is looked at.
CONFTEST = """
from types import SimpleNamespace

import pytest
from hotremove.session.farm import Farm
from hotremove.observe.timeline import Timeline
from hotremove.plugin import reporting

GUEST = SimpleNamespace(timeline=Timeline(), channels=SimpleNamespace(shell="none"))
Farm.prepare = lambda farm: None
Farm.guests = property(lambda farm: (GUEST,))
reporting.header = lambda farm: []

@pytest.fixture
def timeline():
    GUEST.timeline = Timeline()
    GUEST.timeline.until_now("restored")
    return GUEST.timeline
"""
TESTS = """
import time
import pytest
from hotremove.progress import say, waiting

@pytest.mark.parametrize("number", range(2))
def test_removes(kernel, timeline, number):
    print("what a test prints")
    with timeline.span("remove by ACPI eject", 30.0):
        time.sleep(1.2)
    if number:
        with waiting("booting once"):
            time.sleep(0.5)
        say("spoken between")
    assert number

def test_plain():
    time.sleep(0.5)
"""
BREAKS = """
import time

def test_breaks(kernel, timeline):
    with timeline.span("remove by ACPI eject", 30.0):
        time.sleep(0.8)
        breakpoint()
        time.sleep(0.8)
"""
WAITS = "remove by ACPI eject"


def make_command(folder: Path) -> list[str]:
    (folder / "conftest.py").write_text((ROOT / "conftest.py").read_text() + CONFTEST)
    (folder / "test_it.py").write_text(TESTS)
    (folder / "bzImage").write_bytes(samples.image())
    words = ["-p", "no:cacheprovider", "-p", "no:hypothesispytest", "--kernel=image:bzImage"]
    return [sys.executable, "-m", "pytest", "--rootdir=.", *words, "--tb=short"]


def environment(tmp_path: Path, **changed: str) -> dict[str, str]:
    usual = {name: value for name, value in os.environ.items() if name not in ("CI", "NO_COLOR")}
    paths = {"PYTHONPATH": str(ROOT / "plugins"), "HOTREMOVE_CACHE": str(tmp_path / "cache")}
    return {**usual, "TERM": "xterm", **paths, **changed}


class Seen:
    """What a terminal showed: every state of its screen, and the last."""

    def __init__(self, child: pexpect.spawn) -> None:
        self.screen = pyte.Screen(80, 40)
        self.states: list[str] = []
        self.raw = ""
        stream = pyte.Stream(self.screen)
        while True:
            try:
                said = child.read_nonblocking(65536, 60)
            except pexpect.EOF:
                break
            self.raw += said
            stream.feed(said)
            self.states.append(self.text)

    @property
    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.screen.display)


def on_a_terminal(command: list[str], tmp_path: Path, *words: str, **changed: str) -> Seen:
    child = pexpect.spawn(
        command[0],
        [*command[1:], *words],
        cwd=str(tmp_path),
        env=environment(tmp_path, **changed),
        dimensions=(40, 80),
        encoding="utf-8",
        timeout=60,
    )
    return Seen(child)


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    folder = tmp_path_factory.mktemp("terminal")
    return on_a_terminal(make_command(folder), folder)


def test_a_terminal_shows_what_each_guest_waits_for(seen: Seen) -> None:
    waits = [state for state in seen.states if WAITS in state]
    for number in (0, 1):
        told = f"test_removes[6.1.99-{number}]: remove by ACPI eject "
        assert len({state.partition(told)[2][:3] for state in waits if told in state}) > 1
    assert any("/30 s" in state for state in waits)
    assert not any("test_plain" in state for state in seen.states), "it has no guest"


def test_nothing_of_it_stays_and_nothing_else_goes(seen: Seen) -> None:
    assert WAITS not in seen.text, "neither on the screen nor in what pytest captured"
    assert "\ntest_it.py F" in seen.text
    assert "what a test prints\n" in seen.text
    assert "hotremove: spoken between" in seen.text
    assert "1 failed, 2 passed" in seen.text


def test_a_debugger_has_the_terminal_to_itself(tmp_path: Path) -> None:
    command = make_command(tmp_path)
    (tmp_path / "test_it.py").write_text(BREAKS)
    child = pexpect.spawn(
        command[0],
        command[1:],
        cwd=str(tmp_path),
        env=environment(tmp_path),
        dimensions=(40, 80),
        encoding="utf-8",
        timeout=60,
    )
    child.expect_exact(WAITS)
    child.expect_exact("(Pdb) ")
    child.sendline("__import__('time').sleep(1)")
    child.expect_exact("(Pdb) ")
    assert WAITS not in child.before
    child.sendline("continue")
    child.expect_exact(WAITS)
    child.expect_exact("1 passed")
    child.wait()


def test_a_ci_system_that_offers_a_terminal_has_plain_text(tmp_path: Path) -> None:
    assert WAITS not in on_a_terminal(make_command(tmp_path), tmp_path, CI="true").raw


def test_without_a_terminal_there_is_plain_text(tmp_path: Path) -> None:
    done = subprocess.run(
        make_command(tmp_path),
        cwd=tmp_path,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
    )
    assert "1 failed, 2 passed" in done.stdout
    assert WAITS not in done.stdout
    assert "\x1b" not in done.stdout + done.stderr


def test_each_worker_of_xdist_has_its_line(tmp_path: Path) -> None:
    seen = on_a_terminal(make_command(tmp_path), tmp_path, "-n2")
    assert any("gw0 test_removes" in state and "gw1 test_removes" in state for state in seen.states)
    assert WAITS not in seen.text
    assert "1 failed, 2 passed" in seen.text
    assert not list(Path(os.environ.get("TMPDIR", "/tmp")).glob("hotremove-live-*"))
