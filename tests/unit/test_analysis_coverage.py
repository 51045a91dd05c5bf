# SPDX-License-Identifier: Apache-2.0
"""What a run says of how much it looked at."""

from __future__ import annotations

from dataclasses import replace

from report_samples import make_record, make_result

from hotremove.analysis.coverage import lines


def test_runs_with_a_fault_do_not_look_at_a_kernel_as_it_is():
    with_fault = make_result(fault="no-migration", verdict="fail", outcome="stuck")
    record = replace(make_record(), results=(with_fault,))
    assert lines(record) == ["looked at no row without a fault"]
    record = replace(record, results=(with_fault, make_result()))
    assert lines(record)[0].startswith("looked at 1 of the 1 ")
