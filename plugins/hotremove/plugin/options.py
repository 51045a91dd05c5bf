# SPDX-License-Identifier: Apache-2.0
"""Every option and ini key of the plugin, with its validation.

pytest is a guest-house of many plugins: each option has the prefix of this one. The suite's own
runs take the options without it too, by `hotremove.plugin.short_options`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hotremove.errors import UsageProblem
from hotremove.guest.deadlines import BOOT_DEADLINE
from hotremove.plugin.without import check_words
from hotremove.session.options import ACCELERATORS, MEMORIES, Options

if TYPE_CHECKING:
    from hotremove.lineage.changelog import Claims
    from hotremove.remote.hosts import Host
    from hotremove.virt.hostdev import HostDevice

SEED = "hotremove_seed"
"""Under which a worker of pytest-xdist is told the run's seed."""
EXPECTATIONS = ("strict", "lineage")
_WORDS = ("has", "lacks")
_DRAWN: pytest.StashKey[int] = pytest.StashKey()
DEFAULT_KERNEL = "debian:bookworm"
MARKERS = (
    "hotremove: boots guests and hot-removes their memory",
    "scenario(number, title, control=False): a row of docs/scenarios.md, or its control",
    "wide: a row that stable kernels are known to fail: the lineage always has its word",
    "notices(*faults, WORD=faults): fails on a kernel with one of these faults, those of a WORD in "
    "variants with it in their id; --hotremove-prove shows it",
    "topology(name): a file of guests/topologies (default: what --hotremove-topology says)",
    "dimm(mib): size of the DIMM that the fixture movable_dimm plugs, in MiB",
    "memory(mib): size of the memory that the fixture movable_memory plugs, in MiB",
    "allow_splat(kind, pattern, reason, expires): a kernel report that may come, until a last day",
    "expect_splat(kind, pattern): a kernel report that must come; a panic may end the guest",
    "pins(*paths): run once for each of these pin paths, through the fixture `pinner`",
    "open_books(reason): leaves something pinned or in motion; its guest's books are not closed",
    "nightly: takes long; not in -m hotremove",
    "long: takes 10 s and more; with --hotremove-one-variant no fault that it does not notice",
)


PREFIX = "--hotremove-"
"""What each option begins with."""
# Each option, as argparse takes it.
OPTIONS: dict[str, dict[str, Any]] = {
    "--hotremove-kernel": {
        "action": "append",
        "metavar": "SPEC",
        "help": "kernel under test, repeatable: debian:SUITE[/VERSION], git:REPO#REF, dir:PATH, "
        f"host … (ini: hotremove_kernels; default: {DEFAULT_KERNEL})",
    },
    "--hotremove-topology": {"metavar": "NAME", "help": "guest topology (ini: hotremove_topology)"},
    "--hotremove-memory": {
        "action": "append",
        "choices": MEMORIES,
        "help": "how the memory comes that scenarios remove, repeatable (default: by DIMMs, "
        "on arm64 by virtio-mem; "
        "ini: hotremove_memory)",
    },
    "--hotremove-accel": {"choices": ACCELERATORS, "help": "accelerator (ini: hotremove_accel)"},
    "--hotremove-farm-uri": {
        "metavar": "URI",
        "help": "libvirt URI; default: libvirt's QEMU driver inside pytest (ini: hotremove_uri)",
    },
    "--hotremove-farm-hosts": {
        "metavar": "FILE",
        "help": "TOML list of machines to run guests on, through their libvirt "
        "(ini: hotremove_hosts)",
    },
    "--hotremove-farm-label": {
        "action": "append",
        "default": [],
        "metavar": "LABEL",
        "help": "take only hosts that carry this label, repeatable",
    },
    "--hotremove-device": {
        "action": "append",
        "default": [],
        "metavar": "KIND=host:ADDRESS",
        "help": "give guests this machine's PCI device in place of the emulated one, repeatable: "
        "rdma=host:0000:65:00.0, vfio=host:…",
    },
    "--hotremove-rebind-devices": {
        "action": "store_true",
        "help": "let the farm take a device from the host's driver, until the guest's end",
    },
    "--hotremove-artifacts": {
        "metavar": "DIR",
        "help": "keep evidence and results.json here (ini: …_artifacts)",
    },
    "--hotremove-cache-gib": {
        "type": float,
        "metavar": "N",
        "help": "how large the cache may get (GiB): what was used longest ago goes before a kernel "
        "is fetched (ini: hotremove_cache_gib)",
    },
    "--hotremove-removal-deadline": {
        "type": float,
        "metavar": "SECONDS",
        "help": "how long a hot-remove may take before it is stuck (ini: …_removal_deadline)",
    },
    "--hotremove-fresh-boot": {
        "action": "store_true",
        "help": "boot every guest instead of restoring a saved one",
    },
    "--hotremove-boot-deadline": {
        "type": float,
        "metavar": "SECONDS",
        "help": "how long a guest may take to boot (ini: …_boot_deadline)",
    },
    "--hotremove-keep-guest": {
        "action": "store_true",
        "help": "let the guest of a failed test live on, and say how to reach and to end it",
    },
    "--hotremove-gdb": {
        "type": int,
        "metavar": "PORT",
        "help": "boot each guest with QEMU's gdb stub on this port of loopback and wait for gdb; "
        "nothing times out",
    },
    "--hotremove-allow-file": {
        "action": "append",
        "metavar": "FILE",
        "help": "TOML list of kernel reports that may come, repeatable "
        "(ini: hotremove_allow_files)",
    },
    "--hotremove-expect": {
        "choices": EXPECTATIONS,
        "help": "strict: a bug fails; lineage: a bug that the kernel's version is known to have is "
        "green, and red when it does not show (ini: hotremove_expect)",
    },
    "--hotremove-has": {
        "action": "append",
        "default": [],
        "metavar": "HASH",
        "help": "an upstream change that the kernels' vendor has, repeatable",
    },
    "--hotremove-lacks": {
        "action": "append",
        "default": [],
        "metavar": "HASH",
        "help": "an upstream change that the kernels' vendor lacks, repeatable",
    },
    "--hotremove-changelog": {
        "metavar": "FILE",
        "help": "the vendor's changelog: Debian's, RPM's, or the text of git log; says likewise "
        "what the kernels have; --hotremove-has and --hotremove-lacks correct it",
    },
    "--hotremove-without": {
        "action": "append",
        "default": [],
        "metavar": "CAPABILITY",
        "help": "leave scenarios out that need it, though the kernel may allow them; they count as "
        "not looked at. Repeatable: modules, cost, a pin path …; a wrong one is answered with all",
    },
    "--hotremove-prove": {
        "action": "store_true",
        "help": "run scenarios again on the kernel with each fault that they say they notice, and "
        "require them to fail by it",
    },
    "--hotremove-faults": {
        "action": "append",
        "default": [],
        "metavar": "NAME[,NAME]",
        "help": "run all scenarios and controls with each of these faults, and only so; `all` for "
        "all there are; with --hotremove-prove, prove with no others. Repeatable",
    },
    "--hotremove-one-variant": {
        "action": "store_true",
        "help": "run one variant of each scenario with each fault, which chance chooses among "
        "those that name it: another one with another seed",
    },
    "--hotremove-seed": {
        "type": int,
        "metavar": "NUMBER",
        "help": "repeat a run of scenarios in which chance decides; default: a new one, told at "
        "start",
    },
    "--hotremove-rounds": {
        "type": int,
        "metavar": "NUMBER",
        "help": "how often such a scenario tries (ini: hotremove_rounds)",
    },
    "--hotremove-test-limit": {
        "type": float,
        "metavar": "SECONDS",
        "help": "how long a test with a guest may take as a whole; 0: no limit (default: by the "
        "deadlines; --timeout and the marker `timeout` have precedence; "
        "ini: hotremove_test_limit)",
    },
}
# Each ini key: what it is, its type, its default.
_INI: dict[str, tuple[str, Any, Any]] = {
    "hotremove_rounds": ("rounds of scenarios with chance", None, "3"),
    "hotremove_expect": ("strict or lineage", None, "strict"),
    "hotremove_allow_files": ("lists of allowed reports", "paths", []),
    "hotremove_kernels": ("kernel specs", "linelist", [DEFAULT_KERNEL]),
    "hotremove_topology": ("guest topology", None, "movable-node"),
    "hotremove_memory": ("how removable memory comes", "linelist", []),
    "hotremove_accel": ("accelerator: auto, kvm or tcg", None, "auto"),
    "hotremove_uri": ("libvirt URI", None, ""),
    "hotremove_hosts": ("file with the farm's machines", None, ""),
    "hotremove_artifacts": ("directory for evidence", None, ""),
    "hotremove_cache_gib": ("GiB that the cache may have; empty: any size", None, ""),
    "hotremove_removal_deadline": ("seconds a hot-remove may take", None, "30"),
    "hotremove_boot_deadline": ("seconds a guest may take to boot", None, f"{BOOT_DEADLINE:g}"),
    "hotremove_test_limit": (
        "seconds for a test with a guest as a whole; empty: by its deadlines",
        None,
        "",
    ),
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
    for name, words in OPTIONS.items():
        # Named, as pytest lets two options share a destination only where both name it.
        group.addoption(name, dest=_destination(name), **words)
    for key, (purpose, kind, default) in _INI.items():
        parser.addini(key, purpose, type=kind, default=default)


def add_short_options(parser: pytest.Parser) -> None:
    """Register each option under its name without the prefix, too."""
    group = parser.getgroup("hotremove-short", "memory hot-remove farm, in short")
    for name, words in OPTIONS.items():
        short = f"--{name.removeprefix(PREFIX)}"
        own = {"dest": _destination(name), "help": f"the same as {name}"}
        group.addoption(short, **{**words, **own})


def setting(config: pytest.Config, key: str) -> Any:
    """What the command line says, else the ini file; `key` is that of ini without `hotremove_`."""
    given = option(config, _OPTION_OF.get(key, key))
    return config.getini(f"hotremove_{key}") if given is None else given


def option(config: pytest.Config, name: str) -> Any:
    """What the command line says, or the option's default; `name` is without the prefix."""
    return config.getoption(f"hotremove_{name}")


def is_given(config: pytest.Config) -> bool:
    """Whether the command line or ini says anything to this plugin."""
    said = (config.getoption(_destination(name)) for name in OPTIONS)
    if any(one is not None and one is not False and one != [] for one in said):
        return True
    return any(config.getini(key) != default for key, (*_, default) in _INI.items())


def _destination(name: str) -> str:
    """Under which name pytest keeps an option."""
    return name.removeprefix("--").replace("-", "_")


def read_options(config: pytest.Config) -> Options:
    """The settings of this run.

    Raises:
        UsageProblem: a value makes no sense.
    """
    kernels = tuple(setting(config, "kernels"))
    accelerator = setting(config, "accel")
    if accelerator not in ACCELERATORS:
        raise UsageProblem(f"hotremove_accel = {accelerator}: one of {', '.join(ACCELERATORS)}")
    claims = _claims(config)
    artifacts = setting(config, "artifacts")
    return Options(
        kernels=tuple(dict.fromkeys(kernels)),
        topology=setting(config, "topology"),
        accelerator=accelerator,
        memory=_memory(config),
        uri=setting(config, "uri") or None,
        artifacts=Path(artifacts).absolute() if artifacts else None,
        deadline=_seconds(config, "removal_deadline"),
        fresh_boot=bool(option(config, "fresh_boot")),
        boot_deadline=_seconds(config, "boot_deadline"),
        keep_guest=bool(option(config, "keep_guest")),
        gdb=_port(config),
        allow_files=_allow_files(config),
        expect=_expectation(config),
        has=claims.has,
        lacks=claims.lacks,
        without=check_words(option(config, "without")),
        prove=bool(option(config, "prove")),
        faults=_faults(config),
        one_variant=bool(option(config, "one_variant")),
        seed=run_seed(config),
        rounds=_rounds(config),
        hosts=_hosts(config),
        devices=_devices(config),
        rebind=bool(option(config, "rebind_devices")),
        cache_gib=_gib(config),
    )


def _memory(config: pytest.Config) -> tuple[str, ...]:
    given = tuple(dict.fromkeys(setting(config, "memory")))
    for kind in given:
        if kind not in MEMORIES:
            raise UsageProblem(f"hotremove_memory = {kind}: one of {', '.join(MEMORIES)}")
    return given


def _gib(config: pytest.Config) -> float | None:
    text = setting(config, "cache_gib")
    try:
        gib = None if text == "" else float(text)
    except ValueError as error:
        raise UsageProblem(f"hotremove_cache_gib = {text}: not a number") from error
    if gib is not None and not 0 <= gib < float("inf"):
        raise UsageProblem(f"a cache of {gib:g} GiB makes no sense")
    return gib


def _seconds(config: pytest.Config, key: str) -> float:
    """A deadline, from the command line or from ini."""
    text = setting(config, key)
    try:
        deadline = float(text)
    except ValueError as error:
        raise UsageProblem(f"hotremove_{key} = {text}: not a number") from error
    if not 0 < deadline < 86400:
        raise UsageProblem(f"a {key.replace('_', ' ')} of {deadline:g} s makes no sense")
    return deadline


def run_seed(config: pytest.Config) -> int:
    """The seed given, else what the controller tells its worker, else one drawn for the run.

    Raises:
        UsageProblem: it is negative.
    """
    seed: int | None = option(config, "seed")
    if seed is not None and seed < 0:
        raise UsageProblem(f"--hotremove-seed {seed}: a seed is not negative")
    if seed is not None:
        return seed
    told: int | None = getattr(config, "workerinput", {}).get(SEED)
    return config.stash.setdefault(_DRAWN, new_seed()) if told is None else told


def new_seed() -> int:
    """A seed that nobody chose."""
    return int.from_bytes(os.urandom(4), "big")


def _faults(config: pytest.Config) -> tuple[str, ...]:
    given = option(config, "faults")
    if not given:
        return ()
    from hotremove.faults.fault import find_faults

    names = [name.strip() for words in given for name in words.split(",")]
    return tuple(one.name for one in find_faults(names, "--hotremove-faults"))


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
    from hotremove.lineage.changelog import Claims, read_changelog
    from hotremove.lineage.changes import find_change

    changelog = option(config, "changelog")
    said = read_changelog(Path(changelog)) if changelog else Claims()
    return said.over(*([find_change(one).hash for one in option(config, w)] for w in _WORDS))


def _allow_files(config: pytest.Config) -> tuple[Path, ...]:
    given = setting(config, "allow_files")
    return tuple(Path(file).absolute() for file in given)


def _hosts(config: pytest.Config) -> tuple[Host, ...]:
    """The machines that guests are to run on.

    Raises:
        UsageProblem: their file makes no sense, or does not go with another option.
    """
    file = setting(config, "hosts")
    labels = option(config, "farm_label")
    if not file:
        if labels:
            raise UsageProblem(
                f"--hotremove-farm-label {labels[0]}: hosts come from --hotremove-farm-hosts"
            )
        return ()
    if setting(config, "uri"):
        raise UsageProblem(
            "--hotremove-farm-uri (ini: hotremove_uri) does not go with --hotremove-farm-hosts"
        )
    if setting(config, "accel") != "auto":
        raise UsageProblem(
            "--hotremove-accel (ini: hotremove_accel) does not go with --hotremove-farm-hosts: "
            "hosts.toml says who has kvm"
        )
    for name in ("hotremove_gdb", "hotremove_keep_guest", "reruns"):
        if config.getoption(name, None):
            told = name.replace("_", "-")
            raise UsageProblem(f"--{told} does not go with --hotremove-farm-hosts")
    from hotremove.remote.hosts import labelled, read_hosts

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
    from urllib.parse import urlsplit

    from hotremove.virt.hostdev import parse_device

    given = tuple(parse_device(text) for text in option(config, "device"))
    if given and (setting(config, "hosts") or urlsplit(setting(config, "uri")).hostname):
        raise UsageProblem(
            "--hotremove-device is of this machine, and guests are to run on another"
        )
    if given and len(getattr(config.option, "tx", None) or ()) > 1:
        raise UsageProblem("--hotremove-device: only one guest can have it: leave out -n")
    kinds = [device.kind for device in given]
    if len(set(kinds)) < len(kinds):
        raise UsageProblem("--hotremove-device: one of a kind")
    return given


def _port(config: pytest.Config) -> int | None:
    port: int | None = option(config, "gdb")
    if port is not None and not 0 < port < 65536:
        raise UsageProblem(f"--hotremove-gdb {port}: a port is 1 to 65535")
    if port is not None and getattr(config.option, "tx", None):
        raise UsageProblem(
            f"--hotremove-gdb {port}: only one guest can have the port: leave out -n"
        )
    return port
