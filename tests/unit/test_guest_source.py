# SPDX-License-Identifier: Apache-2.0
"""Guests of this machine and of others stand behind one protocol, side by side."""

import ast
import inspect
from pathlib import Path

import pytest

import hotremove
from hotremove.cache import Cache
from hotremove.guest.local import LocalGuests
from hotremove.guest.source import GuestSource
from hotremove.remote.hosts import Host
from hotremove.remote.remote_guests import RemoteGuests
from hotremove.remote.slots import SlotAllocator
from hotremove.session.allocator import LocalAllocator, make_allocator
from hotremove.session.options import Options

PACKAGE = Path(hotremove.__file__).parent
MEMBERS = [name for name in vars(GuestSource) if not name.startswith("_") and name != "hypervisor"]


def parameters(function) -> list[str]:
    """Names without the underscore of those that are not used."""
    return [name.lstrip("_") for name in inspect.signature(function).parameters]


@pytest.mark.parametrize("kind", [LocalGuests, RemoteGuests])
@pytest.mark.parametrize("name", MEMBERS)
def test_a_source_can_be_asked_all_of_it(kind, name):
    wanted, found = vars(GuestSource)[name], vars(kind)[name]
    assert type(found) is type(wanted)
    if inspect.isfunction(wanted):
        asked = parameters(wanted)
        assert parameters(found)[: len(asked)] == asked


def test_neither_is_made_of_the_other():
    assert RemoteGuests.__mro__ == (RemoteGuests, object)
    assert LocalGuests.__mro__ == (LocalGuests, object)


def test_nobody_asks_which_one_it_is():
    asked = [
        f"{file.relative_to(PACKAGE)}:{node.lineno}"
        for file in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "isinstance"
        and {"LocalGuests", "RemoteGuests"}
        & {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
    ]
    assert asked == []


@pytest.mark.parametrize(
    ("hosts", "kind"),
    [((), LocalAllocator), ((Host("anna", "test:///default"),), SlotAllocator)],
)
def test_the_options_say_where_guests_run_and_nothing_is_opened_yet(tmp_path, hosts, kind):
    options = Options(("host",), "movable-node", "auto", None, None, 30, False, hosts=hosts)
    made = make_allocator(options, Cache(tmp_path), "gw0")
    assert type(made) is kind
    assert made.source is None
    assert made.leave_lost_host() is None


def test_this_machine_is_connected_to_once():
    opened = []

    def connect() -> str:
        opened.append("libvirt")
        return "guests"

    made = LocalAllocator(connect)
    assert (made.try_to_allocate(), made.allocate(), made.source) == ("guests",) * 3
    assert opened == ["libvirt"]
