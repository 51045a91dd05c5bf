# SPDX-License-Identifier: Apache-2.0
"""Rows on kernels that a patch gave, or took, one entry of the lineage: what the archive lacks.

Such a kernel is built with `+patch:…/HASH.patch`, HASH being the entry's, and nothing beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from hotremove.analysis.atlas.atlas import Turn
from hotremove.analysis.atlas.explanation import Explanation
from hotremove.analysis.atlas.sight import Sight, sights
from hotremove.analysis.history import FiledRun
from hotremove.kernels import patches
from hotremove.lineage import release
from hotremove.lineage.changes import Change, changes
from hotremove.results.naming import row_order


def patched_turns(runs: Sequence[FiledRun]) -> tuple[Turn, ...]:
    """Where a row ends otherwise with the patch of an entry that decides it than without."""
    seen = sights(runs)
    return tuple(
        turn for row in sorted(seen.rows, key=row_order) for turn in _turns(row, seen.rows[row])
    )


def _turns(row: str, seen: Mapping[str, Sight]) -> Iterator[Turn]:
    told = {name: sight for name, sight in seen.items() if sight.says_something}
    for kernel, sight in told.items():
        change = patched_in(sight.spec)
        plain = _without(kernel, told)
        decides = change and row_order(row)[0] in change.rows
        if change and plain and decides and told[plain].told != sight.told:
            yield Turn(row, (plain, kernel), (told[plain], sight), Explanation((change,)))


def patched_in(spec: str) -> Change | None:
    """The entry whose patch is the one thing that a kernel was patched with.

    Example:
        >>> str(patched_in("debian-source:trixie+patch:tests/lineage/94efde1d1539.patch"))
        '94efde1d1539 (6.12)'
    """
    words = [word for word in spec.split("+") if patches.is_word(word)]
    if len(words) != 1:
        return None
    name = Path(words[0]).stem
    return next((change for change in changes() if change.hash == name), None)


def _without(kernel: str, seen: Mapping[str, Sight]) -> str | None:
    """The kernel of the same release that nobody patched: as its vendor builds it, if it can be."""
    version = release.order(kernel.partition(" ")[0])
    same = [
        name
        for name, sight in seen.items()
        if release.order(name.partition(" ")[0]) == version and patches.PREFIX not in sight.spec
    ]
    return min(same, key=len, default=None)
