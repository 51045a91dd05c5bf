# SPDX-License-Identifier: Apache-2.0
"""Which mirrors Debian's packages come from: the machine's own, unless the user names others."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hotremove import processes
from hotremove.errors import HostProblem, UsageProblem
from hotremove.hosttools import packages
from hotremove.hosttools.distribution import this_machine

MIRROR = "HOTREMOVE_MIRROR"
SECURITY_MIRROR = "HOTREMOVE_SECURITY_MIRROR"
KEYRING = "HOTREMOVE_MIRROR_KEYRING"

_ARCHIVE_KEYRINGS = (
    Path("/usr/share/keyrings/debian-archive-keyring.gpg"),
    Path("/usr/share/keyrings/debian-archive-keyring.pgp"),
)
_INDEX = re.compile(r"^'(\S+?)/dists/(\S+?)/main/binary-[^/]+/Packages", re.MULTILINE)
_MAIN_SUITE = re.compile(
    r"(?:buster|bullseye|bookworm|trixie|forky|duke|sid|(?:old)*stable|testing|unstable)"
    r"(?:-updates|-backports)?"
)
_SECURITY_SUITE = re.compile(r".*-security|.*/updates")


@dataclass(frozen=True)
class Mirrors:
    """Where to fetch from: URIs without a trailing slash; `security` is None when not known.

    `keyring` holds the keys that must have signed the suites; None means apt's own trusted keys.
    """

    main: str
    security: str | None
    keyring: Path | None


def find(environment: Mapping[str, str] = os.environ) -> Mirrors:
    """The mirrors named in the environment, else those of the machine's apt configuration.

    Raises:
        HostProblem: apt is not installed, or names no Debian mirror.
        UsageProblem: the keyring named in the environment does not exist.
    """
    keyring = _keyring(environment)
    main, security = environment.get(MIRROR), environment.get(SECURITY_MIRROR)
    if not main or not security:
        machine = parse_indexes(_machine_indexes(environment))
        # A mirror the user names may carry no security suites: the machine's may not fit it.
        security = security or (None if main else machine[1])
        main = main or machine[0]
    if not main:
        raise HostProblem(
            f"apt on this machine ({this_machine().name}) knows no Debian mirror: "
            f"set {MIRROR}=URI, and {SECURITY_MIRROR}=URI for security updates"
        )
    return Mirrors(main.rstrip("/"), security.rstrip("/") if security else None, keyring)


def named() -> list[str]:
    """What the user says of mirrors; a change of it outdates all that was learned from others."""
    return [os.environ.get(name, "") for name in (MIRROR, SECURITY_MIRROR, KEYRING)]


def parse_indexes(uris: str) -> tuple[str | None, str | None]:
    """The main and the security mirror among the URIs `apt-get update --print-uris` prints.

    Other archives use Debian's suite names too; the one that serves most of them is the mirror.
    """
    found = {(site, suite) for site, suite in _INDEX.findall(uris)}
    security = [site for site, suite in found if _SECURITY_SUITE.fullmatch(suite)]
    main = [site for site, suite in found if _MAIN_SUITE.fullmatch(suite)]
    return _most_frequent(main), _most_frequent(security)


def _most_frequent(sites: Iterable[str]) -> str | None:
    ranked = Counter(sorted(sites)).most_common(1)
    return ranked[0][0] if ranked else None


def _machine_indexes(environment: Mapping[str, str]) -> str:
    """What apt would fetch on an update; apt reads its own formats, and nothing is fetched."""
    command = ["apt-get", "update", "--print-uris"]
    try:
        done = processes.run(command, "asking apt for its mirrors", env=environment)
    except FileNotFoundError as error:
        raise HostProblem(f"debian: kernels need apt: {packages.advice('apt')}") from error
    return done.stdout


def _keyring(environment: Mapping[str, str]) -> Path | None:
    if named := environment.get(KEYRING):
        path = Path(named).expanduser()
        if not path.is_file():
            raise UsageProblem(f"{KEYRING} names {path}, which is not a file")
        return path.absolute()
    return next((path for path in _ARCHIVE_KEYRINGS if path.is_file()), None)
