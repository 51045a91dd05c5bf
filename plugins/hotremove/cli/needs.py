# SPDX-License-Identifier: Apache-2.0
"""The scenarios there are, and what each needs of a kernel.

What a scenario needs is read off its fixtures, as pytest collects them.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import entry_points

import pytest

import hotremove.plugin
from hotremove.errors import HostProblem
from hotremove.kernels import capabilities
from hotremove.kernels.capabilities import Capability
from hotremove.kernels.kernel import Kernel
from hotremove.memory.kinds import KINDS
from hotremove.pins.registry import known_capabilities, pin_paths
from hotremove.plugin.parametrize import memory_of, pins_of, scenario_id_of, wants_guest
from hotremove.resources import source_folder
from hotremove.verdict.scenario_id import ScenarioId

# What a test needs that has the fixture, as capabilities.CAPABILITIES calls it; a pin path tells
# itself.
_FIXTURES = {
    "guest": ("boot",),
    "movable_dimm": ("sysfs offline", "DIMM plug and eject"),
    "three_dimms": ("sysfs offline", "DIMM plug and eject"),
    "movable_memory": ("sysfs offline",),
    "auto_movable_memory": ("sysfs offline",),
    "normal_memory": ("sysfs offline",),
    "virtio_mem": ("virtio-mem",),
    "dax_kmem": ("dax/kmem", "sysfs offline"),
    "cxl_memory": ("CXL memory", "sysfs offline"),
    "boot_node": ("sysfs offline", "movable boot memory"),
    "notifier_veto": ("notifier failures",),
    "huge_pages": ("hugetlb pins",),
    "gigantic_pages": ("hugetlb pins",),
    "ext4": ("ext4 files",),
    "movable_ext4": ("ext4 files",),
    "ext4_with_extents": ("ext4 files",),
    "swap": ("swap on a loop device",),
    "zram_swap": ("swap on zram",),
    "ksm": ("merged pages",),
    "poison": ("poisoned pages",),
    "cgroup": ("memory cgroups",),
    "write_protection": ("write-protected memory",),
    "secret_memory": ("secret memory",),
    "large_folios": ("pins of huge pages",),
    "device_memory": ("memory of devices",),
    "contiguous_area": ("contiguous memory",),
    "short_io": ("ext4 files",),
    "trace_events": ("trace events",),
}
# What rows need that no fixture of theirs says.
_ROWS = {14: ("pins of huge pages",), 41: ("pins of huge pages",)}
_SELFTESTS = "selftests"
_MODULES = capabilities.find("modules of the farm")
_WANTED = "hotremove or wide"


@dataclass(frozen=True)
class Need:
    """A scenario, by one of its pin paths where it has several, and the capabilities it needs.

    With `source` it needs a kernel that was compiled here, too: whose own tests there are.
    """

    scenario: ScenarioId
    pins: str
    capabilities: tuple[Capability, ...]
    source: bool = False

    @property
    def title(self) -> str:
        """As the table of results calls it."""
        return f"{self.scenario} [{self.pins}]" if self.pins else str(self.scenario)

    def lacking(self, kernel: Kernel, obstacle: str | None = None) -> tuple[str, ...]:
        """Why a kernel cannot run it; empty when it can, as far as its configuration tells.

        `obstacle` is why modules cannot be built for it.
        """
        options = (name for c in self.capabilities for name in capabilities.missing(kernel, c))
        reasons = [f"CONFIG_{name}" for name in options]
        if _MODULES in self.capabilities and obstacle:
            reasons.append(f"modules: {obstacle}")
        if self.source and kernel.source is None:
            reasons.append("its source: it was not built here")
        return tuple(dict.fromkeys(reasons))


def needs(kernel: Kernel) -> tuple[Need, ...]:
    """What each scenario of the suite needs, by number.

    Raises:
        HostProblem: the suite cannot be collected.
    """
    collector = _Collector()
    plugins: list[object] = [collector]
    if not any(entry.name == "hotremove" for entry in entry_points(group="pytest11")):
        plugins.append(hotremove.plugin)
    folder = str(source_folder("scenarios"))
    words = ["--collect-only", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", folder]
    words += ["-m", _WANTED, f"--hotremove-kernel={kernel.spec}"]
    with contextlib.redirect_stdout(io.StringIO()) as said:
        ended = pytest.main([*words, folder], plugins)
    if ended != pytest.ExitCode.OK:
        last = (said.getvalue().strip().splitlines() or ["no reason given"])[-1]
        raise HostProblem(f"the scenarios in {folder} cannot be collected: {last}")
    return tuple(
        dict.fromkeys(sorted(map(_need, collector.items), key=lambda n: n.scenario.number))
    )


class _Collector:
    """Keeps what pytest collects."""

    def __init__(self) -> None:
        self.items: list[pytest.Function] = []

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        found = filter(wants_guest, session.items)
        self.items = [item for item in found if isinstance(item, pytest.Function)]


def _need(item: pytest.Function) -> Need:
    scenario = scenario_id_of(item)
    pins = pins_of(item)
    words = [*item.fixturenames, pins, memory_of(item)]
    return Need(scenario, pins, _capabilities(words, scenario), _SELFTESTS in words)


def _capabilities(fixtures: Iterable[str], scenario: ScenarioId) -> tuple[Capability, ...]:
    """In the order of the table of capabilities, those of other packages last."""
    found: set[Capability] = set(map(capabilities.find, _ROWS.get(scenario.number, ())))
    for fixture in fixtures:
        found.update(map(capabilities.find, _FIXTURES.get(fixture, ())))
        if fixture in KINDS:
            found.add(capabilities.find(KINDS[fixture].capability))
        if fixture in pin_paths():
            found.update(pin_paths()[fixture].capabilities)
    return tuple(c for c in known_capabilities() if c in found)
