# SPDX-License-Identifier: Apache-2.0
"""A Debian suite: its repositories, its package lists in the cache, how old they may be."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from hotremove import processes
from hotremove.architecture.architecture import Architecture
from hotremove.architecture.known import DEFAULT, suffix
from hotremove.cache import Cache
from hotremove.errors import HostProblem, UsageProblem
from hotremove.kernels.distro import mirrors
from hotremove.kernels.distro.apt import NoSuchSuites, PrivateApt, Repository, Unreachable
from hotremove.progress import say

REFRESH_SECONDS = 12 * 3600
"""How old package lists may be before they are fetched again."""

RETRY_SECONDS = 300
"""Lists younger than this are not fetched again when they lack a kernel."""

_BOOTSTRAP_SETTINGS = re.compile(
    r"^Acquire::(?:(?:http|https|socks)(?:::\S+)?|Check-Valid-Until|Check-Date|Max-ValidTime\S*"
    r'|Retries|ForceIPv[46]|Languages\S*) ".+";$',
    re.MULTILINE,
)

T = TypeVar("T")


class NotOnMirror(UsageProblem):
    """The mirror answers, but has no such suite or version; the cache may still have it."""


@dataclass(frozen=True)
class AptEnvironment:
    """What a tool needs to install packages of a suite by itself, mmdebstrap for one.

    Attributes:
        suite: the suite to bootstrap, `trixie` for `trixie-backports`.
        sources: lines of a sources.list, with signed-by where a keyring is known.
        options: apt settings of this machine that a bootstrap needs, `Acquire::http::Proxy "..."`.
    """

    suite: str
    sources: tuple[str, ...]
    options: tuple[str, ...]


def apt_environment(suite: str, cache: Cache) -> AptEnvironment:
    """Sources and settings for a build root of `suite`, which may be a backports suite.

    Raises:
        UsageProblem: the mirror has no such suite.
        HostProblem: no mirror is known or reachable.
    """
    base = base_suite(suite)
    repositories: list[Repository] = []
    for name in dict.fromkeys((base, suite)):
        with cache.lock("apt", name):
            apt = private_apt(name, cache)
            _update_lists(apt, name, limit=REFRESH_SECONDS)
            present = apt.suites()
        repositories += [wanted for wanted in wanted_repositories(name) if wanted.suite in present]
    return AptEnvironment(
        suite=base,
        sources=tuple(repository.one_line() for repository in repositories),
        options=_bootstrap_settings(),
    )


def base_suite(suite: str) -> str:
    """The suite that can be bootstrapped: `trixie` for `trixie-backports`."""
    return suite.removesuffix("-backports")


def wanted_repositories(suite: str) -> tuple[Repository, ...]:
    """The suite, then its updates and its security suite, which not every suite has."""
    found = mirrors.find()
    wanted = [Repository(found.main, suite, found.keyring)]
    if _has_companions(suite):
        wanted.append(Repository(found.main, f"{suite}-updates", found.keyring))
        if found.security:
            wanted.append(Repository(found.security, f"{suite}-security", found.keyring))
    return tuple(wanted)


def with_lists(
    suite: str, cache: Cache, take: Callable[[PrivateApt], T], arch: Architecture = DEFAULT
) -> T:
    """What `take` finds in the suite's lists, or in fresh ones if those are out of date.

    Raises:
        NotOnMirror, Unreachable: as `take`, or there are no lists to be had.
    """
    apt = private_apt(suite, cache, arch)
    _update_lists(apt, suite, limit=REFRESH_SECONDS)
    try:
        return take(apt)
    except (Unreachable, NotOnMirror):
        if not _update_lists(apt, suite, limit=RETRY_SECONDS):
            raise
        return take(apt)


def packages_gone(
    suite: str, names: Sequence[str], cache: Cache, arch: Architecture = DEFAULT
) -> tuple[str, ...]:
    """Which packages the suite, or the one that it is built on, has no more; none if unknown.

    By package lists alone, which are fetched where there are none or old ones.
    """
    left = set(names)
    for name in dict.fromkeys((suite, base_suite(suite))):
        if not left:
            break
        try:
            with cache.lock("apt", f"{name}{suffix(arch)}"):
                apt = private_apt(name, cache, arch)
                _update_lists(apt, name, limit=REFRESH_SECONDS)
                left -= {stanza["Package"] for stanza in apt.show(sorted(left))}
        except (HostProblem, NotOnMirror):
            return ()
    return tuple(name for name in names if name in left)


def private_apt(suite: str, cache: Cache, arch: Architecture = DEFAULT) -> PrivateApt:
    """An apt of the farm's own, with the lists of `suite` for one architecture."""
    return PrivateApt(cache.path("apt", f"{suite}{suffix(arch)}"), arch)


def _update_lists(apt: PrivateApt, suite: str, limit: float) -> bool:
    """Fetch the lists if older than `limit` seconds; True when they were fetched now.

    Old lists will do when the mirror cannot be reached.
    """
    wanted = wanted_repositories(suite)
    age = apt.age(wanted)
    if age is not None and age < limit:
        return False
    optional = {repository.suite for repository in wanted[1:]}
    try:
        apt.update(wanted, optional, f"debian:{suite}")
    except NoSuchSuites as error:
        raise NotOnMirror(
            f"debian:{suite}: the mirror has no suite {suite}; write a codename it carries,"
            " like debian:bookworm or debian:trixie-backports"
        ) from error
    except Unreachable as error:
        if age is None:
            raise
        say(f"{error}; using the lists of {age / 3600:.0f} hours ago")
        return False
    return True


def _has_companions(suite: str) -> bool:
    return not suite.endswith(("-backports", "-updates", "-security", "-proposed-updates"))


def _bootstrap_settings() -> tuple[str, ...]:
    """The machine's apt settings on how to reach mirrors and how old an index may be."""
    done = processes.run(["apt-config", "dump"], "asking apt for its settings")
    return tuple(line.removesuffix(";") for line in _BOOTSTRAP_SETTINGS.findall(done.stdout))
