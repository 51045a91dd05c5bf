# SPDX-License-Identifier: Apache-2.0
"""What docs/nightly.md tells to set up: units that systemd takes, commands that there are."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from configparser import ConfigParser
from dataclasses import fields
from pathlib import Path

import pytest

from hotremove.analysis.nightly.settings import Mail, Settings, Watch, read_settings
from hotremove.cli.main import make_parser

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/nightly.md").read_text()
UNITS = dict(re.findall(r"`/etc/systemd/system/([^`]+)`:\n\n```ini\n(.*?)```", PAGE, re.DOTALL))


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is missing")
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    assert len(UNITS) == 2
    for name, text in UNITS.items():
        # The checkout is elsewhere on the reader's machine.
        there = re.sub(r"/srv/pytest-hotremove/\.venv/bin/\w+", "/bin/true", text)
        (tmp_path / name).write_text(there)
    units = [str(tmp_path / name) for name in UNITS]
    done = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_commands_are_there() -> None:
    commands = "history|bundle|report|reap|nightly|atlas|qualify"
    told = re.findall(rf"(?:lab run |`|\.venv/bin/)hotremove ((?:{commands})[^`\n]*)", PAGE)
    assert len(told) >= 5
    assert any(words.startswith("nightly /etc") for words in told)
    for words in told:
        make_parser().parse_args(shlex.split(words.partition(",")[0]))


def test_the_settings_are_read(tmp_path: Path) -> None:
    """Those of the page, and each key that it tells of."""
    (text,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "nightly.toml").write_text(text)
    assert len(read_settings(tmp_path / "nightly.toml").watch) == text.count("[[watch]]")
    cells = re.findall(r"^\| (`[a-z.]+`(?:, `[a-z.]+`)*) \|", PAGE, re.MULTILINE)
    told = {key for cell in cells for key in re.findall(r"`([a-z.]+)`", cell)}
    known = {name.name for name in fields(Settings)} - {"mail"}
    known |= {f"watch.{one.name}" for one in fields(Watch)} - {"watch.suite", "watch.git"}
    known |= {f"mail.{one.name}" for one in fields(Mail)}
    assert known <= told


def test_the_chain_of_the_night_is_run_bundle_history() -> None:
    settings = ConfigParser(interpolation=None)
    settings.read(ROOT / "tox.ini")
    nightly = settings["testenv:nightly"]
    commands = [line.split()[0:2] for line in nightly["commands"].strip().splitlines()]
    assert commands == [["pytest", "-c"], ["hotremove", "bundle"], ["hotremove", "history"]]
    assert nightly["ignore_errors"] == "true", "what fails is filed, too"
    for line in nightly["commands"].strip().splitlines()[1:]:
        make_parser().parse_args(line.split()[1:])
