# SPDX-License-Identifier: Apache-2.0
"""What was found out about texts, for a log has few different lines and many of each."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

_What = TypeVar("_What")


class Remembered(dict[str, _What]):
    """Answers by text: the function's, asked once for each text as long as there is room.

    A look-up of one that is known takes no call. Once `most` texts are known all are forgotten.
    """

    def __init__(self, ask: Callable[[str], _What], most: int) -> None:
        super().__init__()
        self._ask = ask
        self._most = most

    def __missing__(self, text: str) -> _What:
        if len(self) >= self._most:
            self.clear()
        answer = self[text] = self._ask(text)
        return answer
