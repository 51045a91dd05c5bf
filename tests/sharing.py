# SPDX-License-Identifier: Apache-2.0
"""How the project's own tests are shared out among workers.

Most of a live test's time is spent on waiting: for a deadline that has to pass, for a guest that
has one thing to do. So there are more workers than cores, and what takes longest is begun first.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from hotremove import cgroups

ROOT = Path(__file__).resolve().parent.parent
# Two of a worker's guests at once, or a kernel's modules being built (MiB).
_WORKER_MIB = 3072
# In the order in which they are begun.
_FOLDERS = ("live", "plugin", "unit")


def workers(config: pytest.Config) -> int:
    """Twice as many as there are cores, if they find memory; none for a file or two."""
    if config.option.keyword or all("::" in word or ".py" in word for word in config.args):
        return 0
    return max(1, min(2 * cgroups.cores(), cgroups.free_mib() // _WORKER_MIB))


def begun_first(item: pytest.Item) -> tuple[float, int]:
    """What to sort tests by, so that those that take longest come first."""
    marker = item.get_closest_marker("takes")
    place = next((n for n, folder in enumerate(_FOLDERS) if folder in item.path.parts), 0)
    return -marker.args[0] if marker else 0.0, place


class ByTest(LoadScopeScheduling):
    """Each test goes to the next worker that is free, in the order of the collection.

    Only the tests of a file that has something made once for them all stay together.
    """

    def __init__(self, config: pytest.Config, log: Producer | None = None) -> None:
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return file if has_common_work(file) else nodeid


@cache
def has_common_work(file: str) -> bool:
    """Whether a file of tests, named from the checkout, makes something once for them all."""
    text = (ROOT / file).read_text()
    return any(word in text for word in ('scope="module"', 'scope="session"', "module_laboratory"))
