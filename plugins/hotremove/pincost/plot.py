# SPDX-License-Identifier: Apache-2.0
"""What pins cost, drawn: instructions for each page against the size, a line for each kernel."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from hotremove.errors import HostProblem
from hotremove.hosttools import from_reports
from hotremove.pincost.figures import Series
from hotremove.pincost.model import MOVABLE
from hotremove.progress import say

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

Form = Literal["png", "svg"]
# Of matplotlib's own cycle.
_COLOURS = 10
# A kernel's name is text whatever is in it.
_STYLE: dict[Any, Any] = {"svg.hashsalt": "hotremove", "font.size": 9, "text.parse_math": False}


def draw(series: Sequence[Series], form: Form) -> bytes | None:
    """The plot, always the same of the same figures; None when no pin has several sizes.

    None too for more kernels than there are colours, and, said, where matplotlib is not
    installed: the figures are in the tables.
    """
    grown = [one for one in series if len(one.costs) > 1]
    if not grown or len({one.kernel for one in grown}) > _COLOURS:
        return None
    try:
        with from_reports("a plot of what pins cost"):
            import matplotlib as mpl  # half a second that few runs need
            from matplotlib.figure import Figure
    except HostProblem as lacking:
        _say_once(f"left out: {lacking}")
        return None
    with mpl.rc_context(_STYLE):
        figure = Figure(layout="constrained")
        _draw_panels(figure, grown)
        target = io.BytesIO()
        metadata = {"Date": None} if form == "svg" else {"Software": None}
        figure.savefig(target, format=form, dpi=110, metadata=metadata)
    return target.getvalue()


@cache
def _say_once(text: str) -> None:
    say(text)  # a page and a file beside it take a plot each


def _draw_panels(figure: Figure, series: Sequence[Series]) -> None:
    """A panel for each way to pin, all with the same scale, and one legend."""
    kinds = list(dict.fromkeys(map(_panel, series)))
    kernels = list(dict.fromkeys(one.kernel for one in series))
    rows, columns = (len(kinds) + 1) // 2, min(len(kinds), 2)
    figure.set_size_inches(10, 1 + 3 * rows)
    panels = list(figure.subplots(rows, columns, squeeze=False, sharey=True).flat)
    lines: dict[str, Line2D] = {}
    for axes, kind in zip(panels, kinds, strict=False):
        _scale(axes, kind)
        for one in (one for one in series if _panel(one) == kind):
            line = _draw_line(axes, one, f"C{kernels.index(one.kernel) % _COLOURS}")
            lines.setdefault(str(line.get_label()), line)
    for axes in panels[len(kinds) :]:
        axes.remove()
    figure.legend(list(lines.values()), list(lines), loc="outside upper center", ncols=4)


def _panel(series: Series) -> str:
    """Pins that are drawn together: alike but for the zone and the kernel."""
    cost = series.largest
    faulted = "" if cost.faulted else ", not faulted before"
    batch = f", {cost.batch} pages a call" if cost.batch else ""
    return _plain(f"{cost.path}, {cost.kind}{faulted}{batch}")


def _scale(axes: Axes, title: str) -> None:
    axes.set(title=title, xlabel="size of the pin, MiB", ylabel="instructions a page")
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.xaxis.set_major_formatter(lambda mib, _place: f"{mib:g}")
    axes.yaxis.set_major_formatter(lambda cost, _place: f"{cost:,.0f}")
    axes.yaxis.set_minor_formatter(lambda _cost, _place: "")
    axes.grid(which="both", alpha=0.25)


def _draw_line(axes: Axes, series: Series, colour: str) -> Line2D:
    movable = series.largest.zone == MOVABLE
    (line,) = axes.plot(
        [cost.mib for cost in series.costs],
        [cost.per_page for cost in series.costs],
        color=colour,
        linestyle="-" if movable else "--",
        marker="o" if movable else "s",
        markersize=3,
        label=f"Linux {_plain(series.kernel)}, {_plain(series.largest.zone)}",
    )
    return line


def _plain(text: str) -> str:
    """One line of what every font has."""
    return re.sub("[^ -~]", "?", " ".join(text.split()))
