# SPDX-License-Identifier: Apache-2.0
"""The catalogue of faults: what it may say, and what it says."""

import importlib.util
import re
from pathlib import Path

import pytest

from hotremove.errors import UsageProblem
from hotremove.faults.fault import KINDS, catalogue, find_faults, parse

DOCS = Path(__file__).resolve().parents[2] / "docs"
GOOD = """
[sign]
bytes = ['are not as written']
[[fault]]
name = 'bytes-lost'
kind = 'becomes'
sentence = 'A page that moves loses bytes.'
signs = ['bytes']
"""


def test_a_fault_shows_by_its_signs():
    (fault,) = parse("faults.toml", GOOD)
    assert fault.shows_in("8 of bytes 0x0-0xfff are not as written, by what the device reads")
    assert not fault.shows_in("stuck: ACPI eject did not end in 30 s")
    assert not fault.pins_stay


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("'becomes'", "'other'", "fault 'bytes-lost': kind: one of looked-at, .*, not 'other'"),
        ("'bytes-lost'", "'Bytes_lost'", "'Bytes_lost' is no name: small letters"),
        ("['bytes']", "['byte']", "fault 'bytes-lost': unknown sign 'byte'"),
        ("['bytes']", "[]", "signs: by what does it show"),
        ("'are not as written'", "'('", "sign 'bytes': not a regular expression"),
        ("'are not as written'", "'x*'", "sign 'bytes': 'x\\*' is in every message"),
        ("signs =", "sign =", "`signs` is missing|unknown key `sign`"),
    ],
)
def test_what_makes_no_sense_is_told_with_its_place(old, new, told):
    with pytest.raises(UsageProblem, match=rf"^faults\.toml: .*{told}|^{told}"):
        parse("faults.toml", GOOD.replace(old, new))


def test_the_catalogue():
    faults = catalogue().values()
    assert len(faults) >= 40
    assert [fault.kind for fault in faults] == sorted(
        (fault.kind for fault in faults), key=KINDS.index
    )
    for fault in faults:
        assert re.fullmatch(r"[A-Z].*\.", fault.sentence), fault
        # A time that ran out is a sign of nothing.
        assert not fault.shows_in("`verify 3` did not return in the guest in 60 s"), fault
        assert not fault.shows_in("stuck: ACPI eject did not end in 30 s"), fault


def test_faults_are_found_by_name():
    assert [one.name for one in find_faults(["hugetlb", "anon", "hugetlb"], "x")] == [
        "hugetlb",
        "anon",
    ]
    assert find_faults(["anon", "all"], "x") == tuple(catalogue().values())
    with pytest.raises(UsageProblem, match=r"^--faults: no fault 'anom'; there are no-migration, "):
        find_faults(["anom"], "--faults")


def test_the_page_lists_the_catalogue():
    spec = importlib.util.spec_from_file_location("faults_page", DOCS / "list_faults.py")
    page = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(page)
    assert page.main(["--check"]) == 0, "run: ./lab run python docs/list_faults.py"
