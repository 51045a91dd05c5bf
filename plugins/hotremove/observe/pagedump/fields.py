# SPDX-License-Identifier: Apache-2.0
"""What one line of a page dump says.

The generations of `__dump_page()` (mm/debug.c): `page:ADDRESS count:` to 4.20, `refcount:` from
5.0 on; the folio's counts on the first line in 5.7 and 5.8, on one of their own (`head:`) from 5.9;
no address from 6.9 on. The address space's name stands alone up to 5.5, after `aops:` later.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

Fields = Mapping[str, Any]
"""Attributes of a `PageDump` and their values."""

_PAGE = re.compile(r"page:\S*\s+(?:ref)?count:(-?\d+)\s+mapcount:(-?\d+)(.*)")
_PFN = re.compile(r"\bpfn:\s*(\S+)")
_UNINITIALISED = re.compile(r"page:\S+ is uninitialized and poisoned")
_HEAD = re.compile(r"head:\S*\s+order:(\d+)(.*)")
_FLAGS = re.compile(r"(?:(anon|ksm) )?(?:page )?flags: 0x[0-9a-f]+(?:\((.*?)\))?(?:\s|$)")
_REASON = re.compile(r"page dumped because: (.*)")
_MEMCG = re.compile(r"(?:memcg:|page->mem_cgroup:)[0-9a-f]+")
_FILE = re.compile(r"(?:mapping->)?a_?ops:(\S+)")
_BARE_FILE = re.compile(r"(\w*(?:_aops|address_space_operations)\w*)(?: \[\w+\])?(?: name:.*)?$")
_BARE_KIND = re.compile(r"(anon|ksm)$")
_TYPE = re.compile(r"page_type: (.*)")
_WORDS = re.compile(r"(raw|head): ([0-9a-f]{8,16}(?: [0-9a-f]{8,16}){3,7})$")
_FIELD = re.compile(r"(\w+):\s*(\S+)")

_NO_MAPPING = frozenset({"", "0", "0000000000000000", "00000000", "(null)"})
_KERNEL_HALF = 0xFFFF000000000000  # an address, where 5.0 to 5.8 and 4.14 do not hash it
_ANON, _MOVABLE, _KSM = 1, 2, 3  # the lowest bits of struct page's mapping
_BITS: Mapping[int, Fields] = {
    0: {},
    _ANON: {"kind": "anon"},
    _MOVABLE: {"movable": True},
    _KSM: {"kind": "ksm"},
}


def begins(text: str) -> bool:
    """Whether it is the first line of a dump."""
    return text.startswith("page:") and bool(_PAGE.match(text) or _UNINITIALISED.match(text))


def pfn_of(text: str) -> int | None:
    """The page frame that the first line of a dump names; those before 5.9 name none."""
    found = _PFN.search(text)
    return _number(found[1]) if found else None


@lru_cache(maxsize=1024)
def first_line(text: str) -> Fields:
    """What the first line of a dump says. Never to be changed."""
    found = _PAGE.match(text)
    if not found:
        return {"refcount": 0, "mapcount": 0, "uninitialised": True}
    fields = dict(_FIELD.findall(found[3]))
    return {
        "refcount": int(found[1]),
        "mapcount": int(found[2]),
        "index": _number(fields.get("index")),
        **_mapping(fields.get("mapping", "")),
        **(_folio(fields) if "order" in fields or "compound_mapcount" in fields else {}),
    }


@lru_cache(maxsize=1024)
def continues(text: str) -> Fields | None:
    """What a further line says; None when it is none of a dump. Never to be changed."""
    reader = _READERS.get(text[:4])
    for pattern, read in reader or _OTHERS:
        found = pattern.match(text)
        if found:
            return read(found)
    return None


def _number(text: str | None) -> int | None:
    try:
        return int(text, 0) if text else None
    except ValueError:
        return None


def _mapping(text: str) -> Fields:
    """What `mapping:` says: hashed it is null or not, as an address it has bits that mean more."""
    if text in _NO_MAPPING:
        return {"cached": False}
    address = int(text, 16) if re.fullmatch(r"[0-9a-f]{16}", text) else 0
    bits = _BITS[address & 3] if address >= _KERNEL_HALF else {}
    return {"cached": not bits, **bits}


def _folio(fields: Mapping[str, str]) -> Fields:
    """The counts of a large folio."""
    said = {
        "order": fields.get("order"),
        "folio_mapcount": fields.get("mapcount"),  # bare in the head's line only (6.10)
        "entire_mapcount": fields.get("entire_mapcount", fields.get("compound_mapcount")),
        "nr_pages_mapped": fields.get("nr_pages_mapped", fields.get("subpages_mapcount")),
        "pincount": fields.get("pincount", fields.get("compound_pincount")),
    }
    numbers = {name: _number(value) for name, value in said.items()}
    return {name: number for name, number in numbers.items() if number is not None}


def _read_head(found: re.Match[str]) -> Fields:
    return {**_folio(dict(_FIELD.findall(found[2]))), "order": int(found[1])}


def _read_flags(found: re.Match[str]) -> Fields:
    names = tuple(name for name in re.split(r"[|,]", found[2] or "") if name)
    return {"flags": names, **({"kind": found[1]} if found[1] else {})}


def _read_words(found: re.Match[str]) -> Fields:
    """The fourth word of struct page is its mapping; on the first line only."""
    words = found[2].split()
    return {"words": (found[1], int(words[3], 16))}


def mapping_word(word: int) -> Fields:
    """What the mapping itself says, which `mapping:` leaves out where no file has the page."""
    return _BITS[word & 3] if word >= _KERNEL_HALF else {}


_HEADS = ((_HEAD, _read_head), (_WORDS, _read_words))
_READERS: dict[str, tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], Fields]], ...]] = {
    "head": _HEADS,
    "raw:": _HEADS,
}
_OTHERS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], Fields]], ...] = (
    (_FLAGS, _read_flags),
    (_REASON, lambda found: {"reason": found[1].strip()}),
    (_MEMCG, lambda _: {}),
    (_FILE, lambda found: {"kind": "file", "aops": found[1]}),
    (_TYPE, lambda found: {"page_type": found[1].strip()}),
    (_BARE_FILE, lambda found: {"kind": "file", "aops": found[1]}),
    (_BARE_KIND, lambda found: {"kind": found[1]}),
)
