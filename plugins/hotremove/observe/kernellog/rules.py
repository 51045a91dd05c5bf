# SPDX-License-Identifier: Apache-2.0
"""What a kernel's reports look like, as data: the TOML files of `rules/` and their meaning."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib import resources
from typing import Any

from hotremove import shapes
from hotremove.errors import UsageProblem
from hotremove.observe.kernellog.logline import LogLine
from hotremove.observe.kernellog.remembered import Remembered

SEVERITIES = ("splat", "note")
ASKING = "Sending NMI"
"""How a line begins that makes other processors print their backtraces."""

_NAMES = ("noise", "bystander", "interrupt")
_LISTS = ("body", "after", "frame", "trace", "between", "past", *_NAMES)
_EXCEPTIONS = ("not_start", "suppress")
_LOOKS = 8192  # messages of which it is remembered what they look like


@dataclass(frozen=True)
class Rule:
    """One way a report begins; `rules/splats.toml` explains each key.

    Attributes:
        needle: fixed texts; a line without any of them cannot match.
        match: regular expressions.
        severity: `splat` fails a scenario, `note` only informs.
        joins: kinds and names of rules whose open reports this line continues.
        inner: it begins a report only where none is open that it may stand in.
        traced: it is no report unless a call trace follows.
        ends: regular expression of the line that ends the report; None where none has to.
        slack: lines in a row that are no part of a report before it is over.
        example: lines that match.
    """

    name: str
    kind: str
    needle: tuple[str, ...]
    match: tuple[str, ...]
    severity: str = "splat"
    rank: int = 50
    joins: frozenset[str] = frozenset()
    late: bool = False
    single: bool = False
    inner: bool = False
    traced: bool = False
    ends: str | None = None
    slack: int = 3
    stamped: bool = False
    example: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not (self.name and self.kind and self.needle and self.match and all(self.needle)):
            raise ValueError("`name`, `kind`, `needle` and `match` must not be empty")
        if self.severity not in SEVERITIES:
            raise ValueError(f"severity is `splat` or `note`, not {self.severity!r}")
        for one in (*self.match, self.ends or ""):
            _compiled(one)

    @property
    def expression(self) -> str:
        """One regular expression for all of `match`."""
        return _alternatives(self.match)

    @cached_property
    def end(self) -> re.Pattern[str] | None:
        """`ends`, ready for use."""
        return _compiled(self.ends) if self.ends is not None else None


@dataclass(frozen=True)
class _Exception:
    """A line that matches a rule and yet is none; each must say why it is there."""

    match: str
    reason: str

    def __post_init__(self) -> None:
        if not (self.match and self.reason):
            raise ValueError("`match` and `reason` must not be empty")


_Texts = str | tuple[str, ...]


@dataclass(frozen=True)
class _File:
    """What a file of rules holds."""

    rule: tuple[Rule, ...] = ()
    body: _Texts = ()
    after: _Texts = ()
    frame: _Texts = ()
    trace: _Texts = ()
    between: _Texts = ()
    past: _Texts = ()
    noise: _Texts = ()
    bystander: _Texts = ()
    interrupt: _Texts = ()
    not_start: tuple[_Exception, ...] = ()
    suppress: tuple[_Exception, ...] = ()

    def texts(self, key: str) -> list[str]:
        """The regular expressions under a key, in whatever form they stand there."""
        found = getattr(self, key)
        one_or_more = [found] if isinstance(found, str) else found
        return [one if isinstance(one, str) else one.match for one in one_or_more]


class Names:
    """Names of functions, given by regular expressions that match whole names.

    What was asked once is remembered: a log has few functions and many frames.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        match = _compiled(_alternatives(patterns)).fullmatch
        self._has = lru_cache(maxsize=65536)(lambda name: match(name) is not None)

    def __contains__(self, name: str) -> bool:
        return self._has(name)


STRANGE, BLANK, PART, MARK = range(4)
"""What a line is to a report: no part of it, nothing at all, a part, and one that may end it or
makes other processors print their backtraces. Numbers, for lines are many."""


@dataclass(frozen=True, eq=False)
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

    @cached_property
    def begins(self) -> Remembered[bool]:
        """Whether a text holds one that a report may begin with."""
        return Remembered(lambda text: self.prefilter.search(text) is not None, _LOOKS)

    @cached_property
    def traces(self) -> Remembered[bool]:
        """Whether a message stands above a call trace."""
        return Remembered(lambda text: self.trace.match(text) is not None, _LOOKS)

    @cached_property
    def parts(self) -> Remembered[int]:
        """What a message is to a report that has not ended."""
        return Remembered(self._part, _LOOKS)

    @cached_property
    def remains(self) -> Remembered[int]:
        """What a message is to a report that has ended."""
        return Remembered(self._remain, _LOOKS)

    @cached_property
    def _ends(self) -> re.Pattern[str]:
        return _compiled(_alternatives({rule.ends for rule in self.rules if rule.ends}))

    def _part(self, text: str) -> int:
        if not text or text.isspace():
            return BLANK
        if text[0] != " " and self._ends.match(text):
            return MARK
        return _asking(text) if self.body.match(text) else STRANGE

    def _remain(self, text: str) -> int:
        if not text or text.isspace():
            return BLANK
        return _asking(text) if self.after.match(text) else STRANGE

    @property
    def kinds(self) -> frozenset[str]:
        """Every kind a report can have."""
        return frozenset(rule.kind for rule in self.rules) - {"cut-here"}


def _asking(text: str) -> int:
    return MARK if text.startswith(ASKING) else PART


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
    files = [shapes.from_toml(name, text, _File) for name, text in texts]
    rules = [rule for file in files for rule in file.rule]
    _check_names(rules)
    ranked = tuple(sorted(rules, key=lambda rule: -rule.rank))
    found = {key: _joined(key, files) for key in (*_LISTS, *_EXCEPTIONS)}
    return Rules(
        rules=ranked,
        any_rule=_numbered(ranked, lambda _: True),
        unstamped_rule=_numbered(ranked, lambda rule: not rule.stamped),
        inner_rule=_numbered(ranked, lambda rule: rule.inner),
        prefilter=re.compile(_trie(needle for rule in rules for needle in rule.needle)),
        **found,
    )


def _joined(key: str, files: Iterable[_File]) -> Any:
    """What all files have under a key, as the field of Rules holds it.

    Raises:
        UsageProblem: it is no regular expression.
    """
    texts = [text for file in files for text in file.texts(key)]
    try:
        return Names(texts) if key in _NAMES else _compiled(_alternatives(texts))
    except ValueError as error:
        raise UsageProblem(f"{key}: {error}") from None


def _check_names(rules: Iterable[Rule]) -> None:
    seen: set[str] = set()
    for rule in rules:
        if rule.name in seen:
            raise UsageProblem(f"two rules are named {rule.name}")
        seen.add(rule.name)


def _alternatives(patterns: Iterable[str]) -> str:
    """One expression for any of these; one that never matches when there are none."""
    return "|".join(f"(?:{pattern})" for pattern in patterns) or r"(?!)"


def _compiled(pattern: str) -> re.Pattern[str]:
    """The expression, ready for use.

    Raises:
        ValueError: it is none.
    """
    try:
        return re.compile(pattern)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from None


def _numbered(rules: Iterable[Rule], wanted: Callable[[Rule], bool]) -> re.Pattern[str]:
    """The wanted rules in one expression; the first that matches is told by its group's name."""
    groups = [
        f"(?P<r{place}>{rule.expression})" for place, rule in enumerate(rules) if wanted(rule)
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
