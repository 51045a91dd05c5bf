# SPDX-License-Identifier: Apache-2.0
"""Templates of HTML pages: everything is escaped, control characters are shown as U+FFFD."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from hotremove.results.text import printable

if TYPE_CHECKING:
    from jinja2 import Environment, Template


def template(name: str) -> Template:
    """A file of templates/; it has the style sheet as `style`."""
    return _environment().get_template(name)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined  # 0.1 s that few runs need
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("hotremove.formats"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_clean,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = files("hotremove.formats").joinpath("templates/report.css").read_text()
    environment.globals["style"] = Markup(style)  # noqa: S704 - a file of our own
    return environment


def _clean(value: object) -> object:
    return printable(value) if type(value) is str else value
