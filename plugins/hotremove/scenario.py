# SPDX-License-Identifier: Apache-2.0
"""The words scenarios are written in, beside the fixtures."""

from hotremove.errors import NotApplicable
from hotremove.memory.outcome import GUEST_DIED, REFUSED, REMOVED, STUCK
from hotremove.observe.pagemap import PAGE_BYTES as PAGE
from hotremove.pincost.model import MOVABLE, NORMAL, Point
from hotremove.pins.holder import PinRefused
from hotremove.pins.path import PINNED, errno_name
from hotremove.units import GIB, MIB

__all__ = [
    "GIB",
    "GUEST_DIED",
    "MIB",
    "MOVABLE",
    "NORMAL",
    "PAGE",
    "PINNED",
    "REFUSED",
    "REMOVED",
    "STUCK",
    "NotApplicable",
    "PinRefused",
    "Point",
    "errno_name",
]
