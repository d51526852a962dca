"""The two round trips of a request to Valkey, and the one question that a repeat and a dry run add.

Each is one command on this thread's own connection, within 50 ms, never repeated: a script that was asked
twice could count twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha1
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from redis.exceptions import NoScriptError

from apps.common.online import GONE
from apps.common.valkey import ask


def read(keys: Sequence[str]) -> list[bytes | None]:
    """Round trip 1: the values of a viewer's keys. Raises RedisError."""
    return cast("list[bytes | None]", ask("MGET", *keys))


class Script:
    """Round trip 2: a script that the server keeps by its digest."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.digest = sha1(text.encode(), usedforsecurity=False).hexdigest()

    def run(self, keys: Sequence[str], args: Sequence[Any]) -> Any:
        """Its answer; a server that does not know it yet refuses before anything ran. Raises RedisError."""
        words = (len(keys), *keys, *args)
        try:
            return ask("EVALSHA", self.digest, *words)
        except NoScriptError:
            return ask("EVAL", self.text, *words)


def gone_among(kind: str, numbers: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
    """Which of these may not be shown any more, as Valkey says now. Raises RedisError."""
    if not len(numbers):
        return np.zeros(0, "?")
    return np.array(ask("SMISMEMBER", GONE[kind], *numbers.tolist()), "?")
