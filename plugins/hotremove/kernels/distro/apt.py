# SPDX-License-Identifier: Apache-2.0
"""A private apt: the machine's settings, but lists, archives and sources of its own.

The machine's lists and sources are read by nothing here and written by nothing here. Its apt.conf.d
still applies (proxies, Check-Valid-Until); its hooks after an update don't, as they act on it.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from hotremove import processes
from hotremove.architecture.architecture import Architecture
from hotremove.architecture.known import DEFAULT
from hotremove.cache import no_space
from hotremove.errors import HostProblem
from hotremove.hosttools import packages
from hotremove.kernels.distro import mirrors
from hotremove.progress import transfer, waiting

# Debian's place for it, and Fedora's.
_HELPERS = (Path("/usr/lib/apt/apt-helper"), Path("/usr/libexec/apt/apt-helper"))
_MACHINE_PARTS = Path("/etc/apt/apt.conf.d")
_MACHINE_MAIN = Path("/etc/apt/apt.conf")

_NO_RELEASE = re.compile(
    r"^E: The repository '\S+ (\S+) Release' does (?:not|no longer) have a Release file", re.M
)
# As apt's http and file methods tell it.
_NOT_FOUND = re.compile(r"\b404\b|\bFile not found\b")
# Seconds. apt itself gives up a server that is silent for 30, and tries again some times.
_UPDATE = 900.0
# Without a word on how far a download is.
_STALL = 600.0
_PROGRESS = re.compile(r"dlstatus:\d+:([\d.]+):")


class Unreachable(HostProblem):
    """The mirror cannot be reached, or refuses: what is cached may still do."""


class Gone(Unreachable):
    """The mirror answers, and does not have a file that its own lists name."""


class NoSuchSuites(HostProblem):
    """The mirror answers, but has no such suites; `suites` names them."""

    def __init__(self, suites: tuple[str, ...]) -> None:
        super().__init__(f"the mirror has no suite {', '.join(suites)}")
        self.suites = suites


@dataclass(frozen=True)
class Repository:
    """One suite on one mirror; `keyring` must have signed it (None: the machine's trusted keys)."""

    uri: str
    suite: str
    keyring: Path | None = None

    def deb822(self) -> str:
        """A stanza for a .sources file (sources.list(5))."""
        signed = f"Signed-By: {self.keyring}\n" if self.keyring else ""
        return f"Types: deb\nURIs: {self.uri}\nSuites: {self.suite}\nComponents: main\n{signed}"

    def one_line(self) -> str:
        """The same as a line for a .list file."""
        signed = f"[signed-by={self.keyring}] " if self.keyring else ""
        return f"deb {signed}{self.uri} {self.suite} main"


@dataclass(frozen=True)
class Archive:
    """A package file on the mirror, vouched for by the suite's signature; `size` in bytes."""

    uri: str
    name: str
    size: int
    sha256: str


Stanza = dict[str, str]


@dataclass(frozen=True)
class PrivateApt:
    """apt with its state below `root`."""

    root: Path
    arch: Architecture = DEFAULT

    @property
    def _stamp(self) -> Path:
        return self.root / "refreshed"

    def fetched(self) -> float | None:
        """When the lists were fetched, in seconds of time.time(); None when they never were."""
        return self._stamp.stat().st_mtime if self._stamp.is_file() else None

    def age(self, wanted: Sequence[Repository]) -> float | None:
        """Seconds since the lists of `wanted` were fetched; None when they never were."""
        fetched = self.fetched()
        if fetched is None or self._stamp.read_text() != _sources(wanted):
            return None
        return time.time() - fetched

    def suites(self) -> set[str]:
        """The suites in the sources: those wanted at the last refresh that exist."""
        sources = self.root / "suites.sources"
        text = sources.read_text() if sources.is_file() else ""
        return set(re.findall(r"^Suites: (\S+)$", text, re.M))

    def update(self, wanted: Sequence[Repository], optional: Collection[str], what: str) -> None:
        """Fetch the lists of the `wanted` suites; those in `optional` may be absent.

        Raises:
            NoSuchSuites: the mirror lacks a suite that is not optional.
            Unreachable: the lists cannot be fetched, or their signatures are not good.
        """
        try:
            self._refresh(wanted, what)
        except NoSuchSuites as error:
            if not set(error.suites) <= set(optional):
                raise
            left = [repository for repository in wanted if repository.suite not in error.suites]
            self._refresh(left, what)
        self._stamp.write_text(_sources(wanted))

    def _prepare(self, repositories: Sequence[Repository]) -> None:
        for name in ("state/lists/partial", "cache/archives/partial", "conf.d", "archives"):
            (self.root / name).mkdir(parents=True, exist_ok=True)
        (self.root / "status").touch()
        (self.root / "apt.conf").write_text(self._first_settings())
        (self.root / "conf.d" / "00machine").write_text(_machine_settings())
        (self.root / "conf.d" / "99hotremove").write_text(self._last_settings())
        (self.root / "suites.sources").write_text(_sources(repositories))

    def _refresh(self, repositories: Sequence[Repository], what: str) -> None:
        self._prepare(repositories)
        with waiting(f"fetching the package lists of {what}"):
            fetching = f"fetching the package lists of {what}"
            done = self._run(["apt-get", "-q", "update"], fetching)
        if done.returncode == 0:
            return
        if missing := _NO_RELEASE.findall(done.stderr):
            raise NoSuchSuites(tuple(missing))
        raise failure(f"fetching the package lists of {what}", done.stderr)

    def names(self, prefix: str) -> list[str]:
        """Names of packages that begin with `prefix`."""
        return self._run(["apt-cache", "pkgnames", prefix]).stdout.split()

    def show(self, names: Sequence[str]) -> list[Stanza]:
        """The control stanzas of all versions of the packages `names`; unknown ones give none."""
        if not names:
            return []
        return parse_stanzas(self._run(["apt-cache", "show", *names]).stdout)

    def locate(self, name: str, version: str) -> Archive | None:
        """Where the package's file lies, or None when the lists don't have it."""
        command = ["apt-get", "-q", "download", "--print-uris", f"{name}={version}"]
        return parse_uri(self._run(command).stdout)

    def fetch(self, archives: Sequence[Archive], what: str) -> tuple[Path, ...]:
        """Download the files, or continue a download that was cut off; apt checks their hashes.

        Raises:
            Unreachable: a file cannot be fetched.
        """
        files = tuple(self.root / "archives" / archive.name for archive in archives)
        helper = next((path for path in _HELPERS if path.is_file()), _HELPERS[0])
        command = [str(helper), "-q", "-o", "APT::Status-Fd=1", "download-file"]
        for archive, file in zip(archives, files, strict=True):
            command += [archive.uri, str(file), f"SHA256:{archive.sha256}"]
        total = sum(archive.size for archive in archives)
        self._follow(command, f"downloading {what} ({total / 1e6:.0f} MB)", total)
        return files

    def _follow(self, command: list[str], title: str, total: int) -> None:
        """Run a downloading command and show the percentages it prints."""
        output: list[str] = []
        with (
            transfer(title, total) as bar,
            processes.started(
                command,
                title,
                _STALL,
                env=self._environment(),
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
            ) as child,
        ):
            for line in child.lines():
                output.append(line)
                if found := _PROGRESS.match(line):
                    bar.advance_to(int(float(found.group(1)) * total / 100))
        if child.process.returncode:
            raise failure(title, "".join(output))

    def _run(
        self, command: list[str], what: str = "asking apt"
    ) -> subprocess.CompletedProcess[str]:
        try:
            return processes.run(command, what, _UPDATE, env=self._environment())
        except FileNotFoundError as error:
            raise HostProblem(f"debian: kernels need apt: {packages.advice('apt')}") from error

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "APT_CONFIG": str(self.root / "apt.conf"), "LC_ALL": "C.UTF-8"}

    def _first_settings(self) -> str:
        """Read before all else: where things are (apt.conf(5), the order of configuration)."""
        return (
            f'Dir::State "{self.root}/state/";\n'
            f'Dir::State::status "{self.root}/status";\n'
            f'Dir::Cache "{self.root}/cache/";\n'
            f'Dir::Etc::parts "{self.root}/conf.d/";\n'
            'Dir::Etc::main "/dev/null";\n'
        )

    def _last_settings(self) -> str:
        """Read after the machine's settings, so that no snippet of it moves the state elsewhere."""
        return self._first_settings() + (
            f'Dir::Etc::sourcelist "{self.root}/suites.sources";\n'
            'Dir::Etc::sourceparts "/dev/null";\n'
            'Dir::Etc::preferences "/dev/null";\n'
            'Dir::Etc::preferencesparts "/dev/null";\n'
            # Container images switch apt's own caches off; with them a query is a second faster.
            'Dir::Cache::pkgcache "pkgcache.bin";\n'
            'Dir::Cache::srcpkgcache "srcpkgcache.bin";\n'
            "#clear APT::Update;\n"
            'APT::Update::Error-Mode "any";\n'
            "#clear APT::Architectures;\n"
            f'APT::Architecture "{self.arch.debian}";\n'
            f'APT::Architectures {{ "{self.arch.debian}"; }};\n'
            'Acquire::Languages "none";\n'
            'Acquire::AllowInsecureRepositories "false";\n'
            'Acquire::AllowWeakRepositories "false";\n'
            'Acquire::AllowDowngradeToInsecureRepositories "false";\n'
            # The sandbox user cannot read a cache below somebody's home.
            'APT::Sandbox::User "root";\n'
        )


def _sources(repositories: Sequence[Repository]) -> str:
    return "\n".join(repository.deb822() for repository in repositories)


def _machine_settings() -> str:
    included = [path for path in (_MACHINE_PARTS, _MACHINE_MAIN) if path.exists()]
    lines = [f'#include "{path}{"/" if path.is_dir() else ""}";\n' for path in included]
    if own := os.environ.get("APT_CONFIG"):
        lines.insert(0, f'#include "{own}";\n')
    return "".join(lines)


def parse_stanzas(text: str) -> list[Stanza]:
    """Control stanzas as mappings; continuation lines are dropped, as none is needed."""
    stanzas = (re.findall(r"^([\w-]+): (.*)$", block, re.M) for block in text.split("\n\n"))
    return [dict(fields) for fields in stanzas if fields]


def parse_uri(text: str) -> Archive | None:
    """The file that `apt-get download --print-uris` describes."""
    found = re.search(r"^'(\S+)' (\S+) (\d+) SHA256:([0-9a-f]{64})", text, re.M)
    if not found:
        return None
    uri, name, size, sha256 = found.groups()
    return Archive(uri, name, int(size), sha256)


def failure(what: str, output: str) -> HostProblem:
    """The error for a fetch that failed, by what apt printed."""
    if "No space left on device" in output:
        return no_space(what)
    why = first_error(output)
    kind = Gone if _NOT_FOUND.search(why) else Unreachable
    return kind(
        f"{what} fails: {why} (check the network, or name another mirror in {mirrors.MIRROR})"
    )


def first_error(output: str) -> str:
    """The line of apt's output that says what went wrong, without its mark."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    marks = ("W: GPG error", "E:", "W:")
    marked = [line for mark in marks for line in lines if line.startswith(mark)]
    chosen = (marked or lines[-1:] or ["no reason given"])[0]
    return re.sub(r"^[EW]: ", "", re.sub(r"\s+", " ", chosen))
