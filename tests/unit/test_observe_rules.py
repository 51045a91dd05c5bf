# SPDX-License-Identifier: Apache-2.0
import re
from pathlib import Path

import pytest

from hotremove.errors import UsageProblem
from hotremove.observe.kernellog.logline import LogLine
from hotremove.observe.kernellog.rules import Rule, default_rules, make_rules

RULES = default_rules()
LOGS = Path(__file__).parents[2] / "docs" / "logs.md"
EXAMPLES = [(rule, example) for rule in RULES.rules for example in rule.example]
MINIMAL = "[[rule]]\nname = 'a'\nkind = 'warning'\nneedle = ['x']\nmatch = ['x']\n"


@pytest.mark.parametrize(("rule", "example"), EXAMPLES, ids=[f"{r.name}" for r, _ in EXAMPLES])
def test_each_example_is_found(rule: Rule, example: str) -> None:
    assert RULES.classify(LogLine(example, stamped=True)) is rule
    assert RULES.prefilter.search(f"line before\n[    1.000000] {example}\n")


def test_each_rule_has_an_example() -> None:
    assert [rule.name for rule in RULES.rules if not rule.example] == []


def test_joins_name_kinds_and_rules_that_exist() -> None:
    joins = {joined for rule in RULES.rules for joined in rule.joins} - {"*", "cut-here"}
    assert joins <= RULES.kinds | {rule.name for rule in RULES.rules}


def test_the_kinds_people_look_for_have_rules() -> None:
    expected = """panic oops bug warning kasan kfence kcsan ubsan lockdep rcu-stall soft-lockup
        hard-lockup hung-task oom bad-page refcount list-corruption memory-hotplug vfio rdma acpi
        kmsan slab leak atomic-sleep iommu hardware memory-failure page-allocation page-dump"""
    assert set(expected.split()) <= RULES.kinds


def test_each_kind_is_documented_with_what_it_does() -> None:
    rows = re.findall(r"^\| (`.*?) \| (yes|no) \|", LOGS.read_text("utf-8"), re.MULTILINE)
    told = {kind: fails for names, fails in rows for kind in re.findall(r"`([\w-]+)`", names)}
    severities = {rule.kind: rule.severity for rule in RULES.rules if rule.kind != "cut-here"}
    assert told == {
        kind: "yes" if severity == "splat" else "no" for kind, severity in severities.items()
    }


def test_user_space_starts_no_report() -> None:
    assert RULES.classify(LogLine("BUG: KASAN: x", kernel=False, stamped=True)) is None


def test_a_program_s_warning_is_not_the_kernel_s() -> None:
    assert RULES.classify(LogLine("WARNING: my disk is full")) is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[rule]", "mine.toml is not TOML"),
        ("rules = 1", "mine.toml: unknown key `rules`"),
        ("rule = 1", "mine.toml: rule: expected `array`, got `int`"),
        ("[[rule]]\nkind = 'a'", "mine.toml: rule 1: `name` is missing"),
        (MINIMAL + "colour = 'red'", "mine.toml: rule 'a': unknown key `colour`"),
        (MINIMAL + "rank = 'high'", "mine.toml: rule 'a': rank: expected `int`, got `str`"),
        (MINIMAL + "severity = 'bad'", "mine.toml: rule 'a': severity is `splat` or `note`"),
        (MINIMAL.replace("['x']\nmatch", "[]\nmatch"), "must not be empty"),
        (MINIMAL.replace("match = ['x']", "match = ['(']"), "not a regular expression"),
        (
            MINIMAL + "[[suppress]]\nmatch = 'x'\nreason = ''",
            "suppress 1: `match` and `reason` must",
        ),
        ("body = '('", "body: not a regular expression"),
        (MINIMAL + MINIMAL, "two rules are named a"),
        ("body = 1", "mine.toml: body: expected `str | array`, got `int`"),
        ("[[suppress]]\nmatch = 'x'", "mine.toml: suppress 1: `reason` is missing"),
    ],
)
def test_bad_rules_are_one_clear_line(text: str, says: str) -> None:
    with pytest.raises(UsageProblem) as caught:
        make_rules([("mine.toml", text)])
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_least_that_makes_a_rule() -> None:
    assert [rule.name for rule in make_rules([("mine.toml", MINIMAL)]).rules] == ["a"]
