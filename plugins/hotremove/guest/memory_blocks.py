# SPDX-License-Identifier: Apache-2.0
"""The guest's memory blocks, read from its sysfs."""

from __future__ import annotations

import re
from collections import defaultdict

from hotremove.errors import Blocked, CapabilityAbsent, HotremoveError
from hotremove.guest.control import Control
from hotremove.observe.counters import Counters, Zone, parse_meminfo, parse_vmstat, parse_zoneinfo
from hotremove.observe.pagemap import MemoryBlock, parse_block, parse_block_bytes

SYSFS = "/sys/devices/system/memory"
# Of any block: 1 if the kernel was built with CONFIG_MEMORY_HOTREMOVE, else 0 (removable_show() in
# drivers/base/memory.c; since 5.8, 53cdc1cb29e8).
REMOVABLE = f"{SYSFS}/memory{{}}/removable"
_FILE = re.compile(r"memory(\d+)/(\w+):(.*)")
_NODE = re.compile(r"memory(\d+)/node(\d+)$")


def parse_listing(text: str) -> tuple[MemoryBlock, ...]:
    """The memory blocks in the agent's list of them.

    Raises:
        HotremoveError: the listing is not one.
    """
    size, _, rest = text.partition("\n")
    block_bytes = parse_block_bytes(size)
    files: dict[int, dict[str, str]] = defaultdict(dict)
    for line in rest.splitlines():
        if found := _FILE.match(line):
            files[int(found[1])][found[2]] = found[3]
        elif found := _NODE.match(line):
            files[int(found[1])]["node"] = found[2]
    complete = {index: read for index, read in files.items() if "state" in read}
    return tuple(parse_block(index, read, block_bytes) for index, read in sorted(complete.items()))


def read_blocks(control: Control) -> tuple[MemoryBlock, ...]:
    """The guest's memory blocks, by number.

    Raises:
        CapabilityAbsent: the kernel was built without memory hotplug.
        HotremoveError: the listing is not one.
    """
    try:
        listed = control.list_blocks(SYSFS)
    except FileNotFoundError:
        listed = ""
    if not listed:
        _require_folder(control, SYSFS, "CONFIG_MEMORY_HOTPLUG")
    return parse_listing(listed)


def require_hot_remove(control: Control) -> None:
    """Make sure that the kernel can offline memory.

    Raises:
        CapabilityAbsent: mm/memory_hotplug.c was built without offline_pages().
        HotremoveError: the kernel does not say.
    """
    first = next((block.index for block in read_blocks(control)), 0)
    path = REMOVABLE.format(first)  # not every machine's memory begins with block 0
    said = "".join(control.read_existing([path]).values()).strip()
    if said == "0":
        raise CapabilityAbsent(f"{path} says 0, as without CONFIG_MEMORY_HOTREMOVE")
    if said != "1":
        raise HotremoveError(f"{path} says {said or 'nothing'}: can memory go offline?")


def _require_folder(control: Control, folder: str, option: str) -> None:
    """Make sure of a folder of sysfs that there is whenever a kernel was built with an option."""
    if control.run(f"test -d /sys/devices/system && ! test -e {folder}").ok:
        raise CapabilityAbsent(f"there is no {folder}, as without {option}")


def read_counters(control: Control, node: int) -> Counters:
    """What the kernel counts: a node's own vmstat, and the machine's migrations and faults.

    Pins are counted by node, migrations (in pages) and faults only for the whole machine. Each CPU
    keeps up to 125 of a node's events to itself; reading stat_refresh makes it give them up
    (mm/vmstat.c).
    """
    control.read("/proc/sys/vm/stat_refresh")
    paths = (f"/sys/devices/system/node/node{node}/vmstat", "/proc/vmstat")
    of_node, of_machine = (parse_vmstat(text) for text in control.read_all(paths))
    migrations = of_machine.only("pgmigrate_", "thp_migration_", "pgfault")
    return Counters({**of_node.values, **migrations.values})


def count_pins(control: Control) -> int:
    """Page references that FOLL_PIN holds now, on all nodes."""
    control.read("/proc/sys/vm/stat_refresh")
    return parse_vmstat(control.read("/proc/vmstat")).pinned


def read_zones(control: Control) -> tuple[Zone, ...]:
    """All zones of all nodes."""
    return parse_zoneinfo(control.read("/proc/zoneinfo"))


def read_node_memory(control: Control, node: int) -> int:
    """A node's MemTotal, bytes."""
    text = control.read(f"/sys/devices/system/node/node{node}/meminfo")
    return parse_meminfo(text)["MemTotal"]


def resize_pool(control: Control, node: int, count: int, kib: int = 2048) -> int:
    """Ask for `count` huge pages of `kib` KiB in a node's pool; how many it has then.

    Raises:
        CapabilityAbsent: the kernel was built without huge pages.
        Blocked: there are none of this size, which the processor decides.
    """
    pool = f"/sys/devices/system/node/node{node}/hugepages/hugepages-{kib}kB/nr_hugepages"
    _require_folder(control, "/sys/kernel/mm/hugepages", "CONFIG_HUGETLB_PAGE")
    if not control.run(f"test -e {pool}").ok:
        told = "pages of 1 GiB want a processor that has pdpe1gb"
        raise Blocked(f"there is no {pool}: {told}")
    control.write(pool, str(count))
    return int(control.read(pool))


def reserve_huge_pages(control: Control, node: int, count: int) -> None:
    """Make a node's pool hold `count` huge pages of 2 MiB.

    Raises:
        CapabilityAbsent, Blocked: as `resize_pool`.
        HotremoveError: the node has no room for them.
    """
    _fill_pool(control, node, count, "huge pages")


def reserve_gigantic_pages(control: Control, node: int, count: int) -> None:
    """Make a node's pool hold `count` huge pages of 1 GiB, from ZONE_MOVABLE too.

    Raises:
        CapabilityAbsent: the kernel keeps such pages out of ZONE_MOVABLE, or has none at all.
        Blocked: as `resize_pool`.
        HotremoveError: the node has no room for them.
    """
    switch = "/proc/sys/vm/movable_gigantic_pages"
    if not control.run(f"test -e {switch}").ok:
        _require_folder(control, "/sys/kernel/mm/hugepages", "CONFIG_HUGETLB_PAGE")
        told = "the kernel keeps pages of 1 GiB out of ZONE_MOVABLE"
        raise CapabilityAbsent(f"{told}: it has no {switch}")
    control.write(switch, "1")
    _fill_pool(control, node, count, "huge pages of 1 GiB", 1 << 20)


def _fill_pool(control: Control, node: int, count: int, pages: str, kib: int = 2048) -> None:
    """Make a pool hold `count` pages of `kib` KiB; `pages` is what a message calls them."""
    got = resize_pool(control, node, count, kib)
    if got != count:
        raise HotremoveError(f"node {node} gave {got} {pages} of {count}")
