# SPDX-License-Identifier: Apache-2.0
"""A libvirt on another machine: it may be busy with others, and it may be gone."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest
from libvirt_hosts import LibvirtHost, network
from run_harness import until

from hotremove.cache import Cache, digest
from hotremove.errors import GuestLost, HostProblem
from hotremove.remote.storage import Store, volume_xml
from hotremove.virt.calls import CallOverdue
from hotremove.virt.hypervisor import Hypervisor

pytestmark = pytest.mark.live

STOPPED_GUEST = """
<domain type='qemu'>
  <name>silent</name>
  <memory unit='MiB'>64</memory>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
  <devices><console type='pty'/></devices>
</domain>
"""


@pytest.fixture
def machine() -> Iterator[LibvirtHost]:
    with network(1) as (made,):
        yield made


def in_the_background(call) -> tuple[threading.Thread, list[Exception]]:
    """Call until an error comes, which is kept."""
    errors: list[Exception] = []

    def go_on() -> None:
        try:
            while True:
                call()
                time.sleep(0.2)
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=go_on, daemon=True)
    thread.start()
    return thread, errors


def test_a_pool_that_others_fill_is_waited_for(machine, tmp_path):
    hypervisor = Hypervisor(machine.uri, tmp_path / "libvirt.log")
    store = Store(hypervisor, "hotremove", "here", Cache(tmp_path / "cache"))
    source = tmp_path / "source"
    source.write_bytes(b"some bytes")
    store.send(source, "first")
    pool = hypervisor.connection.storagePoolLookupByName("hotremove")
    end = time.monotonic() + 4

    def fill() -> None:
        while time.monotonic() < end:
            pool.createXML(volume_xml("of-another", 256 << 20)).delete(0)

    filling = threading.Thread(target=fill)
    filling.start()
    while time.monotonic() < end:
        store.receive("first", tmp_path / "copy")
    filling.join()
    assert (tmp_path / "copy").read_bytes() == b"some bytes"
    hypervisor.close()


def test_two_farms_have_files_of_their_own(machine, tmp_path):
    hypervisor = Hypervisor(machine.uri, tmp_path / "libvirt.log")
    here, there = (
        Store(hypervisor, "hotremove", "anna", Cache(tmp_path / cache)) for cache in ("a", "b")
    )
    source = tmp_path / "source"
    source.write_bytes(b"some bytes")
    assert here.upload(source) != there.upload(source)
    for name in here.names():
        here.remove(name)
    assert here.names() == []
    there.receive(digest(source), tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"some bytes"
    hypervisor.close()


@pytest.mark.parametrize(
    ("fault", "seconds"),
    # TCP gives up after 6 to 10 s, more on a busy machine; the watchdog after 30.
    [("cut_off", 25), pytest.param("stop_daemon", 40, marks=pytest.mark.nightly)],
)
def test_all_calls_end(machine, tmp_path, fault, seconds):
    hypervisor = Hypervisor(machine.uri, tmp_path / "libvirt.log")
    hypervisor.version()  # libvirt looks at QEMU first, for which a call has no time
    stream = hypervisor.connection.newStream(0)
    hypervisor.create(STOPPED_GUEST, paused=True).openConsole(None, stream, 0)
    reads, read_errors = in_the_background(lambda: stream.recv(1))
    time.sleep(0.5)  # a guest that is stopped says nothing: the read waits, and reads the socket
    calls, call_errors = in_the_background(hypervisor.domains)
    time.sleep(1)
    assert reads.is_alive()
    assert calls.is_alive()
    start = time.monotonic()
    getattr(machine, fault)()
    for thread in (reads, calls):
        thread.join(start + seconds - time.monotonic())
        assert not thread.is_alive(), f"a call is waiting {seconds} s after {fault}"
    assert [type(error).__name__ for error in read_errors] == ["libvirtError"]
    assert [type(error) for error in call_errors] == [HostProblem]
    assert not hypervisor.alive
    hypervisor.close()


@pytest.mark.nightly
def test_a_guest_that_answers_no_more_costs_itself_and_not_the_connection(machine, tmp_path):
    hypervisor = Hypervisor(machine.uri, tmp_path / "libvirt.log")
    hypervisor.version()
    domain = hypervisor.create(STOPPED_GUEST, paused=True)
    for pid in machine.emulators():
        os.kill(pid, signal.SIGSTOP)
    start = time.monotonic()
    with pytest.raises(CallOverdue, match="going on: libvirt did not answer in 3 s, and QEMU was"):
        hypervisor.call(GuestLost, "going on", domain.resume, "silent", seconds=3.0)
    assert time.monotonic() - start < 60
    assert hypervisor.alive
    until(lambda: not hypervisor.domain_names(), 30, "the end of the domain")
    assert not machine.emulators()
    hypervisor.close()
