# SPDX-License-Identifier: Apache-2.0
"""Several workers, by pytest-xdist: how many, who gets which tests, what they tell the controller.

Each worker is a process with a farm of its own; what is fetched or built they share through the
cache's locks. The controller boots nothing: it has the workers' reports.

PYTEST_DONT_REWRITE: it has no assertions, and is imported before pytest could rewrite them.
"""

from __future__ import annotations

from collections.abc import Generator
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from hotremove import cgroups
from hotremove.errors import HotremoveError
from hotremove.plugin.debugging import KEPT, kept_guests
from hotremove.plugin.options import SEED, option, run_seed, setting
from hotremove.plugin.parametrize import kernel_of, wants_guest
from hotremove.plugin.run import FREE, WORKERS, farm_of, is_about_guests, worker_id
from hotremove.plugin.selection import names_one_test
from hotremove.session import capacity

_PROBLEM = "hotremove_problem"
_KEPT = "hotremove_kept"
_FREE: pytest.StashKey[int] = pytest.StashKey()


def _output(config: pytest.Config) -> dict[str, Any]:
    """What xdist hands to the controller at a worker's end."""
    output: dict[str, Any] = config.workeroutput  # type: ignore[attr-defined]
    return output


@pytest.hookimpl(wrapper=True)
def pytest_cmdline_main(config: pytest.Config) -> Generator[None, object, object]:
    """Let each worker begin with a run of tests that follow each other, unless --dist is given.

    Only where it is known that the run boots guests: how others share their tests out is theirs.
    Tests are collected kernel by kernel, so that a worker stays with a kernel and its saved guest;
    one that is done early takes over from the slowest.
    """
    words = config.option
    if getattr(words, "numprocesses", None) and words.dist == "no" and is_about_guests(config):
        words.dist = "worksteal"
    return (yield)


@pytest.hookimpl(optionalhook=True, tryfirst=True)  # before xdist's own
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """The workers of `-n auto`: one a slot of the hosts; here, three for two cores."""
    try:
        return _slots(config) or (_that_fit(config) if is_about_guests(config) else None)
    except HotremoveError as error:
        raise pytest.UsageError(str(error)) from error


def _slots(config: pytest.Config) -> int:
    """How many guests the hosts take at once; 0 where there are none."""
    file = setting(config, "hosts")
    if not file:
        return 0
    from hotremove.remote.hosts import labelled, read_hosts

    hosts = labelled(read_hosts(Path(file)), option(config, "farm_label"))
    return sum(host.slots for host in hosts)


def _that_fit(config: pytest.Config) -> int:
    """How many this machine takes at once; none but pytest where one guest is enough.

    A worker takes as long to start as a test of the suite; the variants of a test are few.
    """
    if option(config, "gdb") is not None or option(config, "device") or names_one_test(config):
        return 0
    portion = capacity.portion_mib(setting(config, "topology"))
    return capacity.workers_that_fit(cgroups.cores(), cgroups.free_mib(), portion)


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """In a worker, keep what is wrong with the input for the controller to tell."""
    try:
        return (yield)
    except pytest.UsageError as problem:
        if worker_id(session.config):
            _output(session.config)[_PROBLEM] = "\n".join(map(str, problem.args))
        raise


@pytest.hookimpl(trylast=True)  # after pytest has put the tests of a kernel together
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In a worker, put each kernel's largest guests first, as they take longest.

    Else one worker is left alone with them at the end. Tests that share what was measured come
    together by that: a worker measures for itself.
    """
    if worker_id(config) and any(map(wants_guest, items)):
        usual = farm_of(config).options.topology
        of_kernels = groupby(items, kernel_of)
        items[:] = [i for _, them in of_kernels for i in sorted(them, key=partial(_size, usual))]


def _size(usual: str, item: pytest.Item) -> int:
    """Minus the boot memory of a test's guests; 0 for a topology that nobody knows."""
    from hotremove.virt.topology import load_topology

    try:
        return -load_topology(_topology(usual, item)).boot_mib
    except HotremoveError:
        return 0


def _topology(usual: str, item: pytest.Item) -> str:
    """What a test's guests look like, by name or path."""
    from hotremove.pincost.measure import TOPOLOGY

    if marker := item.get_closest_marker("topology"):
        return str(marker.args[0])
    return TOPOLOGY if "pin_cost" in getattr(item, "fixturenames", ()) else usual


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """In a worker, tell the controller how to reach the guests that live on."""
    config = session.config
    if worker_id(config):
        _output(config)[_KEPT] = kept_guests(config)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """On the controller, give a worker the run's seed, and say what memory all may take."""
    config = node.config
    node.workerinput[SEED] = run_seed(config)
    node.workerinput[FREE] = config.stash.setdefault(_FREE, cgroups.free_mib())
    node.workerinput[WORKERS] = len(config.option.tx)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """On the controller, take in what a worker leaves; end the run if its input was wrong."""
    told: dict[str, Any] = getattr(node, "workeroutput", {})
    node.config.stash[KEPT].extend(told.get(_KEPT, ()))
    if _PROBLEM in told:
        raise pytest.UsageError(told[_PROBLEM])
