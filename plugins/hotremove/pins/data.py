# SPDX-License-Identifier: Apache-2.0
"""What went through pinned memory, and whether it came out as it was written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


class DataLost(AssertionError):
    """Memory does not hold what was last written to it, or the two who use it see different data.

    Either way it is the kernel that moved it, or let go of it, under who had it pinned.
    """


@dataclass(frozen=True)
class Exchange:
    """Words that went both ways between the processor and who uses a pin, a word a page.

    Attributes:
        path: the holder's word for the pin path.
        places: pages that were looked at; 0 where nobody can be made to use the pin.
        unread: those of which the user of the pin read something else than the processor wrote.
        unwritten: those of which the processor read something else than the user of the pin wrote.
        first: where in the pin the first of them is, bytes.
    """

    path: str
    places: int
    unread: int
    unwritten: int
    first: int

    def __str__(self) -> str:
        """What was wrong."""
        return (
            f"of {self.places} pages pinned through {self.path} the pin's user reads {self.unread} "
            f"otherwise than the processor wrote, the processor {self.unwritten} otherwise than "
            f"the pin's user wrote; the first at byte {self.first:#x} of the pin"
        )


def require_marks(answer: Mapping[str, Any], what: str) -> None:
    """Require that each page of a holder's memory has the mark that it got when it was faulted.

    Raises:
        DataLost: with how many have not.
    """
    __tracebackhide__ = True
    if missing := answer["missing"]:
        raise DataLost(
            f"{missing} of {answer['pages']} pages of {what} are not as the processor wrote them "
            f"before the pin; the first at byte {answer['first']:#x}"
        )


def require_exchanged(answer: Mapping[str, Any], what: str) -> None:
    """Require that the words of each pin were seen by both.

    Raises:
        DataLost: with those that were not.
    """
    __tracebackhide__ = True
    found = [Exchange(*one) for one in answer["pins"]]
    if wrong := [str(one) for one in found if one.unread or one.unwritten]:
        raise DataLost(f"{what}: {'; '.join(wrong)}")
