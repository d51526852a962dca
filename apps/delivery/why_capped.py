"""Whom caps keep out of a list, which caps those are, and how far each would have to be raised.

Takes a prepared question and its request, asks the ledger how often candidates were shown; gives changes as
apps.pipeline.contracts.Explanation has them. It counts nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
import redis

from apps.delivery.question import Prepared
from apps.delivery.ranking import over_caps
from apps.delivery.trips import at_cap, used
from apps.pipeline.contracts import I32, Request
from apps.pipeline.ranking.matching import meets, words_of_numbers
from apps.pipeline.run import run
from apps.pipeline.sets import distinct, union


def at_caps(prepared: Prepared, request: Request) -> I32:
    """Sorted numbers at a cap: those whom lists leave out before ranking, and those whom the ledger would
    refuse of the ones that are ranked then."""
    noted = over_caps(prepared, request)
    slate, refused = run(without(request, noted)), np.zeros(0, "?")
    with suppress(redis.RedisError):
        refused = at_cap(prepared.question.surface, slate.numbers, slate.caps, prepared.now)
    return union(noted, distinct(slate.numbers[: len(refused)][refused]))


def without(request: Request, numbers: I32) -> Request:
    """The request with these left out."""
    excluded = union(request.viewer.excluded, numbers)
    return replace(request, viewer=replace(request.viewer, excluded=excluded))


def caps_reached(prepared: Prepared, request: Request, number: int) -> tuple[Mapping[str, Any], ...]:
    """What would have to be raised, all together, for somebody who is at a cap."""
    surface = prepared.question.surface
    capped, reached = prepared.world.capped.get(surface), np.zeros(2, "i8")
    if capped is not None:
        reached = capped.noted(number)
    with suppress(redis.RedisError):
        reached = np.maximum(reached, used(surface, np.array([number], "i4"), prepared.now)[0])
    return tuple(
        {"of": "policy", "field": field, "from": limit, "to": int(reached[hourly]) + 1}
        for field, limit, hourly in _limits(request, number)
        if 0 < limit <= reached[hourly]
    )


def _limits(request: Request, number: int) -> Iterator[tuple[str, int, int]]:
    """Every cap that counts for them: where it is set, exposures, and 0 for a day's or 1 for an hour's."""
    yield "daily_cap", request.params.daily_cap, 0
    yield "hourly_cap", request.params.hourly_cap, 1
    rules = request.rules
    if rules is None or not rules.have("cap"):
        return
    words = words_of_numbers(request, np.array([number], "i4"))
    for spec in rules.those(rules.caps):
        if meets(words, spec.candidates, 1)[0]:
            yield f"rules.{spec.key}.daily", spec.daily, 0
            yield f"rules.{spec.key}.hourly", spec.hourly, 1
