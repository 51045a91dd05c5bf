# SPDX-License-Identifier: Apache-2.0
"""What the checks of the farm's modules share."""

import contextlib

import pytest

from hotremove.errors import Blocked
from hotremove.pins.kmod import load_module

ORACLE = "/sys/kernel/debug/pin_oracle"
PARAMETERS = "/sys/module/fault/parameters"


@pytest.fixture
def load(guest, farm, kernel):
    """Load modules by name."""
    modules = farm.kmods(kernel)

    def load(*names):
        guest.control.run("modprobe -q mdev")  # where devices are mediated, pin_vfio needs it
        for name in names:
            load_module(guest, modules.find(name))

    return load


@pytest.fixture
def oracle(guest, load):
    """Count the pages that may be pinned for DMA, in `movable` or all (`pinned`) zones."""
    load("pin_oracle")

    def pages(where="pinned"):
        lines = guest.control.read(f"{ORACLE}/{where}").splitlines()
        return sum(int(folios) << int(order) for _, folios, order, *_ in map(str.split, lines))

    return pages


@pytest.fixture
def fixed(guest):
    """Whether long-term pins are migrated: the event knows of a reason for it."""
    path = "/sys/kernel/tracing/events/migrate/mm_migrate_pages/format"
    return "longterm_pin" in guest.control.read(path)


@pytest.fixture
def broken(guest, farm, kernel):
    """Break the kernel for the length of a `with`, whose value tells how often that mattered."""
    module = farm.kmods(kernel).find("fault")

    @contextlib.contextmanager
    def put_in_force(fault):
        load_module(guest, module, f"name={fault}")
        assert guest.control.read(f"{PARAMETERS}/active").strip() == fault
        yield lambda: int(guest.control.read(f"{PARAMETERS}/hits"))
        guest.control.check("rmmod fault")

    return put_in_force


@pytest.fixture
def allowed(guest, broken):
    """The names of the faults that the module can put in force on this kernel."""
    with broken(""):
        return tuple(guest.control.read(f"{PARAMETERS}/names").strip().split(","))


@pytest.fixture
def can_break(guest, farm, kernel, allowed):
    """Whether the kernel allows a fault; the module has to refuse one that it does not."""

    def asked(fault):
        if fault in allowed:
            return True
        with pytest.raises(Blocked, match=f"nothing to probe for {fault}, this kernel allows"):
            load_module(guest, farm.kmods(kernel).find("fault"), f"name={fault}")
        return False

    return asked
