# SPDX-License-Identifier: Apache-2.0
"""Draw what imports what into docs/architecture.md: `./lab run python docs/draw.py`.

Nodes are the layers of pyproject.toml's contract; imports are found by grimp, which runs nothing.
`--check` only says whether the picture is current, by its exit code.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

import grimp

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/architecture.md"
PACKAGE = "hotremove"
BEGIN, END = "<!-- drawn by draw.py -->\n", "<!-- drawn -->"

Graph = Mapping[str, frozenset[str]]


def layers(project: str) -> list[tuple[str, ...]]:
    """The layers of the contract `one-way`, the highest first; most hold one package."""
    contracts = tomllib.loads(project)["tool"]["importlinter"]["contracts"]
    (contract,) = (found for found in contracts if found["id"] == "one-way")
    return [tuple(layer.split(" : ")) for layer in contract["layers"]]


def imports(nodes: list[tuple[str, ...]]) -> Graph:
    """Which nodes each node imports from; a node goes by its first name."""
    home = {f"{PACKAGE}.{name}": node[0] for node in nodes for name in node}
    found: dict[str, set[str]] = {node[0]: set() for node in nodes}
    graph = grimp.build_graph(PACKAGE, cache_dir=None)
    for module in graph.modules - {PACKAGE}:
        for imported in graph.find_modules_directly_imported_by(module) - {PACKAGE}:
            found[home[_top(module)]].add(home[_top(imported)])
    return {name: frozenset(targets - {name}) for name, targets in found.items()}


def without_shortcuts(graph: Graph) -> Graph:
    """The same without arrows that others lead along: a to c where a leads to b, and b to c."""
    beyond: dict[str, frozenset[str]] = {}

    def reach(name: str) -> frozenset[str]:
        if name not in beyond:
            beyond[name] = graph[name].union(*(reach(target) for target in graph[name]))
        return beyond[name]

    return {
        name: targets.difference(*(reach(target) for target in targets))
        for name, targets in graph.items()
    }


def mermaid(nodes: list[tuple[str, ...]], graph: Graph) -> str:
    """A flowchart; its lines are in the order of the layers."""
    order = [node[0] for node in nodes]
    boxes = [f'    {node[0]}["{", ".join(node)}"]' for node in nodes]
    arrows = [f"    {a} --> {b}" for a in order for b in sorted(graph[a], key=order.index)]
    return "\n".join(["```mermaid", "flowchart TD", *boxes, *arrows, "```"])


def table(nodes: list[tuple[str, ...]], graph: Graph) -> str:
    """Which packages each imports directly, shortcuts included; modules at the top are left out."""
    order = [node[0] for node in nodes if _is_package(node[0])]
    rows = [
        f"| `{name}` | {', '.join(f'`{other}`' for other in order if other in graph[name])} |"
        for name in order
    ]
    return "\n".join(["| package | imports |", "|---|---|", *rows])


def drawn(page: str) -> str:
    """The page with the picture as it is now."""
    nodes = layers((ROOT / "pyproject.toml").read_text())
    graph = imports(nodes)
    before, rest = page.split(BEGIN)
    after = rest.split(END)[1]
    picture = mermaid(nodes, without_shortcuts(graph))
    return f"{before}{BEGIN}{picture}\n\n{table(nodes, graph)}\n{END}{after}"


def main() -> int:
    """1 where the picture was to be current and is not."""
    page = PAGE.read_text()
    if "--check" in sys.argv[1:]:
        return int(drawn(page) != page)
    PAGE.write_text(drawn(page))
    return 0


def _is_package(name: str) -> bool:
    return (ROOT / "plugins" / PACKAGE / name).is_dir()


def _top(module: str) -> str:
    return ".".join(module.split(".")[:2])


if __name__ == "__main__":
    sys.exit(main())
