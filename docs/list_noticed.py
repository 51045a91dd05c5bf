# SPDX-License-Identifier: Apache-2.0
"""Put what suites noticed into docs/faults-of-kernels.md: matrices, and what each row is there for.

    ./lab run python docs/list_noticed.py                        write the page
    ./lab run python docs/list_noticed.py --check                only say whether it is current
    ./lab run python docs/list_noticed.py keep 7.3 RUN...        keep runs with faults, and write it

What is kept of runs are records in docs/matrices/; `hotremove faults` makes the same tables of
them.
"""

from __future__ import annotations

import ast
import json
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from hotremove.analysis.faults import Answer, Matrix, Run, matrices, table
from hotremove.cli.faults import markdown
from hotremove.formats.markdown import rows_of
from hotremove.results.naming import row_order
from hotremove.results.record import FILE, Record, Result, read_whole, write_record
from hotremove.results.source import opened

__all__ = ["alone", "keep", "kept", "main", "put", "rows", "stays", "table"]
DOCS = Path(__file__).parent
PAGE = DOCS / "faults-of-kernels.md"
KEPT = DOCS / "matrices"
STAYS = KEPT / "stays.toml"
SCENARIOS = DOCS.parent / "scenarios"
MARKS = {
    "matrices": ("<!-- noticed by list_noticed.py -->\n", "<!-- noticed -->"),
    "rows": ("<!-- rows by list_noticed.py -->\n", "<!-- rows -->"),
}
_MARK = "pytest.mark.scenario"
_LONGEST = 240


def kept() -> list[Matrix]:
    """The matrices of what is kept, the newest kernel first."""
    folders = [file.parent for file in KEPT.glob(f"*/{FILE}")]
    folders.sort(key=lambda folder: tuple(map(int, folder.name.split("."))), reverse=True)
    return [matrix for folder in folders for matrix in matrices([read_whole(folder / FILE)])]


def rows() -> tuple[str, ...]:
    """Every row of the suite that is no control, `1 rxe memory region held`, in order."""
    marks = (mark for file in SCENARIOS.glob("test_*.py") for mark in _marks(file))
    found = {f"{number.value} {title.value}" for number, title in marks}
    return tuple(sorted(found, key=row_order))


def _marks(file: Path) -> Iterator[list[ast.Constant]]:
    """The arguments of each `mark.scenario` without `control`."""
    nodes = ast.walk(ast.parse(file.read_text()))
    calls = (node for node in nodes if isinstance(node, ast.Call))
    for mark in (call for call in calls if ast.unparse(call.func) == _MARK):
        if "control" not in {keyword.arg for keyword in mark.keywords}:
            yield [argument for argument in mark.args if isinstance(argument, ast.Constant)]


def stays() -> dict[str, str]:
    """Why rows stay that are for no fault the only one."""
    return tomllib.loads(STAYS.read_text())


def alone(found: list[Matrix]) -> dict[str, dict[str, list[str]]]:
    """The faults that a row alone noticed, each with the kernels, by the row.

    Alone is who noticed a fault somewhere where no other row did anywhere: not all rows were run
    with each fault on each kernel.
    """
    by_fault: dict[str, dict[str, list[str]]] = {}
    for matrix in found:
        for run in filter(_counts, matrix.runs):
            kernels = by_fault.setdefault(run.fault, {}).setdefault(run.row, [])
            kernels += [_series(matrix)] if _series(matrix) not in kernels else []
    told: dict[str, dict[str, list[str]]] = {}
    for fault, rows_of_it in by_fault.items():
        if len(rows_of_it) == 1:
            [(row, kernels)] = rows_of_it.items()
            told.setdefault(row, {})[fault] = kernels
    return told


def _counts(run: Run) -> bool:
    return run.answer is Answer.NOTICED and not run.is_control


def _series(matrix: Matrix) -> str:
    return ".".join(matrix.kernel.split(".")[:2])


def _rows_table() -> Iterator[str]:
    told, why = alone(kept()), stays()
    yield from rows_of([("row", "alone notices", "or stays for"), *_cells(told, why)])


def _cells(told: dict[str, dict[str, list[str]]], why: dict[str, str]) -> Iterator[tuple[str, ...]]:
    for row in rows():
        faults = told.get(row, {})
        names = (f"{fault} ({', '.join(kernels)})" for fault, kernels in faults.items())
        yield row, ", ".join(names), "" if faults else why.get(row, "?")


def _matrices() -> Iterator[str]:
    for matrix in kept():
        yield from markdown(matrix)


def put(page: str) -> str:
    """The page with what is kept."""
    lines = {"matrices": _matrices(), "rows": _rows_table()}
    for name, (begin, end) in MARKS.items():
        before, _, rest = page.partition(begin)
        _, _, after = rest.partition(end)
        told = "".join(f"{line}\n" for line in lines[name])
        page = f"{before}{begin}{told}{end}{after}"
    return page


def keep(name: str, runs: list[Path]) -> None:
    """Keep runs with faults of one series, of a kernel's test that is in several the last one.

    What is kept of it already comes first, so that later runs may be of a few rows.
    """
    folder = KEPT / name
    last: dict[tuple[str, str], Result] = {}
    for run in [folder, *runs] if (folder / FILE).exists() else runs:
        with opened(run) as source:
            faulty = (one for one in source.record.results if one.fault)
            last |= {(one.kernel, one.test): _slim(one) for one in faulty}
    folder.mkdir(parents=True, exist_ok=True)
    file = write_record(folder, Record(tuple(last.values())))
    file.write_text(_line_by_line(json.loads(file.read_text())))


def _line_by_line(record: dict[str, Any]) -> str:
    """A record with a line for each result, to be compared."""
    results = record.pop("results")
    lines = ",\n".join(json.dumps(result) for result in results)
    return f'{json.dumps(record)[:-1]}, "results": [\n{lines}\n]}}\n'


def _slim(result: Result) -> Result:
    """Without what lies beside the record, and with the first words alone."""
    first = result.message.partition("\n")[0][:_LONGEST]
    return replace(result, message=first, evidence="", costs=(), attempts=())


def main(words: list[str]) -> int:
    """Do what the words say."""
    if words[:1] == ["keep"]:
        keep(words[1], [Path(word) for word in words[2:]])
    page = PAGE.read_text()
    if words == ["--check"]:
        return int(put(page) != page)
    PAGE.write_text(put(page))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
