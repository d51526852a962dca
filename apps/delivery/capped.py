"""Who reached a cap, as Valkey knew it a moment ago: left out before ranking, so that lists stay full.

Takes what the reserve script noted; gives the numbers whose caps in this request are no higher than one they
reached. An optimisation: the script itself counts and refuses.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import redis

from apps.common import online
from apps.pipeline.contracts import I32, NO_WORDS, NOBODY, Request
from apps.pipeline.ranking.caps import caps_of
from apps.pipeline.ranking.matching import words_of_numbers
from apps.pipeline.rules import U64
from apps.pipeline.sets import distinct

MOST_KEPT = 64


@dataclass(frozen=True)
class Capped:
    """One surface's records, and what they came to for caps that requests had."""

    records: npt.NDArray[Any] = field(default_factory=lambda: np.zeros(0, online.CAPPED))
    _over: dict[tuple[Any, ...], I32] = field(default_factory=dict, repr=False)
    _words: dict[tuple[str, str], U64] = field(default_factory=dict, repr=False)

    def over(self, request: Request) -> I32:
        """Sorted numbers that are at a cap this request has."""
        if not len(self.records):
            return NOBODY
        rules = request.rules
        by_rule = (rules.rules, rules.caps.tobytes()) if rules is not None else ()
        key = (request.snapshot.id, request.params.daily_cap, request.params.hourly_cap, by_rule)
        found = self._over.get(key)
        if found is None:
            found = self._over_now(request)
            if len(self._over) < MOST_KEPT:
                self._over[key] = found
        return found

    def noted(self, number: int) -> npt.NDArray[np.int64]:
        """[2] the highest cap of a day and of an hour that somebody reached; 0: none."""
        theirs = self.records[self.records["number"] == number]
        return np.array([theirs["cap"][theirs["hourly"] == kind].max(initial=0) for kind in (0, 1)], "i8")

    def _over_now(self, request: Request) -> I32:
        numbers = np.ascontiguousarray(self.records["number"])
        caps = caps_of(request, self._words_of(request, numbers), np.arange(len(numbers)))
        cap = caps[np.arange(len(numbers)), self.records["hourly"]]
        return distinct(numbers[(cap > 0) & (cap <= self.records["cap"])])

    def _words_of(self, request: Request, numbers: I32) -> U64:
        """[words, records] the conditions each meets: the same for every viewer."""
        if request.rules is None or not request.rules.have("cap"):
            return NO_WORDS
        key = (request.snapshot.id, request.rules.rules.digest)
        words = self._words.get(key)
        if words is None:
            words = self._words[key] = words_of_numbers(request, numbers)
        return words


def read_capped(client: redis.Redis, surfaces: Iterable[str]) -> dict[str, Capped]:
    """The records that still stand, by surface. Raises RedisError."""
    result = {}
    for surface in surfaces:
        key = online.capped_key(surface)
        members = cast("list[bytes]", client.zrange(key, int(time.time()), cast(Any, "+inf"), byscore=True))
        result[surface] = Capped(np.frombuffer(b"".join(members), online.CAPPED))
    return result
