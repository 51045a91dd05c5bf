# SPDX-License-Identifier: Apache-2.0
"""Tables that commands print."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import OverflowMethod
from rich.table import Table
from rich.text import Text

from hotremove.results.text import one_line


def plain_table(
    headings: Iterable[str],
    rows: Iterable[Iterable[str | Text]],
    overflow: OverflowMethod = "ellipsis",
) -> Table:
    """A table without lines. What a cell says, a guest may have said: it is shown in one line."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in headings:
        table.add_column(_shown(heading), overflow=overflow)
    for row in rows:
        table.add_row(*map(_shown, row))
    return table


def _shown(cell: str | Text) -> Text:
    """A cell of blanks keeps them."""
    if isinstance(cell, Text):
        return cell
    return Text(one_line(cell) if cell.strip() else cell)
