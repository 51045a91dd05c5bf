# SPDX-License-Identifier: Apache-2.0
"""Commits fetched from real servers on this machine: git's own daemon, and its CGI over HTTP."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from toy_kernel import need_git

from hotremove.cache import Cache
from hotremove.cli.main import main
from hotremove.errors import HostProblem, HotremoveError, UsageProblem
from hotremove.kernels.offers import git as offers
from hotremove.kernels.repository.mirror import open_mirror
from hotremove.kernels.sources import git

MAKEFILE = "VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = {}\n"
NOBODY = "127.0.0.1:9"


def run_git(folder: Path, *words: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=master"]
    plain = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull}
    command = ["git", "-C", str(folder), *who, *words]
    done = subprocess.run(command, check=True, env=plain, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Two point releases and a commit after them, below a folder that servers show."""
    need_git()
    folder = tmp_path / "served/linux.git"
    folder.mkdir(parents=True)
    run_git(folder, "init", "--quiet")
    for point in (98, 99):
        (folder / "Makefile").write_text(MAKEFILE.format(point))
        run_git(folder, "add", "Makefile")
        run_git(folder, "commit", "--quiet", "-m", f"Linux 6.1.{point}")
        run_git(folder, "tag", "-a", "-m", "x", f"v6.1.{point}")
    run_git(folder, "commit", "--quiet", "--allow-empty", "-m", "mm: one")
    (folder / ".git/git-daemon-export-ok").touch()
    return folder


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def git_daemon(folder: Path) -> Iterator[str]:
    port = free_port()
    words = ["git", "daemon", "--listen=127.0.0.1", f"--port={port}", f"--base-path={folder}"]
    with subprocess.Popen([*words, "--reuseaddr", str(folder)], stderr=subprocess.DEVNULL) as one:
        try:
            for _ in range(100):
                with socket.socket() as tried:
                    if tried.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.1)
            yield f"git://127.0.0.1:{port}"
        finally:
            one.terminate()


class Backend(BaseHTTPRequestHandler):
    """Hands requests to git's CGI program (git-http-backend(1))."""

    root: Path

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        done = subprocess.run(
            ["git", "http-backend"],
            input=sent,
            env={**os.environ, **self._request(path, query)},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().splitlines())
        self.send_response(int(fields.pop("Status", "200").split()[0]))
        for name, value in fields.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.do_GET()

    def _request(self, path: str, query: str) -> dict[str, str]:
        told = {"Content-Type": "CONTENT_TYPE", "Content-Encoding": "HTTP_CONTENT_ENCODING"}
        told["Git-Protocol"] = "GIT_PROTOCOL"
        here = {"PATH_INFO": path, "QUERY_STRING": query, "REQUEST_METHOD": self.command}
        here["GIT_PROJECT_ROOT"] = str(self.root)
        return {**here, **{told[name]: self.headers[name] for name in told if self.headers[name]}}

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def git_http(folder: Path) -> Iterator[str]:
    handler = type("Here", (Backend,), {"root": folder})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


@pytest.fixture(params=["git", "http"])
def server(request: pytest.FixtureRequest, repository: Path) -> Iterator[str]:
    """The URL of the repository."""
    serve = {"git": git_daemon, "http": git_http}[request.param]
    with serve(repository.parent) as place:
        yield f"{place}/linux.git/.git"


def find(text: str, cache: Cache) -> git.Commit:
    request = git.parse_request(text)
    origin = git.find_origin(request.repository)
    with open_mirror(origin.place, cache) as mirror:
        return git.find_commit(origin, request, mirror)


def refusal(text: str, cache: Cache, kind: type[HotremoveError]) -> str:
    with pytest.raises(kind) as caught:
        find(text, cache)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_tag_a_branch_and_a_commit_of_a_server(server: str, repository: Path, tmp_path: Path):
    cache = Cache(tmp_path / "cache")
    by_tag = find(f"{server}#v6.1.98", cache)
    assert (by_tag.described, str(by_tag.version)) == ("v6.1.98", "6.1.98")
    newest = run_git(repository, "rev-parse", "HEAD")
    for ref in ("master", "origin/master", newest):
        found = find(f"{server}#{ref}", cache)
        assert (found.id, found.described) == (newest, f"v6.1.99-1-g{newest[:12]}")
    (mirror,) = (cache.root / "git").iterdir()
    assert run_git(mirror, "for-each-ref").count("refs/kept/") == 2


def test_a_server_offers_what_its_tags_name(server: str):
    found = offers.offered(server, tags=["v6.1.*"])
    assert sorted(one.version for one in found) == ["6.1.98", "6.1.99"]


def test_what_a_server_does_not_have_is_one_line(server: str, tmp_path: Path):
    cache = Cache(tmp_path / "cache")
    told = f"git:{server}#v6.1.97: there is no such tag, branch or commit"
    assert refusal(f"{server}#v6.1.97", cache, UsageProblem) == told
    assert "does not give" in refusal(f"{server}#{'a' * 40}", cache, HostProblem)
    place = server.replace("linux.git", "nothing.git")
    assert "cannot be reached: " in refusal(f"{place}#v6.1.98", cache, HostProblem)


@pytest.mark.parametrize("scheme", ["git", "http", "ssh"])
def test_nobody_answers(scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    need_git()
    if scheme == "ssh" and not shutil.which("ssh"):
        pytest.skip("needs ssh")
    monkeypatch.setenv("HOTREMOVE_CACHE", str(tmp_path / "cache"))
    place = f"{scheme}://{NOBODY}/linux.git"
    told = refusal(f"{place}#v6.1.98", Cache(tmp_path / "cache"), HostProblem)
    assert told.startswith(f"{place} cannot be reached: ")
    assert "onnect" in told.rpartition("cannot be reached: ")[2]
    assert not told.endswith(":")
    assert main(["kernels", "build", f"git:{place}#v6.1.98"]) == 4
    assert "cannot be reached" in capsys.readouterr().err.splitlines()[-1]
