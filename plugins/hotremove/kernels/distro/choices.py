# SPDX-License-Identifier: Apache-2.0
"""Remembering which cached kernel a spec meant, so that a warm start asks apt nothing.

A choice holds for the package lists it was made from: fetching them again forgets it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from hotremove import shapes
from hotremove.kernels.distro import mirrors

_NEWEST = "newest"


@dataclass(frozen=True)
class _Record:
    """When the lists were fetched, what the user said of mirrors, and the keys by version."""

    lists: float
    mirrors: list[str]
    keys: dict[str, str]


@dataclass(frozen=True)
class Choices:
    """The choices made from one suite's lists, in a file; `lists` is when those were fetched."""

    file: Path
    lists: float

    def recall(self, version: str | None) -> str | None:
        """The cache key that `version` (None: the newest) led to, if that is known."""
        return self._known().get(version or _NEWEST)

    def keep(self, version: str | None, key: str) -> None:
        """Remember the cache key that `version` led to."""
        known = {**self._known(), version or _NEWEST: key}
        record = _Record(self.lists, mirrors.named(), known)
        aside = self.file.with_suffix(".new")
        aside.write_text(json.dumps(asdict(record)))
        aside.replace(self.file)

    def _known(self) -> dict[str, str]:
        try:
            record = shapes.read_json(self.file, _Record)
        except (OSError, ValueError):
            return {}
        same = record.lists == self.lists and record.mirrors == mirrors.named()
        return record.keys if same else {}
