# SPDX-License-Identifier: Apache-2.0
"""Tables that commands print."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console, OverflowMethod
from rich.table import Table
from rich.text import Text

from hotremove.results.text import one_line

# Columns, where nobody has said how many there are: of a file, or of another program's input.
_ENDLESS = 10_000


def plain_console() -> Console:
    """Where commands print: whole lines; tables are cut for terminals alone."""
    console = Console(highlight=False, soft_wrap=True)
    if console.is_terminal:
        return console
    return Console(highlight=False, soft_wrap=True, width=_ENDLESS)


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
