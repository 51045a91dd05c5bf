# SPDX-License-Identifier: Apache-2.0
"""hosts.toml, leases of its slots, and the XML of guests on other machines."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from lxml import etree

from hotremove.cache import Cache
from hotremove.errors import UsageProblem
from hotremove.remote import reclaim, remote_xml
from hotremove.remote.hosts import Host, labelled, read_hosts
from hotremove.remote.lease import Slot, holder_of, slots_of, try_lease
from hotremove.remote.storage import volume_xml
from hotremove.virt.domain import Boot, Channels, domain_xml
from hotremove.virt.topology import load_topology

ANNA = Host("anna", "qemu+tls://anna.example.org/system", 2)
BERTA = Host("berta", "qemu+ssh://root@berta.example.org/system", 1)


def test_a_file_is_read(tmp_path):
    file = tmp_path / "hosts.toml"
    file.write_text(
        'pool = "fast"\n[[host]]\nname = "anna"\nuri = "qemu+tls://anna/system?pkipath=/etc/pki"\n'
        'slots = 4\nlabels = ["big"]\ncapabilities = ["kvm"]\n'
        '[[host]]\nname = "here"\nuri = "qemu:///session"\npool = "own"\n'
    )
    anna, here = read_hosts(file)
    assert (anna.slots, anna.labels, anna.capabilities) == (4, {"big"}, {"kvm"})
    assert (anna.pool, here.pool, here.slots) == ("fast", "own", 1)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "names no host"),
        ("host = 3", "host: expected `array`, got `int`"),
        ("host = [3]", "host 1: expected `object`, got `int`"),
        ("[[host]\n", "hosts.toml is not TOML: Expected"),
        ("[[host]]\nname = 'a'", "host 'a': `uri` is missing"),
        ("[[host]]\nuri = 'qemu:///system'", "host 1: `name` is missing"),
        ("[[host]]\nname = 'a b'\nuri = 'qemu:///system'", "a name is up to 32 letters"),
        ("[[host]]\nname = '../a'\nuri = 'qemu:///system'", "a name is up to 32 letters"),
        ("[[host]]\nname = 'a'\nuri = 'xen:///system'", "write qemu+tls://HOST/system"),
        ("[[host]]\nname = 'a'\nuri = 'qemu:///embed'", "write qemu+tls://HOST/system"),
        ("[[host]]\nname = 'a'\nuri = 'qemu:///system'\nslots = 0", "slots = 0: a number from 1"),
        (
            "[[host]]\nname = 'a'\nuri = 'qemu:///system'\nslots = true",
            "host 'a': slots: expected `int`, got `bool`",
        ),
        (
            "[[host]]\nname = 'a'\nuri = 'qemu:///system'\nlabels = 'big'",
            "host 'a': labels: expected `array`, got `str`",
        ),
        ("[[host]]\nname = 'a'\nuri = 'qemu:///system'\nslot = 2", "host 'a': unknown key `slot`"),
        ("[[host]]\nname = 'a'\nuri = 'qemu:///system'\ncapabilities = ['gpu']", "gpu"),
        ("[[host]]\nname = 'a'\nuri = 'qemu:///system'\nlabels = ['']", "a label is empty"),
        ("[[host]]\nname = 'a'\nuri = 'qemu:///system'\nlabels = [3]", "labels 1: expected `str`"),
        ("pool = ''\n[[host]]\nname = 'a'\nuri = 'qemu:///system'", "pool is empty"),
        ("ports = 1\n[[host]]\nname = 'a'\nuri = 'qemu:///system'", "unknown key `ports`"),
        ("[[host]]\nname = 'a'\nuri = 'qemu:///system'\n" * 2, "two hosts have the name 'a'"),
    ],
)
def test_a_file_that_makes_no_sense_is_one_line(tmp_path, text, told):
    file = tmp_path / "hosts.toml"
    file.write_text(text)
    with pytest.raises(UsageProblem) as problem:
        read_hosts(file)
    assert told in str(problem.value)
    assert "\n" not in str(problem.value)
    assert str(problem.value).startswith(str(file))


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(UsageProblem, match="No such file"):
        read_hosts(tmp_path / "none.toml")


def test_labels_choose():
    hosts = [
        Host(name, f"qemu+tcp://{name}/system", labels=frozenset(labels))
        for name, labels in (("a", ["big", "kvm"]), ("b", ["big"]), ("c", []))
    ]
    assert [host.name for host in labelled(hosts, [])] == ["a", "b", "c"]
    assert [host.name for host in labelled(hosts, ["big"])] == ["a", "b"]
    assert [host.name for host in labelled(hosts, ["big", "kvm"])] == ["a"]
    with pytest.raises(UsageProblem, match="no host carries the labels small"):
        labelled(hosts, ["small"])


def test_workers_spread_over_the_hosts():
    names = [f"{slot.host.name}{slot.number}" for slot in slots_of([ANNA, BERTA])]
    assert names == ["anna0", "berta0", "anna1"]


def test_a_slot_is_leased_once(tmp_path):
    cache = Cache(tmp_path)
    slots = list(slots_of([ANNA]))
    first = try_lease(slots, cache, "gw0")
    second = try_lease(slots, cache, "gw1")
    assert [one.slot.number for one in (first, second)] == [0, 1]
    assert try_lease(slots, cache, "gw2") is None
    holder = holder_of(slots[1], cache)
    assert (holder.worker, holder.pid) == ("gw1", os.getpid())
    first.release()
    assert holder_of(slots[0], cache) is None
    assert try_lease(slots, cache, "gw2").slot.number == 0


def test_a_killed_worker_holds_no_slot(tmp_path):
    code = (
        "import sys, time; from pathlib import Path; from hotremove.cache import Cache;"
        "from hotremove.remote.hosts import Host; from hotremove.remote.lease import *;"
        f"slots = slots_of([Host('anna', {ANNA.uri!r}, 1)]);"
        "held = try_lease(slots, Cache(Path(sys.argv[1])), 'w');"
        "print('held', flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout.readline() == "held\n"
        cache, slot = Cache(tmp_path), Slot(ANNA, 0)
        assert holder_of(slot, cache).pid == worker.pid
        assert try_lease([slot], cache, "other") is None
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        assert holder_of(slot, cache) is None
        assert try_lease([slot], cache, "other")


def test_nothing_of_a_remote_guest_is_a_path_of_this_machine():
    boot = Boot(Path("/pool/hotremove-1"), Path("/pool/hotremove-2"), "quiet")
    local = domain_xml(
        "hotremove-slot0",
        load_topology("movable-node"),
        boot,
        Channels(remote_xml.NOWHERE),
        "/q",
        "tcg",
    )
    there = etree.fromstring(remote_xml.remote_domain_xml(local, "mine", Path("/pool/console.log")))
    assert str(remote_xml.NOWHERE) not in etree.tostring(there).decode()
    assert [serial.get("type") for serial in there.iterfind("devices/serial")] == ["pty", "pty"]
    assert [log.get("file") for log in there.iterfind("devices/serial/log")] == [
        "/pool/console.log"
    ]
    assert [channel.get("type") for channel in there.iterfind("devices/channel")] == [
        "unix",
        "unix",
    ]
    assert not there.findall("devices/interface")
    assert remote_xml.title_of(etree.tostring(there).decode()) == "mine"


def test_titles_tell_whose_a_guest_is():
    with subprocess.Popen(["sleep", "60"]) as other:
        others = reclaim.title("lock-a", "gw1", other.pid)
        assert reclaim.is_left(others, "lock-a"), "who holds the lock is told that it is nobody's"
        assert not reclaim.is_left(others, "lock-b")
        other.kill()
    assert reclaim.is_left(others, "lock-b")
    assert not reclaim.is_left("hotremove 0123456789ab lock-a gw0 1 2", "lock-a")
    assert not reclaim.is_left("somebody's own machine", "lock-a")


def test_a_lock_has_a_name_of_its_own(tmp_path):
    slots = [Slot(ANNA, 0), Slot(ANNA, 1)]
    here, there = Cache(tmp_path / "here"), Cache(tmp_path / "there")
    marks = [try_lease([slot], cache, "gw0").mark for slot in slots for cache in (here, there)]
    assert len(set(marks)) == 4
    assert try_lease(slots[:1], Cache(tmp_path / "new"), "gw1").mark not in marks


def test_a_volume_can_be_read_by_any_emulator():
    volume = etree.fromstring(volume_xml("hotremove-x", 4096))
    assert volume.findtext("target/permissions/mode") == "0644"
    assert volume.findtext("capacity") == "4096"
