# SPDX-License-Identifier: Apache-2.0
"""Where guests/, kmods/ and scenarios/ lie: inside the installed package, or in the checkout."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_CHECKOUT = _PACKAGE.parent.parent


def folder(name: str) -> Path:
    """Path of the top-level folder `name` (`guests`, `kmods`, `scenarios`).

    Raises:
        FileNotFoundError: the installation is incomplete.
    """
    for root in (_PACKAGE, _CHECKOUT):
        if (root / name).is_dir():
            return root / name
    raise FileNotFoundError(f"{name}/ is missing: neither in {_PACKAGE} nor in {_CHECKOUT}")
