# SPDX-License-Identifier: Apache-2.0
"""A vendor's changelog: what it brings, what it takes away, and what it only speaks of."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotremove.errors import UsageProblem
from hotremove.lineage.changelog import Claims, parse_changelog, read_changelog
from hotremove.lineage.changes import changes

FIX, SUBPAGE, LOOP, REVERT = "d1e153fea2a8", "83c02c23d074", "1aaf8c122918", "517f496e1e61"
WHOLE_FIX = f"{FIX}0123456789abcdef0123456789ab"
DEBIAN = """\
linux (5.10.38-1) unstable; urgency=medium

  * New upstream stable update:
    https://www.kernel.org/pub/linux/kernel/v5.x/ChangeLog-5.10.38
    - mm/gup: check every subpage of a compound page during
      isolation
    - mm/gup: return an error on migration failure
    - ext4: an entry about something else

  [ A Maintainer ]
  * mm/gup: migrate pinned pages out of movable zone (Closes: #1000000)

 -- A Maintainer <a@example.org>  Sat, 22 May 2021 00:00:00 +0000
"""
RPM = """\
* Tue Jan 02 2024 A Builder <b@example.org> [5.14.0-400.el9]
- mm/gup: migrate pinned pages out of movable zone (A Person) [2120352]
- mm: honor PF_MEMALLOC_PIN for all movable pages (A Person) [2120352] {CVE-2021-0000}
- commit d1e153f
- mm/gup: longterm pin migration cleanup of another kind (A Person)
"""
GIT = f"""\
commit aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
Author: A Person <p@example.org>
Date:   Mon May 3 00:00:00 2021 +0000

    mm/gup: a backport by another name

    commit {WHOLE_FIX} upstream.

    The reviewers asked about commit 9afaf30f7a1a ("mm/gup: do not migrate zero page").

    Fixes: 83c02c23d074 ("mm/gup: check every subpage of a compound page during isolation")
"""


def test_debian():
    assert parse_changelog(DEBIAN) == Claims(frozenset({SUBPAGE, "f0f4463837da", FIX}))


def test_rpm():
    assert parse_changelog(RPM) == Claims(frozenset({FIX, "8e3560d963d2"}))


def test_git_log_counts_what_a_commit_is_made_from_and_not_what_it_speaks_of():
    assert parse_changelog(GIT) == Claims(frozenset({FIX}))


@pytest.mark.parametrize(
    "line",
    [
        f"commit {WHOLE_FIX}",
        f"    [ Upstream commit {WHOLE_FIX} ]",
        f"    (cherry picked from commit {WHOLE_FIX})",
        f"Git-commit: {WHOLE_FIX}",
        "1234567 mm/gup: migrate pinned pages out of movable zone",
        "1234567 (HEAD -> topic) mm/gup: migrate pinned pages out of movable zone",
        "- mm/gup: Migrate pinned pages out of movable zone (bsc#1190497).",
    ],
)
def test_ways_to_bring_a_change(line: str):
    assert parse_changelog(line) == Claims(frozenset({FIX}))


@pytest.mark.parametrize(
    "line",
    [
        "commit d1e153f",
        f"Fixes: {WHOLE_FIX}",
        f"    this is needed by {WHOLE_FIX}",
        f"    commit {WHOLE_FIX} made this visible",
        '    "mm/gup: migrate pinned pages out of movable zone"',
        "mm/gup: migrate pinned pages out of movable zones",
        "selftests: mm/gup: migrate pinned pages out of movable zone",
    ],
)
def test_ways_only_to_speak_of_it(line: str):
    assert parse_changelog(line) == Claims()


def test_the_newest_word_on_a_change_counts():
    brought = "- mm: gup: fix infinite loop within __get_longterm_locked\n"
    taken = '- Revert "mm: gup: fix infinite loop within __get_longterm_locked"\n'
    again = '- Reapply "mm: gup: fix infinite loop within __get_longterm_locked"\n'
    assert parse_changelog(taken + brought) == Claims(lacks=frozenset({LOOP}))
    assert parse_changelog(again + taken + brought) == Claims(frozenset({LOOP}))


def test_the_upstream_revert_is_a_change_of_its_own():
    text = f"""\
commit {REVERT}0000000000000000000000000000

    mm/gup: revert "mm: gup: fix infinite loop within __get_longterm_locked"

    This reverts commit {LOOP}0000000000000000000000000000.

commit {LOOP}0000000000000000000000000000

    mm: gup: fix infinite loop within __get_longterm_locked
"""
    assert parse_changelog(text) == Claims(frozenset({REVERT}), frozenset({LOOP}))


@pytest.mark.parametrize("change", changes(), ids=lambda change: change.hash)
def test_each_change_is_found_by_its_subject_and_no_other_is(change):
    assert parse_changelog(f"  - {change.subject}\n").has == {change.hash}


def test_by_hand_a_changelog_is_corrected():
    said = Claims(frozenset({FIX, SUBPAGE}), frozenset({LOOP}))
    assert said.over([LOOP], [SUBPAGE]) == Claims(frozenset({FIX, LOOP}), frozenset({SUBPAGE}))
    with pytest.raises(UsageProblem, match=f"{FIX}: said to be there"):
        said.over([FIX], [FIX])


def test_a_compressed_changelog(tmp_path: Path):
    (tmp_path / "changelog.Debian.gz").write_bytes(gzip.compress(DEBIAN.encode()))
    assert FIX in read_changelog(tmp_path / "changelog.Debian.gz").has


@pytest.mark.parametrize("data", [None, b"\0\1\2", gzip.compress(b"x" * 999, mtime=0)[:-9]])
def test_what_is_no_changelog_is_told_in_one_line(tmp_path: Path, data: bytes | None):
    path = tmp_path / "changelog"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(UsageProblem, match=f"changelog {path}: ") as told:
        read_changelog(path)
    assert "\n" not in str(told.value)


@given(st.text())
def test_any_text_is_read(text: str):
    claims = parse_changelog(text)
    assert not claims.has & claims.lacks
