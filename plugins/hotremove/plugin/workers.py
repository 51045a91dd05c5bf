# SPDX-License-Identifier: Apache-2.0
"""Several workers, by pytest-xdist: how many, who gets which tests, what they tell the controller.

Each worker is a process with a farm of its own; what is fetched or built they share through the
cache's locks. The controller boots nothing: it has the workers' reports.

PYTEST_DONT_REWRITE: it has no assertions, and is imported before pytest could rewrite them.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import suppress
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from hotremove.errors import HotremoveError
from hotremove.plugin.debugging import KEPT, kept_guests
from hotremove.plugin.farm import FARM
from hotremove.plugin.options import setting
from hotremove.plugin.parametrize import kernel_of
from hotremove.plugin.rounds import SEED
from hotremove.remote.hosts import labelled, read_hosts
from hotremove.session import capacity
from hotremove.virt.topology import load_topology

PORTIONS: pytest.StashKey[int] = pytest.StashKey()
"""On the controller's config: how many portions of memory its workers have together."""
_PROBLEM = "hotremove_problem"
_KEPT = "hotremove_kept"
_PORTIONS = "hotremove_portions"


def worker_id(config: pytest.Config) -> str:
    """`gw0` and so on in a worker; empty elsewhere."""
    return str(_input(config).get("workerid", ""))


def run_folder(config: pytest.Config) -> Path | None:
    """In a worker, what it has in common with the run's others on this machine; else None."""
    own = config.option.basetemp
    return Path(own).parent / "hotremove" if own and worker_id(config) else None


def _input(config: pytest.Config) -> dict[str, Any]:
    """What xdist and the controller told a worker; nothing elsewhere."""
    told: dict[str, Any] = getattr(config, "workerinput", {})
    return told


def _output(config: pytest.Config) -> dict[str, Any]:
    """What xdist hands to the controller at a worker's end."""
    output: dict[str, Any] = config.workeroutput  # type: ignore[attr-defined]
    return output


@pytest.hookimpl(wrapper=True)
def pytest_cmdline_main(config: pytest.Config) -> Generator[None, object, object]:
    """Let each worker begin with a run of tests that follow each other, unless --dist is given.

    Tests are collected kernel by kernel, so that a worker stays with a kernel and its saved guest;
    one that is done early takes over from the slowest.
    """
    option = config.option
    if getattr(option, "numprocesses", None) and option.dist == "no":
        option.dist = "worksteal"
    return (yield)


@pytest.hookimpl(optionalhook=True, tryfirst=True)  # before xdist's own
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """The workers of `-n auto`: one a slot of the hosts; here, those with a core and memory."""
    try:
        return _slots(config) or (_that_fit(config) if _is_about_guests(config) else None)
    except HotremoveError as error:
        raise pytest.UsageError(str(error)) from error


def _slots(config: pytest.Config) -> int:
    """How many guests the hosts take at once; 0 where there are none."""
    file = setting(config, "hosts")
    if not file:
        return 0
    hosts = labelled(read_hosts(Path(file)), config.getoption("farm_label"))
    return sum(host.slots for host in hosts)


def _that_fit(config: pytest.Config) -> int:
    """How many this machine takes at once; none but pytest where one guest has what is given."""
    if config.getoption("gdb") is not None or config.getoption("device"):
        return 0
    portion = capacity.portion_mib(setting(config, "topology"))
    return capacity.workers_that_fit(capacity.cores(), capacity.free_mib(), portion)


def _is_about_guests(config: pytest.Config) -> bool:
    """Whether the command says so, before anything is collected."""
    named = "hotremove" in (config.option.markexpr or "") or config.getoption("kernel")
    return bool(named) or any("scenarios" in str(argument) for argument in config.args)


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

    Else one worker is left alone with them at the end.
    """
    if worker_id(config):
        usual = config.stash[FARM].options.topology
        of_kernels = groupby(items, kernel_of)
        items[:] = [i for _, them in of_kernels for i in sorted(them, key=partial(_size, usual))]


def _size(usual: str, item: pytest.Item) -> int:
    """Minus the boot memory of a test's guests; 0 for a topology that nobody knows."""
    marker = item.get_closest_marker("topology")
    try:
        return -load_topology(marker.args[0] if marker else usual).boot_mib
    except HotremoveError:
        return 0


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """In a worker, tell the controller how to reach the guests that live on."""
    config = session.config
    if worker_id(config):
        _output(config)[_KEPT] = kept_guests(config)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """On the controller, give a worker the run's seed, and the memory that all may take."""
    node.workerinput[SEED] = node.config.stash[FARM].options.seed
    node.workerinput[_PORTIONS] = _portions(node.config)


def _portions(config: pytest.Config) -> int:
    """How many workers' guests find memory; at least as many as there are workers."""
    if PORTIONS not in config.stash:
        with suppress(HotremoveError):  # a topology that nobody knows: the workers will say so
            fit = capacity.free_mib() // capacity.portion_mib(setting(config, "topology"))
            config.stash[PORTIONS] = max(len(config.option.tx), fit)
    return config.stash.get(PORTIONS, 0)


def portions_of(config: pytest.Config) -> int:
    """In a worker, the portions of memory that the workers of the run may take together; else 0."""
    return int(_input(config).get(_PORTIONS, 0))


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """On the controller, take in what a worker leaves; end the run if its input was wrong."""
    told: dict[str, Any] = getattr(node, "workeroutput", {})
    node.config.stash[KEPT].extend(told.get(_KEPT, ()))
    if _PROBLEM in told:
        raise pytest.UsageError(told[_PROBLEM])
