# SPDX-License-Identifier: Apache-2.0
"""The options without their prefix: `--kernel` for `--hotremove-kernel`.

A plugin for runs of the suite, which nobody shares: `-p hotremove.plugin.short_options`, or by a
conftest.py. Named on the command line it is there in time for any use of the options; pytest reads
a conftest.py only after it has taken each word for a path that it does not know for an option.

PYTEST_DONT_REWRITE: it has no assertions.
"""

from __future__ import annotations

import pytest

from hotremove.plugin.options import add_short_options


def pytest_addoption(parser: pytest.Parser) -> None:
    """Register them."""
    add_short_options(parser)
