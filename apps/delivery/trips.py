"""The two round trips of a request to Valkey, and the questions that a repeat and a dry run add.

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

from apps.common.online import GONE, counters_key
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


_BUCKET = np.dtype([("hour", "<u4"), ("count", "<u2")])


def at_cap(
    surface: str, numbers: npt.NDArray[np.int32], caps: npt.NDArray[np.int32], now: float
) -> npt.NDArray[np.bool_]:
    """Which of these the ledger would refuse under these caps ([n, 2], a day's and an hour's), as it counts
    now: by the same rule as its script, and without counting anything. Raises RedisError."""
    if not len(numbers) or not (caps > 0).any():
        return np.zeros(len(numbers), "?")
    hour = int(now // 3600)
    used = np.zeros((len(numbers), 2), "i8")
    for i, packed in enumerate(ask("HMGET", counters_key(surface), *numbers.tolist())):
        buckets = np.frombuffer(packed or b"", _BUCKET)
        for column, hours in enumerate((24, 1)):
            used[i, column] = buckets["count"][buckets["hour"] >= hour - hours].sum(dtype="i8")
    return np.asarray(((caps > 0) & (used >= caps)).any(axis=1))
