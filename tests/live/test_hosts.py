# SPDX-License-Identifier: Apache-2.0
"""A farm of several machines, each a real libvirt daemon with a network and state of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from libvirt_hosts import LibvirtHost, network
from run_harness import CHECKOUT, Laboratory, until

from hotremove.results.record import read_record

pytestmark = pytest.mark.live

SOURCE = """
import pytest

from hotremove.scenario import REMOVED


@pytest.mark.hotremove
@pytest.mark.parametrize("number", range(2))
def test_dimm_leaves(movable_dimm, number):
    movable_dimm.eject().expect(REMOVED)


@pytest.mark.hotremove
def test_fails(guest):
    assert guest.control.check("echo one") == "two"


@pytest.mark.hotremove
def test_panics(guest):
    guest.control.run("for n in $(seq 200); do echo some words $n >/dev/kmsg; done")
    guest.control.run("echo c > /proc/sysrq-trigger")
"""
# Tests that wait with their guests until a fault has been made.
WAITS = """
import os
import time
from pathlib import Path

import pytest


@pytest.mark.hotremove
@pytest.mark.parametrize("number", range(4))
def test_works(guest, number, farm):
    folder = Path(os.environ["TMPDIR"])
    (folder / f"on-{farm.guest_source.host.name}-{os.getpid()}").touch()
    while not (folder / "go").exists():
        guest.control.check("true")
        time.sleep(0.2)
    assert guest.control.check("echo fine") == "fine\\n"
"""


# A worker's guests, one after the other.
MANY = """
import os
import threading

import pytest

held = []


@pytest.mark.hotremove
@pytest.mark.parametrize("number", range(8))
def test_works(guest, number):
    guest.control.check("true")
    held.append((len(os.listdir("/proc/self/fd")), threading.active_count()))
    warm = held[min(2, number)]
    assert all(now <= then for now, then in zip(held[-1], warm)), held
"""


@pytest.fixture
def machines(request: pytest.FixtureRequest) -> Iterator[tuple[LibvirtHost, ...]]:
    """Two machines, reached by TLS unless a test names another way."""
    with network(2, getattr(request, "param", "tls")) as made:
        yield made


@pytest.fixture
def hosts(machines: tuple[LibvirtHost, ...], tmp_path: Path) -> Path:
    """hosts.toml of the two, two slots each."""
    file = tmp_path / "hosts.toml"
    rows = (
        f'[[host]]\nname = "{name}"\nuri = "{machine.uri}"\nslots = 2\nlabels = ["{name}"]\n'
        for name, machine in zip(("anna", "berta"), machines, strict=True)
    )
    file.write_text("".join(rows))
    return file


def comparable(run):
    """Results without times: of messages the first line, up to how the guest's end was noticed."""
    return [
        replace(row, duration_s=0.0, message=row.message.partition("\n")[0].partition(" (")[0])
        for row in run.rows
    ]


def guests_on(laboratory: Laboratory) -> set[str]:
    """Names of the hosts on which a test has its guest."""
    return {path.name.split("-")[1] for path in laboratory.temporary.glob("on-*")}


@pytest.mark.nightly
@pytest.mark.parametrize("machines", ["tls", "ssh", "tcp"], indirect=True)
def test_remote_guests_tell_what_local_ones_tell(laboratory, machines, hosts):
    local = laboratory.run(SOURCE)
    remote = laboratory.run(SOURCE, "-n", "4", f"--hotremove-farm-hosts={hosts}")
    assert [row.verdict for row in local.rows] == ["pass", "pass", "fail", "fail"], local.text
    assert comparable(remote) == comparable(local), remote.text
    assert remote.wait() == local.wait() == 1
    assert not laboratory.emulators
    panic = remote.folder / "artifacts" / remote.rows[-1].evidence / "console.log"
    assert "some words 200" in panic.read_text()
    assert "Kernel Offset" in panic.read_text()  # the last line: panic=-1 leaves none for more
    again = laboratory.run(
        SOURCE, f"--hotremove-farm-hosts={hosts}", "--hotremove-farm-label", "berta", "-n", "2"
    )
    assert comparable(again) == comparable(local), again.text
    assert "once on" not in again.text, "a saved guest was not used again"
    assert not [pid for machine in machines for pid in machine.emulators()]
    laboratory.expect_nothing_left()


def verdicts(artifacts: Path, *words: str) -> dict[str, str]:
    """What the whole suite says of a kernel that passes it, by test."""
    command = [sys.executable, "-m", "pytest", "-q", "-c", "tox.ini", "-m", "hotremove"]
    command += ["scenarios", "-p", "no:cacheprovider", f"--hotremove-artifacts={artifacts}", *words]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr
    return {row.test: row.verdict for row in read_record(artifacts / "results.json")}


@pytest.mark.nightly
def test_the_suite_says_the_same_by_any_number_of_workers_here_and_there(tmp_path, machines, hosts):
    alone = verdicts(tmp_path / "alone", "-n", "0")
    assert set(alone.values()) == {"pass", "absent", "not-applicable", "known-bug"}
    assert verdicts(tmp_path / "two", "-n", "2") == alone
    assert verdicts(tmp_path / "remote", "-n", "4", f"--hotremove-farm-hosts={hosts}") == alone
    assert not [pid for machine in machines for pid in machine.emulators()]


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("machines", "fault"),
    [
        ("tls", "die"),
        ("tls", "cut_off"),
        ("tls", "stop_daemon"),
        ("ssh", "die"),
        ("ssh", "cut_off"),
        ("ssh", "stop_daemon"),
    ],
    indirect=["machines"],
)
def test_a_host_that_goes_costs_no_verdict(laboratory, machines, hosts, fault):
    run = laboratory.start(WAITS, "-n", "2", f"--hotremove-farm-hosts={hosts}")
    until(lambda: guests_on(laboratory) == {"anna", "berta"}, 180, "a guest on each host")
    shown = laboratory.command("hosts", str(hosts))
    assert shown.count("held by gw") == 2
    getattr(machines[1], fault)()
    (laboratory.temporary / "go").touch()
    assert run.wait(180) == 0, run.text
    assert [row.verdict for row in run.rows] == ["pass"] * 4
    assert "1 moved" in run.text
    assert "it lost its host berta, and ran elsewhere" in run.text
    laboratory.expect_nothing_left()
    assert not machines[0].emulators()


@pytest.mark.nightly
def test_a_killed_worker_leaves_its_slot_and_no_guest(laboratory, machines, hosts):
    run = laboratory.start(WAITS, "-n", "2", f"--hotremove-farm-hosts={hosts}")
    until(lambda: guests_on(laboratory) == {"anna", "berta"}, 180, "a guest on each host")
    for marker in laboratory.temporary.glob("on-berta-*"):
        os.kill(int(marker.name.rpartition("-")[2]), signal.SIGKILL)
    (laboratory.temporary / "go").touch()
    assert run.wait(240) == 1, run.text
    assert sorted(row.verdict for row in run.rows) == ["lost", "pass", "pass", "pass"]
    until(lambda: not any(m.emulators() for m in machines), 60, "the end of the remote guests")
    assert "held" not in laboratory.command("hosts", str(hosts))


@pytest.mark.nightly
def test_a_host_that_is_down_from_the_start_costs_no_verdict(laboratory, machines, hosts):
    machines[1].die()
    (laboratory.temporary / "go").touch()
    run = laboratory.start(WAITS, "-n", "4", f"--hotremove-farm-hosts={hosts}")
    assert run.wait(240) == 0, run.text
    assert [row.verdict for row in run.rows] == ["pass"] * 4
    assert guests_on(laboratory) == {"anna"}
    laboratory.expect_nothing_left()


@pytest.mark.nightly
def test_two_runs_share_the_hosts(laboratory, machines, hosts):
    (laboratory.temporary / "go").touch()
    runs = [laboratory.start(WAITS, "-n", "4", f"--hotremove-farm-hosts={hosts}") for _ in range(2)]
    for run in runs:
        assert run.wait(300) == 0, run.text
        assert [row.verdict for row in run.rows] == ["pass"] * 4
    laboratory.expect_nothing_left()


@pytest.mark.nightly
def test_farms_that_know_nothing_of_each_other_leave_each_others_guests_alone(
    laboratory, other_laboratory, machines, hosts
):
    """Slots are locked in the cache, so that a run with another one finds them free."""
    run = laboratory.start(WAITS, "-n", "2", f"--hotremove-farm-hosts={hosts}")
    until(lambda: guests_on(laboratory) == {"anna", "berta"}, 180, "a guest on each host")
    other_laboratory.private_cache()
    (other_laboratory.temporary / "go").touch()
    second = other_laboratory.run(WAITS, "-n", "2", f"--hotremove-farm-hosts={hosts}")
    assert [row.verdict for row in second.rows] == ["pass"] * 4, second.text
    (laboratory.temporary / "go").touch()
    assert run.wait(180) == 0, run.text
    assert [row.verdict for row in run.rows] == ["pass"] * 4
    assert "moved" not in run.text
    laboratory.expect_nothing_left()


@pytest.mark.nightly
def test_remote_guests_leave_their_worker_as_it_was(laboratory, machines, hosts):
    run = laboratory.run(MANY, "-n", "1", f"--hotremove-farm-hosts={hosts}")
    assert [row.verdict for row in run.rows] == ["pass"] * 8, run.text


@pytest.mark.nightly
def test_a_saved_guest_goes_to_another_host(laboratory, machines, hosts):
    laboratory.private_cache()
    (laboratory.temporary / "go").touch()
    for name in ("anna", "berta"):
        run = laboratory.run(
            WAITS, f"--hotremove-farm-hosts={hosts}", "--hotremove-farm-label", name
        )
        assert [row.verdict for row in run.rows] == ["pass"] * 4, run.text
    assert "once on" not in run.text
    assert guests_on(laboratory) == {"anna", "berta"}
