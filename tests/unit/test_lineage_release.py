# SPDX-License-Identifier: Apache-2.0
"""Releases in versions of vendors, series that ended, and which changes a release has."""

from __future__ import annotations

import pytest

from hotremove.lineage import release
from hotremove.lineage.changes import Change, Lineage, find_change


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("6.12.43-1~bpo12+1", (6, 12, 43)),
        ("6.12.100-1~deb12u1", (6, 12, 100)),
        ("6.12.117+deb13-amd64", (6, 12, 117)),
        ("5.14.0-503.el9_5", (5, 14, 0)),
        ("1:6.1.76-1+rpt1", (6, 1, 76)),
        ("v6.12.50-3-g0123456789ab", (6, 12, 50)),
        ("v6.12.50", (6, 12, 50)),
        ("linux-6.12.y", (6, 12, 0)),
        ("7.3~rc6-1~exp1", (7, 3, 0)),
        ("v7.3-rc6-12-gabc", (7, 3, 0)),
        ("6.1", (6, 1, 0)),
        ("vendor", (0, 0, 0)),
        ("", (0, 0, 0)),
    ],
)
def test_a_version_begins_with_the_release_that_it_is_built_from(text, version):
    assert release.parse(text) == version


def test_versions_are_sorted_as_they_came():
    wanted = [
        "6.1.192-2",
        "6.12.43-1~bpo12+1",
        "v6.12.50-rc1",
        "v6.12.50",
        "v6.12.50-9-gabc",
        "v6.12.50-10-gabc",
        "6.12.117-1",
        "7.3~rc6-1~exp1",
        "7.3~rc7-1~exp1",
        "7.3.1-1",
    ]
    assert sorted(wanted[4:] + wanted[:4], key=release.order) == wanted


@pytest.mark.parametrize(
    ("commit", "version", "there"),
    [
        # 98c6d259319e: 6.17, and 6.1.155, 6.12.49, 6.16.9.
        ("98c6d259319e", "6.1.154-1", False),
        ("98c6d259319e", "6.1.158-1", True),
        ("98c6d259319e", "6.12.43-1~bpo12+1", False),
        ("98c6d259319e", "6.12.57-1~bpo12+1", True),
        ("98c6d259319e", "6.13.12", False),
        ("98c6d259319e", "6.15.11", False),
        ("98c6d259319e", "6.16.3-1~bpo13+1", False),
        ("98c6d259319e", "6.16.12-1~bpo13+1", True),
        ("98c6d259319e", "6.17.8-1~bpo13+1", True),
        # a09a8a1fbb37: 6.17, and 6.1.155, 6.12.50; 6.16.y ended without it.
        ("a09a8a1fbb37", "6.12.49", False),
        ("a09a8a1fbb37", "6.16.12-1~bpo13+1", False),
        ("a09a8a1fbb37", "6.17", True),
        # f183663901f2: 6.19, and 6.1.160, 6.12.65, 6.18.4; 6.17.y ended without it.
        ("f183663901f2", "6.17.13-1~bpo13+1", False),
        ("f183663901f2", "6.18.3", False),
        ("f183663901f2", "6.18.5-1~bpo13+1", True),
        ("f183663901f2", "6.19.6", True),
    ],
)
def test_a_series_has_what_it_took_or_what_mainline_had_before_it(commit, version, there):
    assert find_change(commit).is_in(release.parse(version)) is there


def mended(*releases: str) -> Change:
    return Change("0" * 12, "a bug", "5.18", "none", breaks=(1,), mended=releases)


def test_what_one_series_mends_for_itself_is_mended_in_no_other():
    change = mended("6.1.135")
    assert change.is_mended_in((6, 1, 135))
    assert not change.is_mended_in((6, 1, 134))
    assert not change.is_mended_in((6, 12, 1))


def test_a_mainline_release_among_those_that_mend_stands_for_all_after_it():
    change = mended("6.5", "6.1.135")
    assert change.is_mended_in((6, 5, 0))
    assert change.is_mended_in((6, 12, 1))
    assert not change.is_mended_in((6, 2, 9))


def test_all_bugs_of_a_row_are_told_not_only_the_oldest():
    told = [change.hash for change in Lineage((5, 10, 262)).known_bugs(4)]
    assert told == ["8e3560d963d2", "d1e153fea2a8"]
