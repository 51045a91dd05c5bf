# SPDX-License-Identifier: Apache-2.0
"""What a kernel's reports look like, as data: the TOML files of `rules/` and their meaning."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

from hotremove.errors import UsageProblem
from hotremove.observe.kernellog.logline import LogLine

SEVERITIES = ("splat", "note")
_KEYS: Mapping[str, type | tuple[type, ...]] = {
    "name": str,
    "kind": str,
    "severity": str,
    "needle": list,
    "match": list,
    "rank": int,
    "joins": list,
    "late": bool,
    "single": bool,
    "inner": bool,
    "traced": bool,
    "ends": str,
    "slack": int,
    "stamped": bool,
    "example": list,
}
_NAMES = ("noise", "bystander", "interrupt")
_LISTS = ("body", "after", "frame", "trace", "between", "past", *_NAMES)
_FLAGS = ("rank", "late", "single", "inner", "traced", "slack", "stamped")
_EXCEPTIONS = ("not_start", "suppress")


@dataclass(frozen=True)
class Rule:
    """One way a report begins; `rules/splats.toml` explains each key.

    Attributes:
        severity: `splat` fails a scenario, `note` only informs.
        needles: fixed texts; a line without any of them cannot match.
        slack: lines in a row that are no part of a report before it is over.
        joins: kinds and names of rules whose open reports this line continues.
        inner: it begins a report only where none is open that it may stand in.
        traced: it is no report unless a call trace follows.
    """

    name: str
    kind: str
    severity: str
    needles: tuple[str, ...]
    pattern: re.Pattern[str]
    rank: int = 50
    joins: frozenset[str] = frozenset()
    late: bool = False
    single: bool = False
    inner: bool = False
    traced: bool = False
    ends: re.Pattern[str] | None = None
    slack: int = 3
    stamped: bool = False
    examples: tuple[str, ...] = ()


class Names:
    """Names of functions, given by regular expressions that match whole names.

    What was asked once is remembered: a log has few functions and many frames.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        match = _alternatives("names", patterns).fullmatch
        self._has = lru_cache(maxsize=65536)(lambda name: match(name) is not None)

    def __contains__(self, name: str) -> bool:
        return self._has(name)


@dataclass(frozen=True)
class Rules:
    """All rules, ready for use.

    Attributes:
        rules: highest rank first.
        any_rule: every rule's expression as a group named `r` and its place in `rules`.
        unstamped_rule: the same without the rules that ask for a kernel timestamp.
        inner_rule: the same of the rules that are marked `inner` only.
        prefilter: finds every line that can match a rule, anywhere in a text of many lines.
        body: lines that look like part of a report.
        after: lines that still belong to a report after the mark that ends it.
        frame: a rule drawn above the first line of a report.
        trace: the line above a call trace.
        between: lines inside a call trace that are no function.
        past: lines above a stack that tells of what was before, as who allocated an object.
        not_start: lines that match a rule and yet start nothing.
        suppress: first lines of reports that are dropped.
        noise: functions that say nothing about the place of a fault.
        bystander: functions of threads that wait for a stalled processor or are idle.
        interrupt: functions by which an interrupt enters the kernel.
    """

    rules: tuple[Rule, ...]
    any_rule: re.Pattern[str]
    unstamped_rule: re.Pattern[str]
    inner_rule: re.Pattern[str]
    prefilter: re.Pattern[str]
    body: re.Pattern[str]
    after: re.Pattern[str]
    frame: re.Pattern[str]
    trace: re.Pattern[str]
    between: re.Pattern[str]
    past: re.Pattern[str]
    not_start: re.Pattern[str]
    suppress: re.Pattern[str]
    noise: Names
    bystander: Names
    interrupt: Names

    def classify(self, line: LogLine) -> Rule | None:
        """The rule of highest rank that the line matches; None when it begins no report."""
        if not line.kernel:
            return None
        any_rule = self.any_rule if line.stamped else self.unstamped_rule
        # Lines of page dumps are many, and no other rule matches them.
        found = self.inner_rule.match(line.text) or any_rule.match(line.text)
        if not found or not found.lastgroup or self.not_start.match(line.text):
            return None
        return self.rules[int(found.lastgroup[1:])]

    @property
    def kinds(self) -> frozenset[str]:
        """Every kind a report can have."""
        return frozenset(rule.kind for rule in self.rules) - {"cut-here"}


@lru_cache(maxsize=1)
def default_rules() -> Rules:
    """The rules that come with the farm."""
    folder = resources.files("hotremove.observe.kernellog") / "rules"
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".toml")), key=str)
    return make_rules((file.name, file.read_text(encoding="utf-8")) for file in files)


def make_rules(texts: Iterable[tuple[str, str]]) -> Rules:
    """Rules from (name, TOML text) pairs; the name is for messages.

    Raises:
        UsageProblem: a text says what no rule can say.
    """
    rules: list[Rule] = []
    lists: dict[str, list[str]] = {}
    for name, text in texts:
        document = _parsed(name, text)
        rules += [_rule(name, table) for table in _tables(name, document, "rule")]
        for key in _LISTS:
            lists.setdefault(key, []).extend(_strings(name, document, key))
        for key in _EXCEPTIONS:
            lists.setdefault(key, []).extend(_exceptions(name, document, key))
    _check_names(rules)
    names: dict[str, Any] = {key: Names(lists.pop(key, [])) for key in _NAMES}
    patterns: dict[str, Any] = {key: _alternatives(key, found) for key, found in lists.items()}
    ranked = tuple(sorted(rules, key=lambda rule: -rule.rank))
    return Rules(
        rules=ranked,
        any_rule=_numbered(ranked, lambda _: True),
        unstamped_rule=_numbered(ranked, lambda rule: not rule.stamped),
        inner_rule=_numbered(ranked, lambda rule: rule.inner),
        prefilter=re.compile(_trie(needle for rule in rules for needle in rule.needles)),
        **names,
        **patterns,
    )


def _parsed(name: str, text: str) -> dict[str, Any]:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageProblem(f"{name} is not TOML: {error}") from None
    for key in document.keys() - {"rule", *_LISTS, *_EXCEPTIONS}:
        raise UsageProblem(f"{name}: unknown key `{key}`")
    return document


def _exceptions(name: str, document: Mapping[str, Any], key: str) -> Iterator[str]:
    """Expressions of [[not_start]] or [[suppress]]; each must say why it is there."""
    for table in _tables(name, document, key):
        if table.keys() != {"match", "reason"}:
            raise UsageProblem(f"{name}: [[{key}]] has the keys `match` and `reason`, no others")
        _text(name, table, "reason")
        yield _text(name, table, "match")


def _tables(name: str, document: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    tables = document.get(key, [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise UsageProblem(f"{name}: {key} must be written as [[{key}]]")
    return tables


def _strings(name: str, document: Mapping[str, Any], key: str) -> list[str]:
    found = document.get(key, [])
    strings = [found] if isinstance(found, str) else found
    if not isinstance(strings, list) or not all(isinstance(one, str) for one in strings):
        raise UsageProblem(f"{name}: {key} must be a text or a list of texts")
    return strings


def _text(name: str, table: Mapping[str, Any], key: str) -> str:
    value = table.get(key)
    if not isinstance(value, str) or not value:
        raise UsageProblem(f"{name}: {table.get('name', 'an entry')} lacks the text `{key}`")
    return value


def _rule(file: str, table: Mapping[str, Any]) -> Rule:
    name, kind = _text(file, table, "name"), _text(file, table, "kind")
    where = f"{file}: rule {name}"
    for key, value in table.items():
        if key not in _KEYS:
            raise UsageProblem(f"{where}: unknown key `{key}`")
        if not isinstance(value, _KEYS[key]):
            raise UsageProblem(f"{where}: `{key}` is of the wrong type")
    needles, matches = _strings(where, table, "needle"), _strings(where, table, "match")
    if not needles or not matches or not all(needles):
        raise UsageProblem(f"{where}: `needle` and `match` must not be empty")
    severity = table.get("severity", "splat")
    if severity not in SEVERITIES:
        raise UsageProblem(f"{where}: severity is `splat` or `note`, not {severity!r}")
    return Rule(
        name=name,
        kind=kind,
        severity=severity,
        needles=tuple(needles),
        pattern=_alternatives(where, matches),
        joins=frozenset(_strings(where, table, "joins")),
        ends=_alternatives(where, [table["ends"]]) if "ends" in table else None,
        examples=tuple(_strings(where, table, "example")),
        **{key: table[key] for key in _FLAGS if key in table},
    )


def _check_names(rules: Iterable[Rule]) -> None:
    seen: set[str] = set()
    for rule in rules:
        if rule.name in seen:
            raise UsageProblem(f"two rules are named {rule.name}")
        seen.add(rule.name)


def _alternatives(where: str, patterns: Iterable[str]) -> re.Pattern[str]:
    """One expression for any of these; one that never matches when there are none."""
    joined = "|".join(f"(?:{pattern})" for pattern in patterns) or r"(?!)"
    try:
        return re.compile(joined)
    except re.error as error:
        raise UsageProblem(f"{where}: not a regular expression: {error}") from None


def _numbered(rules: Iterable[Rule], wanted: Callable[[Rule], bool]) -> re.Pattern[str]:
    """The wanted rules in one expression; the first that matches is told by its group's name."""
    groups = [
        f"(?P<r{place}>{rule.pattern.pattern})" for place, rule in enumerate(rules) if wanted(rule)
    ]
    return re.compile("|".join(groups) or r"(?!)")


def _trie(words: Iterable[str]) -> str:
    """An expression that finds any of the words, sharing beginnings.

    Plain alternatives cost time for each word at each character; a prefix tree looks at each
    character about once (measured on 20 MB and sixty words: 0.53 s against 1.24 s).
    """
    root: dict[str, Any] = {}
    for word in words:
        node = root
        for letter in word:
            node = node.setdefault(letter, {})
        node[""] = {}
    return _branches(root) if root else r"(?!)"


def _branches(node: Mapping[str, Any]) -> str:
    if "" in node:
        return ""  # a shorter word ends here: what follows does not matter
    branches = [re.escape(letter) + _branches(node[letter]) for letter in sorted(node)]
    return branches[0] if len(branches) == 1 else f"(?:{'|'.join(branches)})"
