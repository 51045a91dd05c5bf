# SPDX-License-Identifier: Apache-2.0
"""Write what is found in each golden log beside it; to be read before it is committed."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from hotremove.observe.kernellog.dmesg import find_reports, read_lines
from hotremove.observe.pagedump import DumpedPages, parse_dumps, split_refcount

KEYS = ("kind", "severity", "title", "fingerprint", "trace", "start", "end", "caller", "panicked")


def found(log: Path) -> dict[str, Any]:
    """The reports in a log and what its page dumps say, as JSON would give them back."""
    with log.open("rb") as stream:
        lines = list(read_lines(stream))
    reports = find_reports(lines)
    pages = Counter(str(split_refcount(dump)) for dump in parse_dumps(lines))
    causes = Counter(page.cause.kind for page in DumpedPages.of(lines).pages)
    return {
        "reports": [{key: _plain(getattr(one, key)) for key in KEYS} for one in reports],
        "pages": dict(pages),
        **({"causes": dict(causes)} if causes else {}),
    }


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


if __name__ == "__main__":
    for path in sorted(Path(__file__).parent.glob("*.log")):
        text = json.dumps(found(path), indent=1, ensure_ascii=False) + "\n"
        path.with_suffix(".json").write_text(text, encoding="utf-8")
