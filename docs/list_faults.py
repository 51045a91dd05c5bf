# SPDX-License-Identifier: Apache-2.0
"""List the faults in docs/faults-of-kernels.md: `./lab run python docs/list_faults.py`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from hotremove.faults.fault import KINDS, Fault, catalogue

PAGE = Path(__file__).with_name("faults-of-kernels.md")
BEGIN, END = "<!-- listed by list_faults.py -->\n", "<!-- listed -->"
_HEADINGS = {
    "looked-at": "Who is looked at",
    "pages": "Which pages",
    "becomes": "What becomes of them",
    "given-back": "What is given back",
    "how-long": "How long it takes",
    "said": "What is said",
}


def listed() -> str:
    """The catalogue as Markdown: a table of each kind."""
    return "\n".join(line for kind in KINDS for line in _table(kind))


def _table(kind: str) -> Iterator[str]:
    yield f"### {_HEADINGS[kind]}\n"
    yield "| fault | what a kernel with it does | shows by |\n|---|---|---|"
    yield from (_row(fault) for fault in catalogue().values() if fault.kind == kind)
    yield ""


def _row(fault: Fault) -> str:
    return f"| `{fault.name}` | {fault.sentence} | {', '.join(fault.signs)} |"


def put(page: str) -> str:
    """The page with today's catalogue."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{listed()}{END}{after}"


def main(words: list[str]) -> int:
    """Write it, or only say whether it is current."""
    page = PAGE.read_text()
    if words == ["--check"]:
        return int(put(page) != page)
    PAGE.write_text(put(page))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
