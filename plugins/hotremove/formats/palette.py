# SPDX-License-Identifier: Apache-2.0
"""How a terminal shows what is to be seen, by no hue alone.

What a run says stands there in words, or in the letters of a legend. Of those that share a
background no two colours are of hues that some eyes take for one: red is a background, and green is
not used. Sixteen colours have to do, whose shades and whose background are the terminal's.
"""

from __future__ import annotations

from collections.abc import Mapping

from hotremove.analysis.summary import Look

MARKUP: Mapping[Look, Mapping[str, bool]] = {
    Look.PLAIN: {},
    Look.HEAD: {"bold": True},
    Look.FAIL: {"bold": True, "white": True, "Red": True},
    Look.UNSEEN: {"bold": True, "invert": True},
    Look.KNOWN: {"purple": True},
}
"""As pytest's terminal writer takes it."""
STYLES: Mapping[Look, str] = {
    Look.PLAIN: "",
    Look.HEAD: "bold",
    Look.FAIL: "bold white on red",
    Look.UNSEEN: "bold reverse",
    Look.KNOWN: "magenta",
}
"""As rich takes it."""
