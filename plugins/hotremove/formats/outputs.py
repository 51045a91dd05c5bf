# SPDX-License-Identifier: Apache-2.0
"""Every format that a run can be told in, by name."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from hotremove.analysis.news import News
from hotremove.formats import html, junit, ktap, markdown
from hotremove.hosttools import from_reports
from hotremove.pincost.figures import series_of
from hotremove.pincost.plot import draw
from hotremove.results.files import STDOUT, make_folder, write_all
from hotremove.results.naming import costs_by_kernel
from hotremove.results.source import Source, read

Render = Callable[[Source, News | None], str | bytes]


def _kcidb(source: Source, _: News | None) -> str:
    with from_reports("KCIDB"):
        from hotremove.formats import kcidb  # jsonschema takes 0.3 s to load

    return json.dumps(kcidb.render(source.record, source.log_of), indent=1) + "\n"


FORMATS: Mapping[str, Render] = {
    "junit": lambda source, _: junit.render(source.record),
    "ktap": lambda source, _: ktap.render(source.record),
    "kcidb": _kcidb,
    "markdown": lambda source, news: markdown.render(source.record, news),
    "html": html.render,
}
# What a run leaves beside its record.
_BESIDE = {"ktap": "results.ktap", "markdown": "report.md", "html": "report.html"}


def files_of(
    form: str, source: Source, path: Path, news: News | None = None
) -> dict[Path, str | bytes]:
    """What a run is in a format, by the files it goes into: `path`, and what it leads to.

    Raises:
        UsageProblem: there is no room for a folder beside it.
    """
    if form != "html" or path == STDOUT:
        return {path: FORMATS[form](source, news)}
    pages = html.render_apart(source, path.name, news)
    made: dict[Path, str | bytes] = {path.parent / name: text for name, text in pages.items()}
    for folder in {file.parent for file in made} - {path.parent}:
        make_folder(folder)
    return made


def write_beside(record: Path, news: News | None = None) -> None:
    """Write the reports that people open, into the directory of a record.

    Raises:
        UsageProblem: they cannot be written.
    """
    source = read(record, str(record))
    places = {form: record.with_name(name) for form, name in _BESIDE.items()}
    made = [files_of(form, source, place, news) for form, place in places.items()]
    files = {path: content for some in made for path, content in some.items()}
    plot = draw(series_of(costs_by_kernel(source.record.results)), "png")
    write_all({**files, record.with_name("pin-cost.png"): plot} if plot else files)
