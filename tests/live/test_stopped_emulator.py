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

# From the start of QEMU: libvirt is still at it.
EARLY = 0.15


@pytest.mark.takes(65)
@pytest.mark.parametrize(
    ("words", "told"),
    [((), "restoring a guest"), (("--hotremove-fresh-boot",), "starting a guest")],
    ids=["restored", "booted"],
)
def test_one_that_stops_while_libvirt_starts_it_is_lost_within_two_minutes(laboratory, words, told):
    laboratory.run(WORKS)  # so that there is a saved guest
    run = laboratory.start(WORKS, *words)
    until(lambda: laboratory.emulators, 60, "a guest")
    time.sleep(EARLY)
    for pid in laboratory.emulators:
        os.kill(pid, signal.SIGSTOP)
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
            guest.hypervisor.save(guest.domain, tmp_path / "memory")
        until(lambda: guest.ended, 10, "the end of QEMU")
        assert guest.ending == "QEMU was killed by SIGKILL"
    finally:
        farm.guest_source.release(guest)
    names = farm.guest_source.hypervisor.domain_names
    until(lambda: guest.name not in names(), 20, "the end of the domain")
    assert not (tmp_path / snapshot.KIND).exists()
