# SPDX-License-Identifier: Apache-2.0
"""Every option and ini key of the plugin, with its validation."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from hotremove.errors import UsageProblem
from hotremove.guest.local import BOOT_DEADLINE
from hotremove.lineage.changelog import Claims, read_changelog
from hotremove.lineage.changes import find_change
from hotremove.plugin.rounds import SEED, new_seed
from hotremove.plugin.without import check_words
from hotremove.remote.hosts import Host, labelled, read_hosts
from hotremove.session.options import Options
from hotremove.virt.accelerator import CHOICES
from hotremove.virt.hostdev import HostDevice, parse_device

EXPECTATIONS = ("strict", "lineage")
_WORDS = ("has", "lacks")
DEFAULT_KERNEL = "debian:bookworm"
MARKERS = (
    "hotremove: boots guests and hot-removes their memory",
    "scenario(number, title, control=False): a row of docs/scenarios.md, or its control",
    "wide: a row that stable kernels are known to fail: the lineage has its word whatever --expect",
    "sensitive: fails when the fix is turned off; --prove shows it on the kernel under test",
    "topology(name): the guest's topology, a file of guests/topologies (default: --topology)",
    "dimm(mib): size of the DIMM that the fixture movable_dimm plugs, in MiB",
    "allow_splat(kind, pattern, reason, expires): a kernel report that may come, until a last day",
    "expect_splat(kind, pattern): a kernel report that must come; a panic may end the guest",
    "pins(*paths): run once for each of these pin paths, through the fixture `pinner`",
    "nightly: takes long; not in -m hotremove",
)


# Each option, as argparse takes it.
_OPTIONS: dict[str, dict[str, Any]] = {
    "--kernel": {
        "action": "append",
        "metavar": "SPEC",
        "help": "kernel under test, repeatable: debian:SUITE[/VERSION], deb:PATH[,PATH], dir:PATH, "
        f"host … (ini: hotremove_kernels; default: {DEFAULT_KERNEL})",
    },
    "--topology": {"metavar": "NAME", "help": "guest topology (ini: hotremove_topology)"},
    "--accel": {"choices": CHOICES, "help": "accelerator (ini: hotremove_accel)"},
    "--farm-uri": {
        "metavar": "URI",
        "help": "libvirt URI; default: libvirt's QEMU driver inside pytest (ini: hotremove_uri)",
    },
    "--farm-hosts": {
        "metavar": "FILE",
        "help": "TOML list of machines to run guests on, through their libvirt "
        "(ini: hotremove_hosts)",
    },
    "--farm-label": {
        "action": "append",
        "default": [],
        "metavar": "LABEL",
        "help": "take only hosts that carry this label, repeatable",
    },
    "--device": {
        "action": "append",
        "default": [],
        "metavar": "KIND=host:ADDRESS",
        "help": "give guests this machine's PCI device in place of the emulated one, repeatable: "
        "rdma=host:0000:65:00.0, vfio=host:…",
    },
    "--rebind-devices": {
        "action": "store_true",
        "help": "let the farm take a device from the host's driver, until the guest's end",
    },
    "--artifacts": {
        "metavar": "DIR",
        "help": "keep evidence and results.json here (ini: …_artifacts)",
    },
    "--removal-deadline": {
        "type": float,
        "metavar": "SECONDS",
        "help": "how long a hot-remove may take before it is stuck (ini: …_removal_deadline)",
    },
    "--fresh-boot": {
        "action": "store_true",
        "help": "boot every guest instead of restoring a saved one",
    },
    "--boot-deadline": {
        "type": float,
        "metavar": "SECONDS",
        "help": "how long a guest may take to boot (ini: …_boot_deadline)",
    },
    "--keep-guest": {
        "action": "store_true",
        "help": "let the guest of a failed test live on, and say how to reach and to end it",
    },
    "--gdb": {
        "type": int,
        "metavar": "PORT",
        "help": "boot each guest with QEMU's gdb stub on this port of loopback and wait for gdb; "
        "nothing times out",
    },
    "--allow-file": {
        "action": "append",
        "metavar": "FILE",
        "help": "TOML list of kernel reports that may come, repeatable "
        "(ini: hotremove_allow_files)",
    },
    "--expect": {
        "choices": EXPECTATIONS,
        "help": "strict: a bug fails; lineage: a bug that the kernel's version is known to have is "
        "green, and red when it does not show (ini: hotremove_expect)",
    },
    "--has": {
        "action": "append",
        "default": [],
        "metavar": "HASH",
        "help": "an upstream change that the kernels' vendor has, repeatable",
    },
    "--lacks": {
        "action": "append",
        "default": [],
        "metavar": "HASH",
        "help": "an upstream change that the kernels' vendor lacks, repeatable",
    },
    "--changelog": {
        "metavar": "FILE",
        "help": "the vendor's changelog: Debian's, RPM's, or the text of git log; says likewise "
        "what the kernels have; --has and --lacks correct it",
    },
    "--without": {
        "action": "append",
        "default": [],
        "metavar": "CAPABILITY",
        "help": "leave scenarios out that need it, though the kernel may allow them; they count as "
        "not looked at. Repeatable: modules, cost, a pin path …; a wrong one is answered with all",
    },
    "--prove": {
        "action": "store_true",
        "help": "run sensitive scenarios again with the fix turned off and require them to fail",
    },
    "--seed": {
        "type": int,
        "metavar": "NUMBER",
        "help": "repeat a run of scenarios in which chance decides; default: a new one, told at "
        "start",
    },
    "--rounds": {
        "type": int,
        "metavar": "NUMBER",
        "help": "how often such a scenario tries (ini: hotremove_rounds)",
    },
}
# Each ini key: what it is, its type, its default.
_INI: dict[str, tuple[str, Any, Any]] = {
    "hotremove_rounds": ("rounds of scenarios with chance", None, "3"),
    "hotremove_expect": ("strict or lineage", None, "strict"),
    "hotremove_allow_files": ("lists of allowed reports", "paths", []),
    "hotremove_kernels": ("kernel specs", "linelist", [DEFAULT_KERNEL]),
    "hotremove_topology": ("guest topology", None, "movable-node"),
    "hotremove_accel": ("accelerator: auto, kvm or tcg", None, "auto"),
    "hotremove_uri": ("libvirt URI", None, ""),
    "hotremove_hosts": ("file with the farm's machines", None, ""),
    "hotremove_artifacts": ("directory for evidence", None, ""),
    "hotremove_removal_deadline": ("seconds a hot-remove may take", None, "30"),
    "hotremove_boot_deadline": ("seconds a guest may take to boot", None, f"{BOOT_DEADLINE:g}"),
}
# Where the option has another name.
_OPTION_OF = {
    "kernels": "kernel",
    "uri": "farm_uri",
    "hosts": "farm_hosts",
    "allow_files": "allow_file",
}


def add_options(parser: pytest.Parser) -> None:
    """Register options and their ini keys; the command line wins over ini."""
    group = parser.getgroup("hotremove", "memory hot-remove farm")
    for name, words in _OPTIONS.items():
        group.addoption(name, **words)
    for key, (purpose, kind, default) in _INI.items():
        parser.addini(key, purpose, type=kind, default=default)


def setting(config: pytest.Config, key: str) -> Any:
    """What the command line says, else the ini file; `key` is that of ini without `hotremove_`."""
    given = config.getoption(_OPTION_OF.get(key, key))
    return config.getini(f"hotremove_{key}") if given is None else given


def read_options(config: pytest.Config) -> Options:
    """The settings of this run.

    Raises:
        UsageProblem: a value makes no sense.
    """
    kernels = tuple(setting(config, "kernels"))
    accelerator = setting(config, "accel")
    if accelerator not in CHOICES:
        raise UsageProblem(f"hotremove_accel = {accelerator}: one of {', '.join(CHOICES)}")
    claims = _claims(config)
    artifacts = setting(config, "artifacts")
    return Options(
        kernels=tuple(dict.fromkeys(kernels)),
        topology=setting(config, "topology"),
        accelerator=accelerator,
        uri=setting(config, "uri") or None,
        artifacts=Path(artifacts).absolute() if artifacts else None,
        deadline=_seconds(config, "removal_deadline"),
        fresh_boot=bool(config.getoption("fresh_boot")),
        boot_deadline=_seconds(config, "boot_deadline"),
        keep_guest=bool(config.getoption("keep_guest")),
        gdb=_port(config),
        allow_files=_allow_files(config),
        expect=_expectation(config),
        has=claims.has,
        lacks=claims.lacks,
        without=check_words(config.getoption("without")),
        prove=bool(config.getoption("prove")),
        seed=_seed(config),
        rounds=_rounds(config),
        hosts=_hosts(config),
        devices=_devices(config),
        rebind=bool(config.getoption("rebind_devices")),
    )


def _seconds(config: pytest.Config, option: str) -> float:
    """A deadline, from the command line or from ini."""
    text = setting(config, option)
    try:
        deadline = float(text)
    except ValueError as error:
        raise UsageProblem(f"hotremove_{option} = {text}: not a number") from error
    if not 0 < deadline < 86400:
        raise UsageProblem(f"a {option.replace('_', ' ')} of {deadline:g} s makes no sense")
    return deadline


def _seed(config: pytest.Config) -> int:
    """The seed given, else what the controller tells its worker, else a new one."""
    seed: int | None = config.getoption("seed")
    if seed is not None and seed < 0:
        raise UsageProblem(f"--seed {seed}: a seed is not negative")
    if seed is not None:
        return seed
    told: int | None = getattr(config, "workerinput", {}).get(SEED)
    return new_seed() if told is None else told


def _rounds(config: pytest.Config) -> int:
    text = str(setting(config, "rounds"))
    if not text.isdecimal() or not 0 < int(text) <= 100_000:
        raise UsageProblem(f"hotremove_rounds = {text}: a number from 1 to 100000")
    return int(text)


def _expectation(config: pytest.Config) -> str:
    wanted: str = setting(config, "expect")
    if wanted not in EXPECTATIONS:
        raise UsageProblem(f"hotremove_expect = {wanted}: one of {', '.join(EXPECTATIONS)}")
    return wanted


def _claims(config: pytest.Config) -> Claims:
    changelog = config.getoption("changelog")
    said = read_changelog(Path(changelog)) if changelog else Claims()
    return said.over(*([find_change(one).hash for one in config.getoption(w)] for w in _WORDS))


def _allow_files(config: pytest.Config) -> tuple[Path, ...]:
    given = setting(config, "allow_files")
    return tuple(Path(file).absolute() for file in given)


def _hosts(config: pytest.Config) -> tuple[Host, ...]:
    """The machines that guests are to run on.

    Raises:
        UsageProblem: their file makes no sense, or does not go with another option.
    """
    file = setting(config, "hosts")
    labels = config.getoption("farm_label")
    if not file:
        if labels:
            raise UsageProblem(f"--farm-label {labels[0]}: hosts come from --farm-hosts")
        return ()
    if setting(config, "uri"):
        raise UsageProblem("--farm-uri (ini: hotremove_uri) does not go with --farm-hosts")
    if setting(config, "accel") != "auto":
        raise UsageProblem(
            "--accel (ini: hotremove_accel) does not go with --farm-hosts: "
            "hosts.toml says who has kvm"
        )
    for option in ("gdb", "keep_guest", "reruns"):
        if config.getoption(option, None):
            raise UsageProblem(f"--{option.replace('_', '-')} does not go with --farm-hosts")
    hosts = labelled(read_hosts(Path(file)), labels)
    workers, slots = len(getattr(config.option, "tx", None) or ()), sum(h.slots for h in hosts)
    if workers > slots:
        raise UsageProblem(f"-n {workers}: the hosts have {slots} slots")
    return hosts


def _devices(config: pytest.Config) -> tuple[HostDevice, ...]:
    """The devices given.

    Raises:
        UsageProblem: two guests would want the same, or guests are elsewhere.
    """
    given = tuple(parse_device(text) for text in config.getoption("device"))
    if given and (setting(config, "hosts") or urlsplit(setting(config, "uri")).hostname):
        raise UsageProblem("--device is of this machine, and guests are to run on another")
    if given and len(getattr(config.option, "tx", None) or ()) > 1:
        raise UsageProblem("--device: only one guest can have it: leave out -n")
    kinds = [device.kind for device in given]
    if len(set(kinds)) < len(kinds):
        raise UsageProblem("--device: one of a kind")
    return given


def _port(config: pytest.Config) -> int | None:
    port: int | None = config.getoption("gdb")
    if port is not None and not 0 < port < 65536:
        raise UsageProblem(f"--gdb {port}: a port is 1 to 65535")
    if port is not None and getattr(config.option, "tx", None):
        raise UsageProblem(f"--gdb {port}: only one guest can have the port: leave out -n")
    return port
