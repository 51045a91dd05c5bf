# SPDX-License-Identifier: Apache-2.0
"""A reader of KTAP for the tests, written from ktap.rst alone."""

from __future__ import annotations

import re
from dataclasses import dataclass, field


@dataclass
class Ktap:
    """A test with its results and subtests, as read."""

    results: list[tuple[bool, str, str]] = field(default_factory=list)
    subtests: dict[str, Ktap] = field(default_factory=dict)
    planned: int = -1


RESULT = re.compile(r"(ok|not ok) (\d+) (?:- )?([^#]+?)(?: # (\w+)\b ?(.*))?$")


def read_ktap(lines: list[str]) -> Ktap:
    test = Ktap()
    assert lines[0] == "KTAP version 1"
    at = 1
    nested: Ktap | None = None
    while at < len(lines):
        line = lines[at]
        if line.startswith("  "):
            inner = [text[2:] for text in _indented(lines[at:])]
            nested = read_ktap(inner)
            at += len(inner)
            continue
        if line.startswith("1.."):
            assert test.planned == -1
            test.planned = int(line[3:])
        elif not line.startswith("#"):
            found = RESULT.fullmatch(line)
            assert found, f"not KTAP: {line!r}"
            assert int(found[2]) == len(test.results) + 1
            test.results.append((found[1] == "ok", found[3], found[4] or ""))
            if nested:
                test.subtests[found[3]], nested = nested, None
        at += 1
    assert test.planned == len(test.results)
    return test


def _indented(lines: list[str]) -> list[str]:
    end = next((n for n, line in enumerate(lines) if not line.startswith("  ")), len(lines))
    return lines[:end]
