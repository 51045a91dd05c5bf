# SPDX-License-Identifier: Apache-2.0
"""What guests do, as lines; and lines below what pytest writes, on a terminal's screen."""

from __future__ import annotations

import io
import os
import pty
import termios
from types import SimpleNamespace

import pyte
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotremove.observe.timeline import Activity
from hotremove.plugin.terminal.live import is_wanted
from hotremove.plugin.terminal.running_test import RunningTest, lines
from hotremove.plugin.terminal.statusline import StatusLine

TEST = "scenarios/test_x.py::test_dimm_leaves_under_memory_first_touched_by_the_pin[5.10.262-rdma]"
REMOVING = Activity("remove by ACPI eject", 100.0, 30.0)


def test_a_guest_has_a_line_with_what_it_waits_for_and_its_deadline():
    (line,) = lines([RunningTest("test_x.py::test_y[6.1.192]", (REMOVING,))], 103.24, 79)
    assert line == "  test_y[6.1.192]: remove by ACPI eject 3.2/30 s"


def test_without_a_deadline_or_a_guest():
    told = lines(
        [
            RunningTest("t.py::a", ()),
            RunningTest("t.py::b", (Activity("plug 512 MiB", 1.0), None), "gw1"),
        ],
        1.5,
        79,
    )
    assert told == [
        "  a: getting a guest ready",
        "  gw1 b: plug 512 MiB 0.5 s",
        "  gw1 b: the test is at work",
    ]


def test_a_long_name_gives_way_to_what_is_waited_for():
    (line,) = lines([RunningTest(TEST, (REMOVING,))], 103.24, 79)
    assert len(line) == 79
    assert line.startswith("  test_dimm_leaves_")
    assert line.endswith("[5.10.262-rdma]: remove by ACPI eject 3.2/30 s")


@given(st.text(), st.integers(1, 200), st.floats(0, 1e6))
def test_no_line_is_wider_than_the_screen(name: str, width: int, now: float):
    assert all(len(line) <= width for line in lines([RunningTest(name, (REMOVING,))], now, width))


def test_a_running_test_goes_from_worker_to_terminal():
    running = RunningTest(TEST, (REMOVING, None), "gw0")
    assert RunningTest.from_json(running.as_json()) == running


class Terminal:
    """A screen that shows what is written to a real pseudo-terminal."""

    def __init__(self, columns: int = 40, rows: int = 6) -> None:
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self._master, slave = pty.openpty()
        os.set_blocking(self._master, False)
        termios.tcsetwinsize(slave, (rows, columns))
        self.file = os.fdopen(slave, "w")
        self.line = StatusLine(self.file, self.file)

    @property
    def shown(self) -> list[str]:
        """The screen's lines without empty ones at its end."""
        try:
            while data := os.read(self._master, 65536):
                self._stream.feed(data)
        except BlockingIOError:
            pass
        return "\n".join(line.rstrip() for line in self.screen.display).rstrip().split("\n")

    def close(self) -> None:
        self.file.close()
        os.close(self._master)


@pytest.fixture
def terminal():
    made = Terminal()
    yield made
    made.close()


def test_lines_come_below_and_go_when_pytest_writes_on(terminal: Terminal):
    terminal.line.write("test_x.py .")
    terminal.line.show(["  one", "  two"])
    assert terminal.shown == ["test_x.py .", "  one", "  two"]
    terminal.line.write("F")
    assert terminal.shown == ["test_x.py .F"]
    terminal.line.show(["  three"])
    assert terminal.shown == ["test_x.py .F", "  three"]
    terminal.line.show([])
    assert terminal.shown == ["test_x.py .F"]


def test_at_the_bottom_the_screen_scrolls_and_nothing_is_overwritten(terminal: Terminal):
    terminal.line.write("".join(f"line {n}\n" for n in range(8)) + "test_x.py ")
    terminal.line.show(["  one", "  two"])
    assert terminal.shown == ["line 5", "line 6", "line 7", "test_x.py", "  one", "  two"]
    terminal.line.write(".\n")
    assert terminal.shown[-1] == "test_x.py ."
    assert "  one" not in terminal.shown


def test_colours_take_no_room_and_rewritten_lines_begin_anew(terminal: Terminal):
    terminal.line.write("collecting ...\r\x1b[32mcollected 3 items\x1b[0m ")
    terminal.line.show(["  one"])
    terminal.line.write("|")
    assert terminal.shown == ["collected 3 items |"]


def test_at_a_lines_very_end_nothing_is_shown(terminal: Terminal):
    terminal.line.write("x" * 40)
    terminal.line.show(["  one"])
    assert terminal.shown == ["x" * 40]
    terminal.line.write("y")
    terminal.line.show(["  one"])
    assert terminal.shown == ["x" * 40, "y", "  one"]
    terminal.line.write("z")
    assert terminal.shown == ["x" * 40, "yz"]


def test_more_guests_than_rows_do_not_scroll_the_tests_away(terminal: Terminal):
    terminal.line.write("test_x.py ")
    terminal.line.show([f"  guest {n}" for n in range(20)])
    assert terminal.shown[0] == "test_x.py"
    assert len(terminal.shown) == 6


def test_nothing_is_shown_while_another_writes(terminal: Terminal):
    terminal.line.show(["  one"])
    with terminal.line.paused():
        assert terminal.shown == [""]
        terminal.line.show(["  one"])
        assert terminal.shown == [""]
    terminal.line.show(["  one"])
    assert terminal.shown == ["", "  one"]


@pytest.mark.parametrize(
    ("options", "environment", "wanted"),
    [
        ({}, {}, True),
        ({"verbose": 2}, {}, True),
        ({"verbose": -1}, {}, False),
        ({"capture": "no"}, {}, False),
        ({"usepdb": True}, {}, False),
        ({"trace": True}, {}, False),
        ({}, {"TERM": "dumb"}, False),
        ({}, {"CI": "1"}, False),
    ],
)
def test_where_it_is_wanted(monkeypatch, options, environment, wanted: bool):
    usual = {"capture": "fd", "usepdb": False, "trace": False, "verbose": 0}
    plugins = SimpleNamespace(hasplugin=lambda name: name == "terminal")
    config = SimpleNamespace(option=SimpleNamespace(**{**usual, **options}), pluginmanager=plugins)
    monkeypatch.delenv("CI", raising=False)
    for name, value in {"TERM": "xterm", **environment}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.stdout", SimpleNamespace(isatty=lambda: True))
    assert is_wanted(config) is wanted
    monkeypatch.setattr("sys.stdout", SimpleNamespace(isatty=lambda: False))
    assert not is_wanted(config)


def test_what_is_the_same_is_not_written_again():
    out = io.StringIO()
    line = StatusLine(out, out)
    line.show(["  one"])
    written = out.getvalue()
    line.show(["  one"])
    assert out.getvalue() == written
