# SPDX-License-Identifier: Apache-2.0
"""`hotremove nightly` from its file to its mail: real apt and git, a real pytest for each kernel.

The kernels boot nowhere: the scenario asks for their version only.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import kernel_samples as samples
import pytest
from filelock import FileLock
from kernel_samples import Deb, Mirror

from hotremove.analysis.history import History
from hotremove.analysis.nightly.state import read_state
from hotremove.cache import Cache
from hotremove.cli import night_reports
from hotremove.cli.main import main
from hotremove.kernels.distro import suites
from hotremove.kernels.offers import debian, git

SCENARIO = """
import time
import pytest

@pytest.mark.hotremove
@pytest.mark.scenario(1, "a pin is held")
def test_held(kernel):
    if kernel.version in {slow}:
        time.sleep(60)
    assert kernel.version != "6.1.100-1", "stuck: pfn 0x100009 holds 1 long-term pin"
"""


def image_deb(number: int, version: str, depends: str = "") -> Deb:
    release = f"6.1.0-{number}-amd64"
    files = samples.kernel_files(release)
    return Deb(f"linux-image-{release}", files, version, depends=depends)


def headers_deb(number: int, version: str) -> Deb:
    return Deb(f"linux-headers-6.1.0-{number}-amd64", {}, version)


OLD = (image_deb(8, "6.1.98-1"), image_deb(9, "6.1.99-1"), headers_deb(9, "6.1.99-1"))
PARTS = ("linux-binary-6.1.0-10-amd64", "linux-modules-6.1.0-10-amd64")
PARTED = image_deb(10, "6.1.99-2", depends=", ".join(f"{name} (= 6.1.99-2)" for name in PARTS))
# As 6.18: whole, whatever it depends on.
WHOLE = image_deb(12, "6.1.99-3", depends="linux-base-6.1.0-12-amd64 (= 6.1.99-3)")
META = Deb("linux-image-6.1-amd64", {}, "6.1.99-3", depends="linux-image-6.1.0-12-amd64")
NEW = image_deb(11, "6.1.100-1")


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    found = Mirror(tmp_path / "mirror")
    found.publish("bookworm-backports", *OLD)
    monkeypatch.setenv("HOTREMOVE_MIRROR", found.uri)
    monkeypatch.setenv("HOTREMOVE_MIRROR_KEYRING", str(found.keyring))
    monkeypatch.setenv("HOTREMOVE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(suites, "REFRESH_SECONDS", 0)
    yield found
    found.close()


@pytest.fixture
def settle(tmp_path: Path, mirror: Mirror) -> Callable[..., Path]:
    """Write nightly.toml, and the scenarios it names."""

    def write(more: str = "", slow: tuple[str, ...] = (), versions: str = "6.1.*") -> Path:
        scenarios = tmp_path / "scenarios"
        scenarios.mkdir(exist_ok=True)
        (scenarios / "test_held.py").write_text(SCENARIO.format(slow=slow))
        file = tmp_path / "nightly.toml"
        file.write_text(
            f'scenarios = "scenarios"\nhistory = "h.sqlite"\n{more}\n'
            f'[[watch]]\nsuite = "bookworm-backports"\nversions = "{versions}"\n'
        )
        return file

    return write


def filed(folder: Path) -> list[tuple[str, str]]:
    with History(str(folder / "h.sqlite")) as history:
        results = [one for night in history.runs() for one in night.record.results]
    return sorted((one.kernel_version, one.verdict) for one in results)


def nights(folder: Path) -> list[Path]:
    return sorted(file.parent for file in folder.glob("nights/*/night.json"))


def test_only_what_is_new_is_run_and_held_against_the_one_before(
    settle, mirror: Mirror, tmp_path: Path, capsys
):
    settings = settle()
    assert main(["nightly", str(settings)]) == 0
    assert filed(tmp_path) == [("6.1.98-1", "pass"), ("6.1.99-1", "pass")]
    assert main(["nightly", str(settings)]) == 0
    assert "green: nothing is new" in capsys.readouterr().out
    mirror.publish("bookworm-backports", *OLD, PARTED, NEW)
    time.sleep(1.1)  # a night is named by its second
    assert main(["nightly", str(settings)]) == 1
    assert filed(tmp_path)[0] == ("6.1.100-1", "fail")
    assert len(filed(tmp_path)) == 3
    last = nights(tmp_path)[-1]
    assert [one.version for one in read_state(last).offers] == ["6.1.100-1"]
    told = (last / "mail.txt").read_text()
    assert "Subject: [hot-remove] red: 1 kernel (1 red): 6.1.100-1" in told
    assert "worse: 1 a pin is held: pass, now fail" in told
    assert "stuck: pfn 0x100009 holds 1 long-term pin" in told
    assert "against 6.1.99-1: 1 regression" in told
    assert f"Cannot be run: 6.1.99-2: {', '.join(PARTS)} is gone" in told
    assert json.loads((last / "kcidb.json").read_text())["tests"][0]["status"] == "FAIL"
    assert (last / "6.1.100-1" / "report.html").is_file()
    assert "night.html" in capsys.readouterr().out


def test_a_dry_run_names_what_would_be_run_and_runs_nothing(settle, tmp_path: Path, capsys):
    assert main(["nightly", str(settle()), "--dry-run"]) == 0
    first, second = capsys.readouterr().out.splitlines()[1:]
    assert first.split()[0] == "6.1.99-1"
    assert "debian:bookworm-backports/6.1.98-1  no headers: without modules" in second
    assert not nights(tmp_path)


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The runs of a night, which are not done."""
    from hotremove.cli import night_run

    found: list[list[str]] = []
    monkeypatch.setattr(night_run, "run_suite", lambda command, *_: found.append(command))
    return found


def test_kernels_without_headers_run_without_modules(settle, commands):
    main(["nightly", str(settle())])
    newest, older = commands
    assert "--hotremove-kernel=debian:bookworm-backports/6.1.99-1" in newest
    assert "--hotremove-expect=lineage" in newest
    assert "--hotremove-without=modules" not in newest
    assert "--hotremove-without=modules" in older


def test_headers_that_are_listed_and_gone_are_done_without(settle, commands, mirror: Mirror, capfd):
    (gone,) = mirror.root.glob("pool/*/linux-headers-6.1.0-9-amd64_*.deb")
    gone.unlink()
    main(["nightly", str(settle())])
    assert "--hotremove-without=modules" in commands[0]
    assert re.search(r"6\.1\.99-1: .*not found.*: without modules", capfd.readouterr().err)


def test_a_night_that_was_killed_goes_on_where_it_stopped(settle, tmp_path: Path):
    settings = settle(slow=("6.1.98-1",))
    words = [sys.executable, "-m", "hotremove.cli", "nightly", str(settings)]
    child = subprocess.Popen(words, start_new_session=True)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if nights(tmp_path) and read_state(nights(tmp_path)[0]).ran:
            break
        time.sleep(0.1)
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    (folder,) = nights(tmp_path)
    record = folder / "6.1.99-1" / "results.json"
    before = record.stat().st_mtime_ns
    settle()
    assert main(["nightly", str(settings)]) == 0
    assert record.stat().st_mtime_ns == before
    assert nights(tmp_path) == [folder]
    assert read_state(folder).finished
    assert filed(tmp_path) == [("6.1.98-1", "pass"), ("6.1.99-1", "pass")]


def test_what_does_not_fit_is_told_not_filed_and_comes_again(settle, tmp_path: Path):
    settings = settle("hours = 0.002", slow=("6.1.99-1",))
    assert main(["nightly", str(settings)]) == 3
    (folder,) = nights(tmp_path)
    told = (folder / "mail.txt").read_text()
    assert "6.1.99-1: open: broken off: the night's time was up" in told
    assert "Did not fit into the night's time: 6.1.99-1, 6.1.98-1" in told
    assert filed(tmp_path) == []
    settle()
    time.sleep(1.1)
    assert main(["nightly", str(settings)]) == 0
    assert len(filed(tmp_path)) == 2


def test_a_source_that_cannot_be_watched_does_not_keep_the_others(settle, tmp_path: Path):
    settings = settle(versions="6.1.99-1")
    text = settings.read_text() + '[[watch]]\ngit = "nowhere"\ntags = ["v*"]\n'
    settings.write_text(text)
    assert main(["nightly", str(settings)]) == 3
    (folder,) = nights(tmp_path)
    assert "Not watched: git:" in (folder / "mail.txt").read_text()
    assert filed(tmp_path) == [("6.1.99-1", "pass")]


def test_two_nights_do_not_run_at_once(settle, tmp_path: Path, capsys):
    settings = settle()
    (tmp_path / "nights").mkdir()
    with FileLock(tmp_path / "nights" / ".lock"):
        assert main(["nightly", str(settings)]) == 4
    assert "another night is under way" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "[[watch]]", "hours = 1e", "watch = [{suite = 3}]"])
def test_a_bad_file_is_one_line_and_no_run(tmp_path: Path, capsys, text: str):
    file = tmp_path / "nightly.toml"
    file.write_text(text)
    assert main(["nightly", str(file)]) == 4
    (line,) = capsys.readouterr().err.splitlines()
    assert str(file) in line
    assert not nights(tmp_path)
    assert main(["nightly", str(tmp_path / "none.toml")]) == 4


def test_the_mail_goes_through_the_machines_sendmail(settle, tmp_path: Path, monkeypatch):
    program = tmp_path / "sendmail"
    program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/words\ncat > {tmp_path}/sent\n')
    program.chmod(0o755)
    monkeypatch.setattr(night_reports, "find_tool", lambda _: str(program))
    settings = settle('mail = {to = ["mm@example.org"], send = true}\n', versions="none")
    assert main(["nightly", str(settings)]) == 0
    assert (tmp_path / "words").read_text() == "-t -i\n"
    (folder,) = nights(tmp_path)
    assert (tmp_path / "sent").read_bytes() == (folder / "mail.txt").read_bytes()
    assert "To: mm@example.org" in (tmp_path / "sent").read_text()


def test_a_mail_that_nobody_takes_is_told_and_the_night_is_whole(
    settle, tmp_path: Path, monkeypatch, capsys
):
    monkeypatch.setattr(night_reports, "find_tool", lambda _: "/bin/false")
    settings = settle('mail = {to = ["mm@example.org"], send = true}\n', versions="none")
    assert main(["nightly", str(settings)]) == 4
    assert "/bin/false refuses it" in capsys.readouterr().err
    assert read_state(nights(tmp_path)[0]).finished


def test_a_suite_offers_each_kernel_and_what_is_gone_of_it(mirror: Mirror, tmp_path: Path):
    mirror.publish("bookworm-backports", *OLD, PARTED, WHOLE, META)
    found = debian.offered("bookworm-backports", Cache(tmp_path / "cache"))
    told = [(one.version, one.modules, one.lacks) for one in found]
    assert told == [
        ("6.1.98-1", False, ()),
        ("6.1.99-1", True, ()),
        ("6.1.99-2", False, PARTS),
        ("6.1.99-3", False, ()),
    ]


def commit(repository: Path, name: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    command = ["git", "-C", str(repository), *identity, "commit", "-qm", name, "--allow-empty"]
    subprocess.run(command, check=True)
    asked = ["git", "-C", str(repository), "rev-parse", "HEAD"]
    return subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()


def test_a_repository_offers_commits_by_its_branches_and_tags(tmp_path: Path):
    repository = tmp_path / "linux"
    subprocess.run(["git", "init", "-qb", "linux-6.12.y", str(repository)], check=True)
    first = commit(repository, "Linux 6.12.50")
    tag = ["git", "-C", str(repository), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*tag, "tag", "-am", "x", "v6.12.50"], check=True)
    second = commit(repository, "mm: a fix")
    subprocess.run(["git", "-C", str(repository), "branch", "linux-6.1.y"], check=True)
    found = git.offered(str(repository), ["linux-6.12.*"], ["v6.12.*"], ["page-owner"])
    assert {one.spec: one.version for one in found} == {
        f"git:{repository}#{first}+page-owner": "6.12.50+page-owner",
        f"git:{repository}#{second}+page-owner": f"6.12.50-1-g{second[:12]}+page-owner",
    }
    assert all(one.date for one in found)
    assert {one.source for one in found} == {f"git:{repository}"}
