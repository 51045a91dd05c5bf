# SPDX-License-Identifier: Apache-2.0
"""Where the history lies; told without a database, which takes time to load and an extra."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

ENVIRONMENT_VARIABLE = "HOTREMOVE_HISTORY"


def default_place() -> str:
    """Where the history is when nobody says."""
    named = os.environ.get(ENVIRONMENT_VARIABLE)
    return named or str(platformdirs.user_data_path("hotremove") / "history.sqlite")


def is_url(place: str) -> bool:
    """Whether a place is a SQLAlchemy URL, not the path of a SQLite file."""
    return "://" in place


def may_be_there(place: str) -> bool:
    """Whether there is such a file; of a URL only its database knows."""
    return is_url(place) or Path(place).expanduser().is_file()
