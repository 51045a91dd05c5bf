# SPDX-License-Identifier: Apache-2.0
"""Guests that die or hang, by real faults: the verdict, how soon it comes, and what is left."""

import re
from pathlib import Path

import pytest
from run_harness import NEVER_BOOTS, WORKS, Laboratory, Run

pytestmark = [pytest.mark.live, pytest.mark.takes(100)]

PANIC = "Kernel panic - not syncing: sysrq triggered crash"
# name, verdict, part of the message, most seconds of the whole test on a loaded machine
DEATHS = (
    ("test_panic", "fail", PANIC, 30),
    ("test_panic_without_reboot", "fail", PANIC, 45),
    ("test_panic_in_the_background", "fail", PANIC, 30),
    ("test_triple_fault", "lost", "it was reset or powered off", 30),
    ("test_emulator_killed", "lost", "QEMU was killed by SIGKILL", 30),
    ("test_emulator_killed_after_the_last_command", "lost", "QEMU was killed by SIGKILL", 30),
    ("test_emulator_stopped", "lost", "on node 1: libvirt did not answer in 60 s, and QEMU", 100),
    ("test_emulator_stopped_before_a_command", "lost", "silent for 30 s, and QEMU is stopped", 60),
    ("test_processors_stopped", "lost", "the control channel was silent for 30 s", 60),
    ("test_processors_stopped_during_a_removal", "lost", "the control channel was silent", 60),
    ("test_agent_stopped", "lost", "the control channel was silent for 30 s", 60),
    ("test_console_flood", "lost", "more than 16 MiB of kernel messages", 200),
    ("test_connection_lost", "lost", "listing domains", 30),
    ("test_the_next_guest_works", "pass", "", 30),
)


@pytest.fixture(scope="module")
def deaths(module_laboratory: Laboratory) -> Run:
    """One run of everything that ends a guest; most of it waits, so the tests wait together."""
    scenarios = Path(__file__).parent / "faults/deaths.py"
    return module_laboratory.run(scenarios, "-n", "4", seconds=400)


@pytest.mark.parametrize(("name", "verdict", "told", "seconds"), DEATHS, ids=[d[0] for d in DEATHS])
def test_verdict(deaths, name, verdict, told, seconds):
    result = deaths.results[name]
    assert result.verdict == verdict, deaths.text
    assert told in result.message
    assert result.duration_s < seconds


def test_the_run_ends_red_with_every_result_and_leaves_nothing(deaths, module_laboratory):
    assert deaths.wait() == 1
    assert set(deaths.results) == {name for name, *_ in DEATHS}
    assert "Unhandled" not in deaths.text
    assert not module_laboratory.left


def test_a_dead_guest_leaves_its_console(deaths):
    result = deaths.results["test_panic"]
    console = deaths.folder / "artifacts" / result.evidence / "console.log"
    assert PANIC in console.read_text()


def test_a_guest_that_never_boots_is_lost_at_its_deadline(laboratory):
    laboratory.private_cache()
    topology = laboratory.folder / "never-boots.toml"
    topology.write_text(NEVER_BOOTS)
    run = laboratory.run(
        WORKS, "--hotremove-topology", str(topology), "--hotremove-boot-deadline", "20"
    )
    result = run.results["test_works"]
    assert result.verdict == "lost", run.text
    assert re.search("(silent for|within) 20 s; last on its console: ", result.message)
    assert result.duration_s < 60
    assert not list((laboratory.cache / "snapshots").iterdir())
    laboratory.expect_nothing_left()
