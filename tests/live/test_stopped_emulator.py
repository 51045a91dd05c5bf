# SPDX-License-Identifier: Apache-2.0
"""A QEMU that is stopped answers libvirt no more, and libvirt would wait for it for ever."""

import os
import signal
import time

import pytest
from run_harness import WORKS, until

from hotremove.errors import GuestLost
from hotremove.guest import snapshot
from hotremove.virt import hypervisor

pytestmark = pytest.mark.live


def stopped_while_libvirt_starts_it(laboratory, *words):
    """A run whose QEMU is stopped, by a machine however busy, before libvirt is done with it."""
    for _ in range(5):
        run = laboratory.start(WORKS, *words)
        until(lambda: laboratory.emulators, 60, "a guest")
        for pid in laboratory.emulators:
            os.kill(pid, signal.SIGSTOP)
        if not is_started(laboratory):
            return run
        run.process.kill()
        laboratory.expect_nothing_left()
    raise AssertionError("libvirt was done each time before QEMU was stopped")


def is_started(laboratory):
    """Whether libvirt's own record says that the guest runs, half a second later."""
    time.sleep(0.5)
    records = laboratory.temporary.glob("hotremove-*/root/run/qemu/*.xml")
    return any("<domstatus state='running'" in record.read_text() for record in records)


@pytest.mark.takes(65)
@pytest.mark.parametrize(
    ("words", "told"),
    [((), "restoring a guest"), (("--hotremove-fresh-boot",), "starting a guest")],
    ids=["restored", "booted"],
)
def test_one_that_stops_while_libvirt_starts_it_is_lost_within_two_minutes(laboratory, words, told):
    laboratory.run(WORKS)  # so that there is a saved guest
    run = stopped_while_libvirt_starts_it(laboratory, *words)
    start = time.monotonic()
    assert run.wait(120) == 1, run.text
    assert time.monotonic() - start < 120
    result = run.results["test_works"]
    assert result.verdict == "lost", run.text
    expected = f"{told}: libvirt did not answer in 60 s, and QEMU was ended: was it stopped?"
    assert expected in result.message
    assert "\n" not in result.message
    laboratory.expect_nothing_left()


@pytest.mark.hotremove
def test_one_that_stops_before_it_is_saved_is_ended_and_leaves_no_snapshot(
    farm, kernel, topology, tmp_path, monkeypatch
):
    monkeypatch.setattr(hypervisor, "SAVE", 3.0)
    guest = farm.guest_source.boot(farm.plan(kernel, topology))
    try:
        guest.dmesg()
        os.kill(guest.process.pid, signal.SIGSTOP)
        with pytest.raises(GuestLost, match="libvirt did not answer in 3 s"):
            guest.hypervisor.save_state(guest.domain, tmp_path / "state", {})
        until(lambda: guest.ended, 10, "the end of QEMU")
        assert guest.ending == "QEMU was killed by SIGKILL"
    finally:
        farm.guest_source.release(guest)
    names = farm.guest_source.hypervisor.domain_names
    until(lambda: guest.name not in names(), 20, "the end of the domain")
    assert not (tmp_path / snapshot.KIND).exists()
