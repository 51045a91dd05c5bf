# SPDX-License-Identifier: Apache-2.0
"""Where it happened: which functions of a report a developer would name, and its fingerprint."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain

from hotremove.observe.kernellog.calltrace import FUNCTION, Stack, bare, has_frames, read_stacks
from hotremove.observe.kernellog.rules import Rules

_OFFSET = r"\+0x[0-9a-f]+/0x[0-9a-f]+"
_IN_TITLE = re.compile(rf"\b{FUNCTION}(?:{_OFFSET}| \S+:\d+ \[inline\])")
_RACE = re.compile(rf"BUG: KCSAN: \S+ in {FUNCTION}(?: / {FUNCTION})?")
# Functions that a report names outside of a stack.
_NAMED = re.compile(
    rf".*?\bat: (?:\[<[0-9a-f]+>\] )?{FUNCTION}{_OFFSET}"  # lockdep: who takes or holds the lock
    rf"|caller is (?:\[<[0-9a-f]+>\] )?{FUNCTION}{_OFFSET}"  # lib/smp_processor_id.c
    rf"|\s+last function: {FUNCTION}"  # kernel/workqueue.c
)
_STALLED_CPU = re.compile(r"(?:rcu: )?\s*(\d+)-[\w.!?]*:? ?\(")
_STALLED_TASK = re.compile(r"\bP(\d+)\b")
_FOUND_LATER = re.compile(r"^BUG \S.*: .*(?:overwritten|corrupt)")
# Numbers, also hexadecimal ones: with a digit, long, or where the kernel prints page frames.
_VARIABLE = re.compile(
    r"0x[0-9a-f]+|\b[0-9a-f]*\d[0-9a-f]*\b|\b[0-9a-f]{6,}\b|'[^']*'|\"[^\"]*\"|\d+"
    r"|(?<=\bpfn[ :=])[0-9a-f]+\b|(?<=\[)[0-9a-f]+, ?[0-9a-f]+(?=[)\]])"
)
_LENGTH = 3
_HEAD = 16  # lines at a report's beginning that name what is stalled
_STALLS = frozenset({"rcu-stall", "soft-lockup", "hard-lockup"})
_OWNED = frozenset({"slab", "bad-page", "page-dump"})
"""Kinds where who had the object or page says more than who found it."""


@dataclass(frozen=True)
class Blame:
    """Where it happened.

    Attributes:
        place: the function that the report names, or where the processor was.
        trace: functions of the stack that tells it, innermost first.
        fingerprint: `kind:function:function`, the same from run to run.
    """

    place: str | None
    trace: tuple[str, ...]
    fingerprint: str


def blame(kind: str, title: str, messages: Sequence[str], rules: Rules) -> Blame:
    """Read out of a report where it happened.

    Args:
        kind: the report's kind.
        title: its title.
        messages: all its lines, without what the log puts before them.
        rules: which functions say nothing.
    """
    named = [*_title_names(title), *_named(kind, messages)]
    if not named and not any(map(has_frames, messages)):
        return Blame(None, (), f"{kind}:{_words(title)}")  # most notes
    stacks = read_stacks(messages, rules)
    owners: list[Stack] = []
    if kind in _OWNED:
        everyone = list(stacks)
        owners = [one for one in everyone if one.past]
        # Who stumbles upon an overwritten object has no part in it.
        stacks = iter([] if owners and _FOUND_LATER.search(title) else everyone)
    stack = _telling_stack(kind, stacks, messages, rules) or Stack()
    own = [*named, *stack.places]
    telling = list(dict.fromkeys(_telling(kind, own, stack, owners, rules)))
    return Blame(
        place=own[0] if own else None,
        trace=tuple(stack.names),
        fingerprint=":".join([kind, *(telling[:_LENGTH] or [_words(title)])]),
    )


def _telling(
    kind: str, own: Sequence[str], stack: Stack, owners: Sequence[Stack], rules: Rules
) -> Iterator[str]:
    """The functions that say something, those that say most first."""
    here = (
        _tell([*own, *_context(kind, stack.names, rules)], rules)
        or list(own[:1])
        or _tell([*stack.names, *stack.doubtful], rules)
    )
    if kind == "bad-page":
        yield from here[:1]
    yield from chain.from_iterable(_tell([*one.places, *one.names], rules)[:1] for one in owners)
    yield from here


def _context(kind: str, names: Sequence[str], rules: Rules) -> Sequence[str]:
    """The functions down to the interrupt they ran in; a stall is what the interrupt cut short."""
    if kind in _STALLS:
        return names
    entry = next((place for place, name in enumerate(names) if name in rules.interrupt), None)
    return names[:entry]


def _tell(names: Iterable[str], rules: Rules) -> list[str]:
    return [name for name in names if name not in rules.noise]


def _telling_stack(
    kind: str, stacks: Iterator[Stack], messages: Sequence[str], rules: Rules
) -> Stack | None:
    """The stack of where it happened, out of all that the report shows."""
    if kind in _STALLS:
        return _stalled(stacks, messages, rules)
    present = [one for one in _until_told(stacks, rules) if not one.past]
    if not present:
        return None
    # In this order: what says something, what a heading marks, what comes first.
    return max(present, key=lambda one: (_tells(one, rules), one.headed))


def _until_told(stacks: Iterable[Stack], rules: Rules) -> Iterator[Stack]:
    """The stacks up to the first below a heading such as `Call Trace:` that says something."""
    for one in stacks:
        yield one
        if one.headed and one.names and not one.past and _tells(one, rules):
            return


def _tells(stack: Stack, rules: Rules) -> bool:
    return bool(_tell([*stack.places, *stack.names, *stack.doubtful], rules))


def _stalled(stacks: Iterable[Stack], messages: Sequence[str], rules: Rules) -> Stack | None:
    """The stack of what is stalled, not of who noticed it or waits for it."""
    named = messages[:_HEAD]
    cpus = {int(one[1]) for one in map(_STALLED_CPU.match, named) if one}
    pids = {int(pid) for message in named for pid in _STALLED_TASK.findall(message)}
    best, score = None, (-1, False)
    for one in stacks:
        names = [*one.places, *one.names]
        tells = bool(_tell(names, rules))
        bystands = any(name in rules.bystander for name in names)
        rank = (tells + (tells and not bystands), one.cpu in cpus or one.pid in pids)
        if rank > score:
            best, score = one, rank
    return best


@lru_cache(maxsize=1024)
def _title_names(title: str) -> Sequence[str]:
    race = _RACE.match(title)
    if race:
        return [bare(name) for name in race.groups() if name]
    found = _IN_TITLE.search(title)
    return [bare(found[1])] if found else []


def _named(kind: str, messages: Iterable[str]) -> list[str]:
    """The first function that a line names on purpose."""
    if kind not in ("lockdep", "bug"):
        return []
    found = next(filter(None, map(_NAMED.match, messages)), None)
    return [bare(next(filter(None, found.groups())))] if found else []


@lru_cache(maxsize=1024)
def _words(title: str) -> str:
    """The title without numbers, addresses and quoted names."""
    words = re.findall(r"[A-Za-z_]+", _VARIABLE.sub(" ", title))
    return "-".join(words[:12]).lower() or "unknown"
