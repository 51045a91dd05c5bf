# SPDX-License-Identifier: Apache-2.0
"""Colours, as eyes see them that lack one kind of cone: told apart, and read on their background.

Sight is simulated and differences are computed (CIEDE2000) by coloraide; a difference of ten is
seen at a glance.
"""

from __future__ import annotations

import re
from importlib.resources import files
from itertools import combinations

import pytest
from coloraide import Color

from hotremove.analysis.summary import Look
from hotremove.formats.palette import MARKUP, STYLES

SIGHTS = ("", "protan", "deutan", "tritan")
# What usual terminals show for the colours that are used, on their usual backgrounds.
TERMINALS = {
    "xterm": {"red": "#cd0000", "purple": "#cd00cd", "plain": "#e5e5e5"},
    "linux": {"red": "#aa0000", "purple": "#aa00aa", "plain": "#aaaaaa"},
    "tango": {"red": "#cc0000", "purple": "#75507b", "plain": "#d3d7cf"},
    "windows": {"red": "#c50f1f", "purple": "#881798", "plain": "#cccccc"},
}
STYLE = files("hotremove.formats").joinpath("templates/report.css").read_text()
VERDICTS = ("pass", "fail", "warn", "known", "skip")
KINDS = ("start", "plug", "map", "pin", "remove")


def seen(colour: str, sight: str) -> Color:
    found = Color(colour)
    return found.filter(sight) if sight else found


def difference(one: str, other: str, sight: str) -> float:
    return seen(one, sight).delta_e(seen(other, sight), method="2000")


def contrast(one: str, other: str, sight: str = "") -> float:
    return seen(one, sight).contrast(seen(other, sight), method="wcag21")


def page_colours(scheme: str) -> dict[str, str]:
    """The custom properties of the style sheet in a scheme."""
    light, dark = STYLE.split("@media (prefers-color-scheme: dark)")[:2]
    part = light if scheme == "light" else dark.split("\n}\n")[0]
    return dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", part))


def hues(look: Look) -> set[str]:
    """The colours that a terminal is asked for."""
    return {word.lower() for word in MARKUP[look]} - {"bold", "invert", "white"}


def test_both_writers_say_the_same():
    names = {"magenta": "purple", "on": "", "reverse": "invert"}
    for look in Look:
        words = {names.get(word, word) for word in STYLES[look].split()} - {""}
        assert words == {word.lower() for word in MARKUP[look]}


@pytest.mark.parametrize("sight", SIGHTS)
@pytest.mark.parametrize("terminal", TERMINALS)
def test_a_terminals_colours_are_told_apart(terminal: str, sight: str):
    assert set().union(*map(hues, Look)) == {"red", "purple"}
    colours = TERMINALS[terminal]
    for background in ("#000000", "#ffffff"):
        text = colours["plain"] if background == "#000000" else "#000000"
        # As text: what is plain, and what is known. As a background: red, and text inverted.
        assert difference(text, colours["purple"], sight) >= 15
        assert difference(text, colours["red"], sight) >= 15
    assert contrast("#ffffff", colours["red"], sight) >= 4.5
    assert max(contrast(colours["purple"], one, sight) for one in ("#000000", "#ffffff")) >= 4.5


@pytest.mark.parametrize("sight", SIGHTS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_pages_verdicts_are_told_apart_and_read(scheme: str, sight: str):
    colours = page_colours(scheme)
    colours["skip"] = colours["soft"]
    for verdict in VERDICTS:
        assert contrast(colours[verdict], colours[f"{verdict}-bg"], sight) >= 4.5, verdict
    for one, other in combinations(VERDICTS, 2):
        apart = difference(colours[one], colours[other], sight)
        behind = difference(colours[f"{one}-bg"], colours[f"{other}-bg"], sight)
        assert max(apart, behind) >= 10, (one, other, apart, behind)


@pytest.mark.parametrize("sight", SIGHTS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_timelines_bars_stand_out(scheme: str, sight: str):
    colours = page_colours(scheme)
    for kind in KINDS:
        assert contrast(colours[kind], colours["skip-bg"], sight) >= 3, kind
    for one, other in combinations(KINDS, 2):
        assert difference(colours[one], colours[other], sight) >= 10, (one, other)
