"""The two round trips of a request to Valkey, and the questions that a repeat and a dry run add.

Each is one command on this thread's own connection, within VALKEY_WAIT_MS, never repeated: a script that was
asked twice could count twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha1
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from redis.exceptions import NoScriptError

from apps.common.online import GONE, MARKER, counters_key
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


_GONE = Script("""
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return false end
return redis.call('SMISMEMBER', KEYS[2], unpack(ARGV, 2))
""")


def gone_among(kind: str, numbers: npt.NDArray[np.int32], generation: int) -> npt.NDArray[np.bool_] | None:
    """Which of these may not be shown any more, as Valkey says now; None when it is not of this generation.
    Raises RedisError."""
    if not len(numbers):
        return np.zeros(0, "?")
    found = _GONE.run([MARKER, GONE[kind]], [generation, *numbers.tolist()])
    return None if found is None else np.array(found, "?")


_BUCKET = np.dtype([("hour", "<u4"), ("count", "<u2")])


def at_cap(
    surface: str, numbers: npt.NDArray[np.int32], caps: npt.NDArray[np.int32], now: float
) -> npt.NDArray[np.bool_]:
    """Which of these the ledger would refuse under these caps ([n, 2], a day's and an hour's), as it counts
    now: by the same rule as its script, and without counting anything. Raises RedisError."""
    if not len(numbers) or not (caps > 0).any():
        return np.zeros(len(numbers), "?")
    return np.asarray(((caps > 0) & (used(surface, numbers, now) >= caps)).any(axis=1))


def used(surface: str, numbers: npt.NDArray[np.int32], now: float) -> npt.NDArray[np.int64]:
    """[n, 2] how often each was shown in the 24 hours and in the hour that the ledger's script looks at.
    Raises RedisError."""
    hour, found = int(now // 3600), np.zeros((len(numbers), 2), "i8")
    for i, packed in enumerate(ask("HMGET", counters_key(surface), *numbers.tolist())):
        buckets = np.frombuffer(packed or b"", _BUCKET)
        for column, hours in enumerate((24, 1)):
            found[i, column] = buckets["count"][buckets["hour"] >= hour - hours].sum(dtype="i8")
    return found
