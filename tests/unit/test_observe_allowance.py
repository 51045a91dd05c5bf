# SPDX-License-Identifier: Apache-2.0
from datetime import date
from pathlib import Path

import pytest

from hotremove.errors import UsageProblem
from hotremove.observe.kernellog.allowance import Allowance, Scope, judge, load_allowances
from hotremove.observe.kernellog.dmesg import find_reports
from hotremove.observe.kernellog.report import Report

TODAY = date(2026, 11, 23)
LOG = """\
[    1.000000] WARNING: CPU: 0 PID: 4 at mm/gup.c:99 f+0x10/0x830
[    1.000001] ---[ end trace 0000000000000000 ]---
[    2.000000] BUG: Bad rss-counter state mm:00000000f0a1b2c3 type:MM_ANONPAGES val:1
[    3.000000]  memory memory32: Offline failed.
""".splitlines()


def logged() -> list[Report]:
    return find_reports(LOG)


def test_without_allowances_every_splat_fails() -> None:
    judged = judge(logged(), [], today=TODAY)
    assert [one.kind for one in judged.failing] == ["warning", "bad-page"]
    assert [one.kind for one in judged.notes] == ["acpi"]


@pytest.mark.parametrize(
    "allowance",
    [
        Allowance("known", kind="warning"),
        Allowance("known", pattern=r"mm/gup\.c"),
        Allowance("known", pattern="^warning:f$"),
        Allowance("known", kind="warning", pattern="gup", expires=TODAY),
    ],
)
def test_what_is_allowed_does_not_fail(allowance: Allowance) -> None:
    judged = judge(logged(), [allowance], today=TODAY)
    assert [one.kind for one in judged.failing] == ["bad-page"]
    assert [(one.kind, by) for one, by in judged.allowed] == [("warning", allowance)]
    assert judged.unused == judged.expired == ()


def test_an_expired_allowance_allows_nothing_and_is_named() -> None:
    late = Allowance("known", kind="warning", expires=date(2026, 11, 22))
    judged = judge(logged(), [late], today=TODAY)
    assert len(judged.failing) == 2
    assert judged.expired == (late,)
    assert judged.unused == ()


def test_an_expired_allowance_that_nothing_needs_is_passed_over() -> None:
    late = Allowance("known", kind="kasan", expires=date(2026, 11, 22))
    assert judge(logged(), [late], today=TODAY).expired == ()


def test_an_unused_allowance_is_named() -> None:
    idle = Allowance("known", kind="kasan")
    assert judge(logged(), [idle], today=TODAY).unused == (idle,)


@pytest.mark.parametrize(
    ("scope", "helps"),
    [
        (Scope(), True),
        (Scope(kernel="6.12.*"), True),
        (Scope(kernel="5.10.*"), False),
        (Scope(scenario="test_rdma*"), True),
        (Scope(kernel="6.12.*", scenario="test_vfio*"), False),
    ],
)
def test_scope(scope: Scope, *, helps: bool) -> None:
    allowance = Allowance("known", kind="warning", scope=scope)
    judged = judge(logged(), [allowance], today=TODAY, kernel="6.12.117", scenario="test_rdma_pin")
    assert bool(judged.allowed) is helps
    assert judged.unused == ()


def test_said_in_words() -> None:
    allowance = Allowance("upstream thread", kind="warning", pattern="gup", expires=TODAY)
    assert str(allowance) == "warning matching 'gup' (upstream thread), until 2026-11-23"
    assert str(Allowance("why not", pattern="x")) == "any report matching 'x' (why not)"


def test_allow_file(tmp_path: Path) -> None:
    path = tmp_path / "allow.toml"
    path.write_text(
        "[[allow]]\nkind = 'warning'\nreason = 'known'\nexpires = 2027-01-31\nkernel = '6.1.*'\n"
    )
    (allowance,) = load_allowances(path)
    assert allowance.scope == Scope(kernel="6.1.*")
    assert allowance.expires == date(2027, 1, 31)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[allow", "is not TOML"),
        ("[allow]\nkind = 'x'", "allow: expected `array`, got `object`"),
        ("allow = [1]", "allow 1: expected `object`, got `int`"),
        ("other = 1", "unknown key `other`; known are allow"),
        ("[[allow]]\nkind = 'warning'\nreason = 'x'", "allow 1: `expires` is missing"),
        (
            "[[allow]]\nkind = 'warning'\nreason = 'x'\nexpires = '2027-01-01'",
            "allow 1: expires: expected `date`, got `str`",
        ),
        ("[[allow]]\nkind = 'warning'\nexpires = 2027-01-01", "an allowance needs a reason"),
        ("[[allow]]\nreason = 'x'\nexpires = 2027-01-01", "needs a kind or a pattern"),
        ("[[allow]]\nkind = 'wrning'\nreason = 'x'\nexpires = 2027-01-01", "unknown kind 'wrning'"),
        ("[[allow]]\npattern = '('\nreason = 'x'\nexpires = 2027-01-01", "pattern '('"),
        (
            "[[allow]]\ncolour = 1\nreason = 'x'\nexpires = 2027-01-01",
            "allow 1: unknown key `colour`",
        ),
        (
            "[[allow]]\npattern = ''\nreason = 'x'\nexpires = 2027-01-01",
            "an empty text says nothing",
        ),
        (
            "[[allow]]\nkind = 1\nreason = 'x'\nexpires = 2027-01-01",
            "allow 1: kind: expected `str | null`, got `int`",
        ),
    ],
)
def test_bad_allow_files_are_one_clear_line(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "allow.toml"
    path.write_text(text)
    with pytest.raises(UsageProblem) as caught:
        load_allowances(path)
    assert says in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_absent_allow_file(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match=r"absent\.toml: No such file"):
        load_allowances(tmp_path / "absent.toml")
