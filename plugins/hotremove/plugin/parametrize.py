# SPDX-License-Identifier: Apache-2.0
"""What a scenario is run over: each kernel, each of its pin paths."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hotremove.errors import HotremoveError, UsageProblem, Waived
from hotremove.plugin.fixtures.dimensions import MEMORY, SCENARIO_ID
from hotremove.plugin.pytest_private import fixtures_needed
from hotremove.plugin.run import farm_of
from hotremove.plugin.without import fixtures_by_word

if TYPE_CHECKING:
    from hotremove.kernels.kernel import Candidate
    from hotremove.verdict.scenario_id import ScenarioId

# The fixtures that carry what a test is run over: no other plugin or project has these names.
KERNEL, FAULT, PINNER = "_hotremove_kernel", "_hotremove_fault", "_hotremove_pinner"

PROBLEM: pytest.StashKey[HotremoveError] = pytest.StashKey()
"""On the config: what went wrong while collecting, to be told when pytest can end the run."""


def wants_guest(item: pytest.Item) -> bool:
    """Whether a test runs on a kernel under test."""
    return KERNEL in getattr(item, "fixturenames", ())


def wants_modules(item: pytest.Item) -> bool:
    """Whether a test runs on a kernel under test and may load a module of the farm there."""
    return wants_guest(item) and (bool(fault_of(item)) or _needs(item, "modules"))


def _needs(item: pytest.Item, word: str) -> bool:
    """Whether a test needs a capability, as the option calls it."""
    fixtures = {*getattr(item, "fixturenames", ()), pins_of(item), memory_of(item)}
    return bool(fixtures & fixtures_by_word()[word])


def kernel_of(item: pytest.Item) -> Candidate | None:
    """The kernel under test that a test runs on, fetched or not."""
    kernel: Candidate | None = _parameter(item, KERNEL, None)
    return kernel


def fault_of(item: pytest.Item) -> str:
    """The fault that a test's kernel has, or empty."""
    return str(_parameter(item, FAULT, ""))


def pins_of(item: pytest.Item) -> str:
    """The pin path that a test is run over, or empty."""
    return str(_parameter(item, PINNER, ""))


def memory_of(item: pytest.Item) -> str:
    """How the removable memory of a test comes; empty of one that does not say `movable_memory`."""
    kernel = kernel_of(item)
    if kernel is None or MEMORY not in getattr(item, "fixturenames", ()):
        return ""
    from hotremove.memory.kinds import choose_kind

    return choose_kind(_parameter(item, MEMORY, ""), kernel).name


def unusual_memory_of(item: pytest.Item) -> str:
    """The same where it is not how memory comes by default for the test's kernel, else empty."""
    memory, kernel = memory_of(item), kernel_of(item)
    if not memory or kernel is None:
        return ""
    from hotremove.memory.kinds import default_kind

    return "" if memory == default_kind(kernel).name else memory


def _parameter(item: pytest.Item, name: str, default: Any) -> Any:
    callspec = getattr(item, "callspec", None)
    return callspec.params.get(name, default) if callspec else default


def parametrize(metafunc: pytest.Metafunc) -> None:
    """Give a test its dimensions.

    A kernel that is not to be had, or a marker's wrong argument, is kept for the end of collection.
    """
    if not {KERNEL, FAULT, PINNER, MEMORY} & {*metafunc.fixturenames}:
        return
    needed = fixtures_needed(metafunc)
    config = metafunc.config
    kernels: tuple[Candidate, ...] = ()
    try:
        if KERNEL in needed:
            kernels = () if PROBLEM in config.stash else farm_of(config).kernels
            ids = [kernel_id(kernel, kernels) for kernel in kernels]
            metafunc.parametrize(KERNEL, kernels, ids=ids, indirect=True, scope="session")
        if PINNER in needed:
            metafunc.parametrize(PINNER, _pin_paths(metafunc.definition), indirect=True)
        if MEMORY in needed:
            memory = _memory(farm_of(config).options.memory, kernels)
            words = [one or pytest.HIDDEN_PARAM for one in memory]
            metafunc.parametrize(MEMORY, memory, ids=words, indirect=True)
        if FAULT in needed:
            faults = _faults(metafunc.definition)
            names = [fault or pytest.HIDDEN_PARAM for fault in faults]
            metafunc.parametrize(FAULT, faults, ids=names, indirect=True)
    except HotremoveError as error:
        config.stash[PROBLEM] = error
        if KERNEL in needed:
            metafunc.parametrize(KERNEL, (), indirect=True, scope="session")


def _memory(asked: Sequence[str], kernels: Iterable[Candidate]) -> tuple[str, ...]:
    """How memory comes to tests on some of the kernels; empty: as it does by default to each.

    What is usual has no word in an id, so it is not the same as the word: on kernels of two
    architectures it is DIMMs here and virtio-mem there. `has_memory_asked_for` tells
    which tests are meant.
    """
    from hotremove.memory.kinds import default_kind

    usual = {default_kind(kernel).name for kernel in kernels}
    by_default = [""] if not asked or usual & {*asked} else []
    return *by_default, *(one for one in asked if usual - {one})


def has_memory_asked_for(item: pytest.Item) -> bool:
    """Whether a test's memory comes in a way that was asked for, and is told where unusual."""
    asked = farm_of(item.config).options.memory if memory_of(item) else ()
    told = _parameter(item, MEMORY, "")
    return not asked or (memory_of(item) in asked and told == unusual_memory_of(item))


def _faults(item: pytest.Item) -> tuple[str, ...]:
    """With which faults a test runs; an empty one is the kernel as it is.

    To prove a scenario, as it is and with each fault that it says it notices, in one variant at
    least: `proves_something` tells which.
    """
    options = farm_of(item.config).options
    if not options.prove:
        return options.faults or ("",)
    named = (name for names in _notices(item).values() for name in names)
    proven = (one for one in dict.fromkeys(named) if not options.faults or one in options.faults)
    return "", *proven


def proves_something(item: pytest.Item) -> bool:
    """Whether a test, if it is to prove a scenario, does so with a fault that its variant names."""
    fault = fault_of(item)
    if not fault or not farm_of(item.config).options.prove:
        return True
    return fault in noticed_by(item) and _is_about_memory(fault, memory_of(item))


def _is_about_memory(fault: str, memory: str) -> bool:
    """Whether a fault can show where memory comes so; one that says no kind shows with each."""
    from hotremove.faults.fault import catalogue

    return not memory or catalogue()[fault].memory in ("", memory)


def noticed_by(item: pytest.Item) -> tuple[str, ...]:
    """The faults that a test must notice: those that `@pytest.mark.notices` names for it.

    Raises:
        UsageProblem: one is unknown.
    """
    callspec = getattr(item, "callspec", None)
    # A fault's own name may have the words of a variant in it.
    variant = callspec.id.replace(f"-{fault_of(item)}", "", 1) if callspec else ""
    words = {"", *variant.split("-")}
    named = (names for word, names in _notices(item).items() if word in words)
    return tuple(dict.fromkeys(name for names in named for name in names))


def _notices(item: pytest.Item) -> dict[str, tuple[str, ...]]:
    """The faults that a scenario notices by the word of a test's id; without one, in each variant.

    Raises:
        UsageProblem: one is unknown.
    """
    marker = item.get_closest_marker("notices")
    if marker is None:
        return {}
    from hotremove.faults.fault import find_faults

    def known(names: Iterable[str]) -> tuple[str, ...]:
        return tuple(one.name for one in find_faults(names, f"{item.nodeid}: mark.notices"))

    of_variants = {
        word: known([names] if isinstance(names, str) else names)
        for word, names in marker.kwargs.items()
    }
    return {"": known(marker.args), **of_variants}


def _pin_paths(item: pytest.Item) -> tuple[str, ...]:
    """The arguments of `@pytest.mark.pins`.

    Raises:
        UsageProblem: there are none, or one is unknown to hotremove.pins.registry.
    """
    from hotremove.pins.registry import pin_paths

    marker = item.get_closest_marker("pins")
    paths: tuple[str, ...] = marker.args if marker else ()
    unknown = ", ".join(repr(path) for path in paths if path not in pin_paths())
    if unknown or not paths:
        known = ", ".join(pin_paths())
        raise UsageProblem(f"{item.nodeid}: mark.pins({unknown or 'nothing'}): give {known}")
    return paths


def kernel_id(kernel: Candidate, kernels: tuple[Candidate, ...]) -> str:
    """The label, for the test's id; where two kernels share it, with what tells them apart."""
    label = _plain(kernel.label)
    releases = [other.release for other in kernels if other.label == kernel.label]
    if len(releases) <= 1:
        return label
    unique = releases.count(kernel.release) == 1
    return f"{label}-{kernel.release if unique else _plain(kernel.spec)}"


def _plain(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9.+_-]+", "-", text)


def check_markers(items: Iterable[pytest.Item], allow_files: Sequence[Path]) -> None:
    """Read the markers of every test that wants a guest, before the first one runs.

    Raises:
        UsageProblem: one has arguments that make no sense.
    """
    from hotremove.plugin.report_check import REPORT_EXPECTATIONS
    from hotremove.verdict.allowances import read_expectations

    for item in filter(wants_guest, items):
        item.stash[REPORT_EXPECTATIONS] = read_expectations(item, allow_files)
        item.stash[SCENARIO_ID] = scenario_id_of(item)
        noticed_by(item)
        _check(item, "topology", (str,))
        _check(item, "dimm", (int,))
        _check(item, "memory", (int,))


def widen(items: Iterable[pytest.Item]) -> None:
    """Count the rows that stable kernels are known to fail among the others.

    They belong into every judgement of a kernel. The lineage tells a failure that is known of its
    series, which is no news, from one that is not.
    """
    for item in filter(wants_guest, items):
        if item.get_closest_marker("wide"):
            item.add_marker("hotremove")


def waive(item: pytest.Item) -> None:
    """Leave out a test that needs what somebody asked to do without.

    Raises:
        Waived: it does.
    """
    if not wants_guest(item):
        return
    for word in farm_of(item.config).options.without:
        if _needs(item, word):
            raise Waived(f"--hotremove-without {word}")


def scenario_id_of(item: pytest.Item) -> ScenarioId:
    """Which scenario a test is, from its marker; outside the catalogue the test's name.

    Raises:
        UsageProblem: the marker has other arguments than a number, a title, `control` and
            `unpinned`.
    """
    from hotremove.verdict.scenario_id import ScenarioId

    marker = item.get_closest_marker("scenario")
    if marker is None:
        return ScenarioId(0, str(getattr(item, "originalname", item.name)))
    numbered = len(marker.args) == 2 and tuple(map(type, marker.args)) == (int, str)
    if not numbered or not set(marker.kwargs) <= {"control", "unpinned"}:
        told = "mark.scenario: give a number and a title, control=True or unpinned=True"
        raise UsageProblem(f"{item.nodeid}: {told}")
    return ScenarioId(*marker.args, **marker.kwargs)


def _check(item: pytest.Item, name: str, kinds: tuple[type, ...]) -> None:
    marker = item.get_closest_marker(name)
    if marker is None:
        return
    fits = len(marker.args) == len(kinds) and all(map(isinstance, marker.args, kinds))
    if not fits or marker.kwargs:
        wanted = ", ".join(kind.__name__ for kind in kinds)
        raise UsageProblem(f"{item.nodeid}: mark.{name}{marker.args}: give {wanted}")
