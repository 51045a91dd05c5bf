# SPDX-License-Identifier: Apache-2.0
"""What `--hotremove-without` leaves out: its words, and the fixtures that need what each names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache

from hotremove.errors import UsageProblem

# Those that are no pin paths; a pin path says itself which words leave it out.
OTHERS: Mapping[str, frozenset[str]] = {
    "virtio-mem": frozenset({"virtio_mem", "virtio-mem"}),
    "dax": frozenset({"dax_kmem"}),
    "cxl": frozenset({"cxl_memory"}),
    "hugetlb": frozenset({"huge_pages", "gigantic_pages"}),
    "files": frozenset({"ext4"}),
    "notifier": frozenset({"notifier_veto"}),
    "cost": frozenset({"pin_cost"}),
}


@cache
def fixtures_by_word() -> Mapping[str, frozenset[str]]:
    """What `--hotremove-without` takes, with the fixtures, pin paths or memory that need it.

    Raises:
        UsageProblem: what another package registered is no pin path.
    """
    from hotremove.memory.kinds import KINDS
    from hotremove.pins.registry import pin_paths, waiving_words

    found: dict[str, frozenset[str]] = {}
    for name in pin_paths():
        for word in waiving_words(name):
            found[word] = found.get(word, frozenset()) | {name}
    found["modules"] |= {kind.name for kind in KINDS.values() if kind.kmod}
    return {**found, **OTHERS}


def check_words(words: Iterable[str]) -> tuple[str, ...]:
    """The words, each once.

    Raises:
        UsageProblem: one is unknown.
    """
    given = tuple(dict.fromkeys(words))
    for word in given:
        if word not in fixtures_by_word():
            known = ", ".join(fixtures_by_word())
            raise UsageProblem(f"--hotremove-without {word}: one of {known}")
    return given
