# SPDX-License-Identifier: Apache-2.0
"""Remembering which cached kernel a spec meant, so that a warm start asks apt nothing.

A choice holds for the package lists it was made from: fetching them again forgets it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from hotremove.kernels.distro import mirrors

_NEWEST = "newest"


@dataclass(frozen=True)
class Choices:
    """The choices made from one suite's lists, in a file; `lists` is when those were fetched."""

    file: Path
    lists: float

    def recall(self, version: str | None) -> str | None:
        """The cache key that `version` (None: the newest) led to, if that is known."""
        key = self._known().get(version or _NEWEST)
        return key if isinstance(key, str) else None

    def keep(self, version: str | None, key: str) -> None:
        """Remember the cache key that `version` led to."""
        known = {**self._known(), version or _NEWEST: key}
        record = {"lists": self.lists, "mirrors": mirrors.named(), "keys": known}
        aside = self.file.with_suffix(".new")
        aside.write_text(json.dumps(record))
        aside.replace(self.file)

    def _known(self) -> dict[str, object]:
        try:
            record = json.loads(self.file.read_text())
        except (OSError, ValueError):
            return {}
        same = record.get("lists") == self.lists and record.get("mirrors") == mirrors.named()
        return record["keys"] if same else {}
