# SPDX-License-Identifier: Apache-2.0
"""Write what is found in each golden log beside it; to be read before it is committed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hotremove.observe.dmesg import find_reports, read_lines

KEYS = ("kind", "severity", "title", "fingerprint", "trace", "start", "end", "caller", "panicked")


def found(log: Path) -> list[dict[str, Any]]:
    """The reports in a log, as JSON would give them back."""
    with log.open("rb") as stream:
        reports = find_reports(read_lines(stream))
    return [{key: _plain(getattr(report, key)) for key in KEYS} for report in reports]


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


if __name__ == "__main__":
    for path in sorted(Path(__file__).parent.glob("*.log")):
        text = json.dumps(found(path), indent=1, ensure_ascii=False) + "\n"
        path.with_suffix(".json").write_text(text, encoding="utf-8")
