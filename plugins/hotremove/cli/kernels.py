# SPDX-License-Identifier: Apache-2.0
"""`hotremove kernels list | fetch | build | inspect`."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from hotremove.bootimage.initramfs import build_image
from hotremove.bootimage.vmlinux import boot_file
from hotremove.cache import Cache
from hotremove.cli import available
from hotremove.errors import UsageProblem
from hotremove.formats.tables import plain_console
from hotremove.kernels import capabilities, spec, store
from hotremove.kernels.distro.debversion import sort_key
from hotremove.kernels.sources import debian_source, git
from hotremove.pins.registry import drivers

if TYPE_CHECKING:
    from hotremove.kernels.kernel import Kernel

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

_COMPILED = (debian_source.SCHEME, git.SCHEME)


def register(subparsers: Subparsers) -> None:
    """Add `kernels` and its own commands; each sets `func`, which gives the exit code.

    The functions raise `HotremoveError`; the caller prints it and exits with code 4.
    """
    parser = subparsers.add_parser("kernels", help="fetch kernels, list and inspect them")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="list the kernels in the cache, or in archives")
    listing.add_argument(
        "--available",
        nargs="*",
        metavar="SUITE",
        help="what suites have: their kernels, sizes, headers, what is gone and what is in the"
        f" cache; SUITE or SUITE/PATTERN (default: {' '.join(available.SUITES)})",
    )
    listing.set_defaults(func=_list)
    fetching = _add_spec_command(actions, "fetch", "fetch kernels into the cache", _fetch)
    fetching.add_argument("--boot-image", action="store_true", help="make what guests boot, too")
    fetching.add_argument(
        "--cache-gib", type=float, metavar="N", help="first make room, as prune --max-gib does"
    )
    _add_spec_command(actions, "build", "compile kernels from source into the cache", _build)
    _add_spec_command(actions, "inspect", "say what kernels can be tested for", _inspect)


def _add_spec_command(
    actions: Subparsers, name: str, text: str, func: Callable[[argparse.Namespace], int]
) -> argparse.ArgumentParser:
    parser = actions.add_parser(name, help=text)
    parser.add_argument("spec", nargs="+", metavar="SPEC", help=f"one of {spec.spellings()}")
    parser.set_defaults(func=func, boot_image=False, cache_gib=None)
    return parser


def _list(arguments: argparse.Namespace) -> int:
    if arguments.available is not None:
        plain_console().print(available.table(arguments.available, Cache.default()))
        return 0
    table = Table("version", "release", "source", "directory", box=None)
    records = sorted(store.present(Cache.default()), key=lambda item: sort_key(item[1].version))
    for root, record in records:
        table.add_row(record.version, record.release, record.source, str(root))
    plain_console().print(table)
    return 0


def _fetch(arguments: argparse.Namespace) -> int:
    if arguments.cache_gib is not None:
        Cache.default().make_room(arguments.cache_gib)
    for kernel in _kernels(arguments.spec):
        print(f"{kernel.spec}: {kernel.version} ({kernel.release}) in {kernel.image.parent}")
        if arguments.boot_image:
            build_image(kernel, Cache.default(), drivers=drivers())
            boot_file(kernel, Cache.default())
    return 0


def _kernels(texts: Iterable[str]) -> Iterator[Kernel]:
    """The kernels that specs stand for, each fetched when its turn comes."""
    cache = Cache.default()
    for text in texts:
        yield from (spec.resolve(one, cache) for one in spec.specs(text, cache))


def _build(arguments: argparse.Namespace) -> int:
    """As fetch, for kernels of which there is something to build; all are checked first."""
    for text in arguments.spec:
        if spec.parse(text).scheme not in _COMPILED:
            wanted = " and ".join(spec.SOURCES[scheme].spelling for scheme in _COMPILED)
            raise UsageProblem(f"{text} is built already: there is something to do for {wanted}")
    return _fetch(arguments)


def _inspect(arguments: argparse.Namespace) -> int:
    for kernel in _kernels(arguments.spec):
        _show(kernel)
    return 0


def _show(kernel: Kernel) -> None:
    console = plain_console()
    console.print(_summary(kernel))
    if not kernel.config:
        console.print("Its configuration is not known: probes in the guest will tell.\n")
        return
    for table in (_facts_table(kernel), _capabilities_table(kernel), _scenarios_table(kernel)):
        console.print(table)
        console.print()


def _summary(kernel: Kernel) -> Table:
    table = Table.grid(padding=(0, 2))
    for name, value in (
        ("spec", kernel.spec),
        ("version", kernel.version),
        ("release", kernel.release),
        ("machine", str(kernel.arch)),
        ("compiler", capabilities.compiler(kernel)),
        ("image", str(kernel.image)),
        ("modules", str(kernel.modules or "none, all is built in")),
        ("headers", _headers(kernel)),
    ):
        table.add_row(name, value)
    return table


def _headers(kernel: Kernel) -> str:
    if kernel.headers is None:
        return "not known: the farm's modules cannot be built for it"
    if kernel.headers.directory:
        return str(kernel.headers.directory)
    return f"{', '.join(kernel.headers.packages)} from {kernel.headers.suite}"


def _facts_table(kernel: Kernel) -> Table:
    table = Table("option", "value", "for", box=None)
    for fact in capabilities.facts(kernel):
        table.add_row(f"CONFIG_{fact.option.name}", fact.value or "not set", fact.option.purpose)
    return table


def _capabilities_table(kernel: Kernel) -> Table:
    from hotremove.pins.registry import known_capabilities

    table = Table("capability", "", box=None)
    for capability in known_capabilities():
        lacking = capabilities.missing(kernel, capability)
        told = f"no: needs {', '.join('CONFIG_' + name for name in lacking)}" if lacking else "yes"
        table.add_row(capability.name, told)
    return table


def _scenarios_table(kernel: Kernel) -> Table:
    # Not before it is asked for: this loads pytest and the whole plugin.
    from hotremove.bootimage.toolchain import find_obstacle
    from hotremove.cli.needs import needs

    table = Table("scenario", "can run", box=None)
    obstacle = find_obstacle(kernel, Cache.default())
    for need in needs(kernel):
        lacking = need.lacking(kernel, obstacle)
        table.add_row(escape(need.title), f"no: needs {', '.join(lacking)}" if lacking else "yes")
    return table
