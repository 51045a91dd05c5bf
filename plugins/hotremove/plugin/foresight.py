# SPDX-License-Identifier: Apache-2.0
"""What is known to be in the way before the first guest boots."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import pytest

from hotremove.kernels.kernel import Kernel
from hotremove.plugin.parametrize import kernel_of, scenario_id_of, wants_modules
from hotremove.session.farm import WITHOUT_MODULES, Farm
from hotremove.verdict.scenario_id import ScenarioId


def obstacles(farm: Farm, items: Iterable[pytest.Item]) -> Iterator[str]:
    """A line for each kernel spec whose modules cannot be had, with the rows that need them.

    There is none where somebody asked to do without modules.
    """
    wanting = [] if "modules" in farm.options.without else list(filter(wants_modules, items))
    for kernel in farm.kernels:
        rows = [scenario_id_of(item) for item in wanting if kernel_of(item) == kernel]
        why = farm.obstacle_to_modules(kernel) if rows and isinstance(kernel, Kernel) else None
        if why:
            yield f"{kernel.spec}: {name_rows(rows)} need modules; {why}: {WITHOUT_MODULES}"
    for spec, kernels in farm.without_headers.items():
        rows = [scenario_id_of(item) for item in wanting if kernel_of(item) in kernels]
        if rows:
            why = f"no headers are left of {', '.join(kernel.version for kernel in kernels)}"
            yield f"{spec}: {name_rows(rows)} need modules; {why}: {WITHOUT_MODULES}"


def name_rows(rows: Sequence[ScenarioId]) -> str:
    """Rows by their numbers, each once; those without one by their titles.

    Example:
        >>> name_rows([ScenarioId(26, "b"), ScenarioId(17, "a"), ScenarioId(26, "c")])
        'rows 17, 26'
    """
    numbers = sorted({row.number for row in rows if row.number})
    titles = sorted({row.title for row in rows if not row.number})
    return "rows " + ", ".join((*map(str, numbers), *titles))
