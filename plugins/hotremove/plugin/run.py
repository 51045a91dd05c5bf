# SPDX-License-Identifier: Apache-2.0
"""The pytest process that this is: what of guests it has, and what others have told it.

pytest imports this for everybody: the farm, and all that comes with it, is made when a test with a
guest asks for it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hotremove.errors import HostProblem
from hotremove.plugin.farm import FARM
from hotremove.plugin.options import is_given, read_options, setting
from hotremove.resources import source_folder

if TYPE_CHECKING:
    from hotremove.session.farm import Farm

FREE = "hotremove_free"
"""Under which a worker is told the memory that was free when the run began, in MiB."""
WORKERS = "hotremove_workers"
"""Under which a worker is told how many there are."""
_PACKAGE = "hotremove.scenarios"


def farm_of(config: pytest.Config) -> Farm:
    """What this process works with, made when first asked for.

    Raises:
        UsageProblem: a setting makes no sense.
    """
    if FARM not in config.stash:
        from hotremove.session.failures import Failures
        from hotremove.session.farm import Farm

        failures = Failures(run_folder(config))
        options = read_options(config)
        config.stash[FARM] = Farm(options, worker_id(config), portions_of(config), failures)
    return config.stash[FARM]


def is_about_guests(config: pytest.Config) -> bool:
    """Whether the command or ini says that guests are booted, before anything is collected."""
    named = "hotremove" in (config.option.markexpr or "") or is_given(config)
    return named or any(_is_in_suite(config, str(one)) for one in config.args)


def _is_in_suite(config: pytest.Config, argument: str) -> bool:
    """Whether an argument names the plugin's own scenarios, or some of them."""
    if config.option.pyargs and argument.startswith(_PACKAGE):
        return True
    place = (config.invocation_params.dir / argument.partition("::")[0]).resolve()
    try:
        return place.is_relative_to(source_folder("scenarios").resolve())
    except HostProblem:  # an installation without them
        return False


def worker_id(config: pytest.Config) -> str:
    """`gw0` and so on in a worker of pytest-xdist; empty elsewhere."""
    return str(told_to(config).get("workerid", ""))


def run_folder(config: pytest.Config) -> Path | None:
    """In a worker, what it has in common with the run's others on this machine; else None."""
    own = config.option.basetemp
    return Path(own).parent / "hotremove" if own and worker_id(config) else None


def portions_of(config: pytest.Config) -> int:
    """In a worker, how many workers' guests find memory together; else 0, for no need to ask.

    At least as many as there are workers. 0 with a topology that nobody knows, which is told later.
    """
    told = told_to(config)
    if FREE not in told:
        return 0
    from hotremove.errors import HotremoveError
    from hotremove.session.capacity import portion_mib

    try:
        return max(int(told[WORKERS]), int(told[FREE]) // portion_mib(setting(config, "topology")))
    except HotremoveError:
        return 0


def told_to(config: pytest.Config) -> dict[str, Any]:
    """What xdist and the controller told a worker; nothing elsewhere."""
    told: dict[str, Any] = getattr(config, "workerinput", {})
    return told
