# SPDX-License-Identifier: Apache-2.0
"""What suites noticed, as docs/faults-of-kernels.md tells it: no row is there without a reason."""

import importlib.util
from pathlib import Path

import pytest
from report_samples import make_result

from hotremove.results.record import FILE, Record, read_whole, write_record

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture(scope="module")
def page():
    spec = importlib.util.spec_from_file_location("noticed_page", DOCS / "list_noticed.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_has_what_is_kept(page):
    assert page.main(["--check"]) == 0, "run: ./lab run python docs/list_noticed.py"


def test_a_later_run_takes_the_place_of_the_same_test_on_the_same_kernel(
    page, tmp_path, monkeypatch
):
    def run(name, kernel, *messages):
        results = (
            make_result(kernel=kernel, test=f"t[{number}]", fault="anon", message=message)
            for number, message in enumerate(messages)
        )
        (tmp_path / name).mkdir()
        write_record(tmp_path / name, Record((make_result(kernel=kernel), *results)))
        return tmp_path / name

    monkeypatch.setattr(page, "KEPT", tmp_path / "kept")
    page.keep("7.3", [run("a", "stock", "1", "2"), run("b", "faulty", "3")])
    page.keep("7.3", [run("c", "stock", "4")])
    kept = read_whole(tmp_path / "kept/7.3" / FILE).results
    assert [(one.kernel, one.message) for one in kept] == [
        ("stock", "4"),
        ("stock", "2"),
        ("faulty", "3"),
    ]


def test_each_row_has_a_fault_of_its_own_or_a_reason(page):
    told, why = page.alone(page.kept()), page.stays()
    assert not {*page.rows()} - {*told, *why}


def test_reasons_are_of_rows_that_are_there_and_have_no_fault_of_their_own(page):
    assert not {*page.stays()} - {*page.rows()}
    assert not {*page.stays()} & {*page.alone(page.kept())}


def test_each_kernel_notices_nearly_all_that_it_can_have(page):
    large = 0
    for matrix in page.kept():
        tried = len(page.table(matrix))
        large += tried >= 40
        assert len(matrix.unnoticed) <= 0.06 * tried, (matrix.kernel, matrix.unnoticed)
        assert not matrix.unasked
    assert large >= 3
