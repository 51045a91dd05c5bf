# SPDX-License-Identifier: Apache-2.0
"""Take the picture of a report that the documentation shows.

usage: PYTHONPATH=plugins:tests/unit python tests/unit/picture.py RUN docs/report.png
"""

from __future__ import annotations

import base64
import sys
import tempfile
from io import BytesIO
from pathlib import Path

import chromium
from PIL import Image
from selenium import webdriver

from hotremove.formats.html import render
from hotremove.results.source import opened

WIDTH = 960
# What of it is shown: all down to the second red cell.
TRIM = """
const told = [...document.querySelectorAll("article.red")].slice(0, 2).at(-1);
return Math.ceil(told.getBoundingClientRect().bottom + window.scrollY + 4);
"""


def take(run: Path, target: Path) -> None:
    """Write a PNG of the report of a run."""
    with tempfile.TemporaryDirectory() as folder, opened(run) as source:
        page = Path(folder, "report.html")
        page.write_bytes(_bytes(render(source)))
        with chromium.running(Path(folder, "profile")) as browser:
            chromium.screen(browser, WIDTH, 900)
            chromium.open_page(browser, page)
            shot = _shot(browser, browser.execute_script(TRIM))
    # Few colours: a fifth of the bytes.
    Image.open(BytesIO(shot)).convert("RGB").quantize(224, kmeans=2).save(target, optimize=True)


def _bytes(content: str | bytes) -> bytes:
    return content.encode() if isinstance(content, str) else content


def _shot(browser: webdriver.Chrome, height: int) -> bytes:
    clip = {"x": 0, "y": 0, "width": WIDTH, "height": height, "scale": 1}
    words = {"format": "png", "clip": clip, "captureBeyondViewport": True}
    shot = browser.execute_cdp_cmd("Page.captureScreenshot", words)
    return base64.b64decode(shot["data"])


if __name__ == "__main__":
    take(Path(sys.argv[1]), Path(sys.argv[2]))
