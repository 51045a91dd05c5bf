# SPDX-License-Identifier: Apache-2.0
"""What suites noticed, as docs/faults-of-kernels.md tells it: no row is there without a reason."""

import importlib.util
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture(scope="module")
def page():
    spec = importlib.util.spec_from_file_location("noticed_page", DOCS / "list_noticed.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_has_what_is_kept(page):
    assert page.main(["--check"]) == 0, "run: ./lab run python docs/list_noticed.py"


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
