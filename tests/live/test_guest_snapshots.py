# SPDX-License-Identifier: Apache-2.0
"""Saved and restored guests: as good as booted ones, whatever became of the saved file."""

import json
import os
import signal
import threading
import time
from pathlib import Path

import pytest
from run_harness import WORKS, until

from hotremove.errors import GuestLost, HostProblem
from hotremove.guest import snapshot
from hotremove.guest.snapshot import Snapshot, checksum, node_files
from hotremove.virt.domain import Channels
from hotremove.virt.embedded import FEATURE_BY_FEATURE, can_do

pytestmark = pytest.mark.live

MIB = 1 << 20
# States of the memory blocks from 4 GiB on, where DIMMs are.
_STATES = "cat /sys/devices/system/memory/memory3?/state 2>/dev/null; true"


@pytest.fixture
def plan(farm, kernel, topology):
    return farm.plan(kernel, topology)


def test_a_restored_guest_has_the_present_time(guest):
    assert guest.origin == "restored"
    asked = time.time()
    told = float(guest.control.check("date +%s"))
    assert asked - 2 < told < time.time() + 2


def test_vcpus_of_a_guest_that_is_silent_get_cores_of_their_own(guest):
    cores, vcpus = os.sched_getaffinity(0), guest.process.vcpus()
    if len(cores) < len(vcpus):
        pytest.skip("there are fewer cores than vCPUs here")
    assert len(vcpus) == guest.plan.topology.cpus == 2
    assert {os.sched_getscheduler(vcpu) for vcpu in vcpus} == {os.SCHED_BATCH}
    assert [os.sched_getaffinity(vcpu) for vcpu in vcpus] == [cores, cores]
    guest.control.run("sleep 3")
    assert {os.sched_getscheduler(vcpu) for vcpu in vcpus} == {os.SCHED_OTHER}
    first, second = (os.sched_getaffinity(vcpu) for vcpu in vcpus)
    assert not first & second
    assert first | second == cores


def test_libvirt_does_not_ask_for_each_feature_of_the_cpu(farm, plan):
    """Some hundred requests less, half of the time of a restore; the CPU stays the same."""
    with farm.guest_source.lend(plan) as guest:
        assert guest.origin == "restored"
        assert can_do(farm.guest_source._root, FEATURE_BY_FEATURE)
        assert f"<qemu:del capability='{FEATURE_BY_FEATURE}'/>" in guest.xml()
        assert "<feature policy='require' name='pdpe1gb'/>" in guest.xml()


def test_restored_guests_differ_in_their_random_bytes(farm, plan):
    seen = set()
    for _ in range(2):
        with farm.guest_source.lend(plan) as guest:
            assert guest.origin == "restored"
            drawn = guest.control.check("head -c 32 /dev/urandom | sha256sum")
            uuid = guest.control.read("/proc/sys/kernel/random/uuid")
            seen |= {drawn, uuid}
    assert len(seen) == 4


def test_a_restored_guests_console_and_evidence_are_its_own(farm, plan):
    for text in ("first", "second"):
        with farm.guest_source.lend(plan) as guest:
            guest.control.write("/dev/kmsg", f"<2>said by the {text}\n")
            assert f"said by the {text}" in guest.dmesg()
            assert f"said by the {text}" in guest.console.text()
            other = "second" if text == "first" else "first"
            assert f"said by the {other}" not in guest.console.text() + guest.evidence.text()


def test_a_restored_guest_takes_and_gives_memory(guest):
    guest.plug_dimm("ua-dimm0", 128, 1)
    until(lambda: "online" in guest.control.check(_STATES), 60, "an online DIMM")
    guest.request_removal("ua-dimm0")
    event = guest.wait_for_removal("ua-dimm0", 60)
    assert event.kind == "removed"


def test_what_one_guest_was_asked_is_not_answered_to_the_next(farm, plan):
    """An answer that came after its guest was given up must not pass for the next one's."""
    with farm.guest_source.lend(plan) as first:
        first.plug_dimm("ua-dimm0", 128, 1)
        until(lambda: "online" in first.control.check(_STATES), 60, "an online DIMM")
        first.request_removal("ua-dimm0")
        until(lambda: farm.guest_source.hypervisor._events, 60, "an answer nobody waits for")
    with farm.guest_source.lend(plan) as second:
        second.plug_dimm("ua-dimm0", 128, 1)
        assert second.wait_for_removal("ua-dimm0", 0.5) is None


def test_a_restored_guest_has_its_memory_from_the_saved_file_and_copies_what_it_writes(farm, plan):
    """Its own are the pages that it wrote to, and what it writes is seen by nobody else."""
    guests = farm.guest_source
    with guests.lend(plan) as guest:
        (file,) = guests._snapshot(plan).memory.values()
        assert str(file) in Path(f"/proc/{guest.process.pid}/maps").read_text()
        assert private_mib(guest.process.pid) < 80
        before = checksum(file)
        guest.control.check("dd if=/dev/urandom of=/run/noise bs=1M count=64", 60)
        assert private_mib(guest.process.pid) > 64
        assert checksum(file) == before
    with guests.lend(plan) as guest, pytest.raises(FileNotFoundError):
        guest.control.read("/run/noise")


def private_mib(pid):
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("Private_Dirty:")).split()[1]) >> 10


def too_small(_hypervisor, monkeypatch, _folder):
    """Files that QEMU does not map, as on a file system of a network."""

    def make(topology, target):
        for file in node_files(topology, target).values():
            file.write_bytes(bytes(MIB))

    monkeypatch.setattr(snapshot, "make_node_files", make)


def elsewhere(hypervisor, monkeypatch, folder):
    """A libvirt that looks for them at another place than is known here."""
    monkeypatch.setattr(hypervisor._node_files, "_folder", folder)


@pytest.mark.parametrize("hinder", [too_small, elsewhere])
def test_memory_that_cannot_be_mapped_is_saved_with_the_rest(
    farm, plan, tmp_path, monkeypatch, hinder
):
    guests = farm.guest_source
    hinder(guests.hypervisor, monkeypatch, tmp_path / "elsewhere")
    target = tmp_path / "entry"
    target.mkdir()
    guests._save(plan, target)
    saved = Snapshot(target)
    saved.verify()
    assert saved.memory == {}
    assert not list(target.glob("memory-*"))
    guest = guests._restore(plan, saved)
    try:
        assert guest.control.check("echo fine") == "fine\n"
        assert "memory-backend-file" not in Path(f"/proc/{guest.process.pid}/cmdline").read_text()
    finally:
        guests.release(guest)


def test_one_that_is_made_again_meanwhile_is_not_mixed_with_what_was_there(farm, plan):
    """Memory of the one and state of the other would be a guest that crashes."""
    guests = farm.guest_source
    saved = guests._snapshot(plan)
    names = guests._new_names()
    with pytest.raises(GuestLost, match="made again while it was restored"):
        guests.hypervisor.restore_state(
            names[0],
            saved.state,
            guests._sooner_there(saved.xml(*names)),
            saved.memory,
            is_same=lambda: False,
        )
    assert names[0] not in guests.hypervisor.domain_names()


def test_a_start_that_failed_does_not_have_the_next_guest_map_anothers_memory(farm, plan):
    """libvirt numbers domains, failed ones too, and looks for their memory by the number."""
    guests = farm.guest_source
    for bad in ("<domain type='qemu'/>", refused(plan, guests)):
        with pytest.raises(HostProblem):
            guests.hypervisor.create(bad)
        with guests.lend(plan) as guest:
            assert guest.origin == "restored"
    folder = guests._root / "lib/qemu/ram"
    guests.pool.finish_destroys()
    until(lambda: not list(folder.iterdir()), 10, "no links")


def refused(plan, guests):
    """A domain that libvirt takes and QEMU does not."""
    xml = plan.xml("refused", Channels(guests.pool.directory.guest("refused")))
    word = "<qemu:arg value='-no-such-word'/>"
    return xml.replace(
        "</domain>",
        "<qemu:commandline xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>"
        f"{word}</qemu:commandline></domain>",
    )


def test_output_of_megabytes_while_the_kernel_prints(guest):
    noise = guest.control.start("while :; do echo noise >/dev/kmsg; done")
    done = guest.control.run("head -c 10485760 /dev/zero | tr '\\0' '\\377'; exit 3", 120)
    guest.control.kill(noise, signal.SIGKILL)
    assert done.status == 3
    assert done.stdout == b"\xff" * (10 * MIB)


def test_two_guests_of_one_plan_at_once(farm, plan):
    with farm.guest_source.lend(plan) as first:
        second = farm.guest_source.fresh(plan)
        try:
            assert (first.origin, second.origin) == ("restored", "restored")
            first.control.write("/run/mine", "1")
            with pytest.raises(FileNotFoundError):
                second.control.read("/run/mine")
        finally:
            farm.guest_source.release(second)
    assert not farm.guest_source.guests


def test_many_guests_leave_neither_descriptors_nor_threads(farm, plan):
    def held():
        return len(list(Path("/proc/self/fd").iterdir())), threading.active_count()

    def use():
        with farm.guest_source.lend(plan) as guest:
            assert guest.origin == "restored"
        farm.guest_source.pool.finish_destroys()

    for _ in range(2):
        use()
    descriptors, threads = held()
    for _ in range(8):
        use()
    now = held()
    # A thread of before may end meanwhile; eight guests that left one each would show.
    assert now[0] <= descriptors
    assert now[1] <= threads


def flip(image: Path) -> None:
    """Change a few bytes in the middle, which QEMU does not notice."""
    with image.open("r+b") as file:
        file.seek(image.stat().st_size // 2)
        file.seek(os.lseek(file.fileno(), file.tell(), os.SEEK_DATA))
        piece = file.read(64)
        file.seek(-len(piece), os.SEEK_CUR)
        file.write(bytes(byte ^ 0xFF for byte in piece))


def truncate(image: Path) -> None:
    os.truncate(image, image.stat().st_size // 2)


def empty_record(image: Path) -> None:
    (image.parent / "snapshot.json").write_text("")


def sign(image: Path) -> None:
    """Make the checksum right."""
    record = json.loads((image.parent / "snapshot.json").read_text())
    record["crc32"][image.name] = checksum(image)
    (image.parent / "snapshot.json").write_text(json.dumps(record))


@pytest.mark.takes(45)
def test_a_damaged_snapshot_is_made_again_and_costs_no_verdict(laboratory):
    """One boot for each kind of damage: whatever it is, the run is green."""
    cache = laboratory.private_cache()
    assert laboratory.run(WORKS).results["test_works"].verdict == "pass"
    for name in ("state", "memory-0"):
        for damage in (flip, truncate, Path.unlink, empty_record):
            (image,) = cache.glob(f"snapshots/*/{name}")
            damage(image)
            run = laboratory.run(WORKS)
            assert run.results["test_works"].verdict == "pass", (name, damage, run.text)
            assert run.text.count("once, to be restored") == 1, (name, damage, run.text)
    again = laboratory.run(WORKS)
    assert "once, to be restored" not in again.text
    laboratory.expect_nothing_left()


def no_state(image: Path) -> None:
    image.write_bytes(b"no state" * 1000)


@pytest.mark.takes(40)
@pytest.mark.parametrize(
    ("name", "damage"), [("state", truncate), ("state", no_state), ("memory-0", truncate)]
)
def test_a_snapshot_from_which_no_guest_comes_up_is_made_again_once_a_boot_works(
    laboratory, name, damage
):
    """Its checksums are right, so that only trying can tell."""
    cache = laboratory.private_cache()
    laboratory.run(WORKS)
    (image,) = cache.glob(f"snapshots/*/{name}")
    damage(image)
    sign(image)
    run = laboratory.run(WORKS)
    assert run.results["test_works"].verdict == "pass", run.text
    assert "a saved guest is made again, as it does not come up: " in run.text
    assert not image.exists()
    assert "once, to be restored" in laboratory.run(WORKS).text
    laboratory.expect_nothing_left()


def test_an_emulator_that_dies_while_it_restores_costs_neither_verdict_nor_snapshot(laboratory):
    cache = laboratory.private_cache()
    laboratory.run(WORKS)
    (image,) = cache.glob("snapshots/*/state")
    saved = image.stat().st_ino
    run = laboratory.start(WORKS)
    until(lambda: laboratory.emulators, 60, "a guest that is restored")
    for pid in laboratory.emulators:
        os.kill(pid, signal.SIGKILL)
    assert run.wait() == 0, run.text
    assert run.results["test_works"].verdict == "pass"
    assert image.stat().st_ino == saved, "others may be restoring from it"
    assert "once, to be restored" not in run.text
    laboratory.expect_nothing_left()
