"""Slots, shares and pins: the places of a list that staff's rules give, or limit.

A boost may have slots (the best who meet it stand there) or at least a share of the list; a bury at most a
share, where others are left to fill it; a pin its place. Candidates come from the ranked pool alone, so a
filter always wins. Given the pool this draws nothing at random: exploration, which comes after, leaves the
places given alone and brings nobody up whom a bury keeps out, so that its propensities are exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import Any

import numpy as np

from apps.pipeline.contracts import F64, I32, I64, Pool, Request
from apps.pipeline.ranking.matching import meets, words_of
from apps.pipeline.reranking.order import Order
from apps.pipeline.rules import U64, RuleSpec, SurfaceRules

SLOTS, AT_LEAST, AT_MOST = 0, 1, 2  # as in arrange.py
NO_PINS: tuple[I32, I32] = (np.zeros(0, "i4"), np.zeros(0, "i4"))


def place(request: Request, pool: Pool, order: Order) -> Order:
    """The order with the places that rules give; those kept out at its end."""
    rules = request.rules
    length = min(max(request.limit, 0), len(order))
    if rules is None or not length or not (rules.counts["pin"] or rules.counts["place"]):
        return order
    from apps.pipeline.reranking import arrange

    steps = steps_of(rules.rules)
    pins, places = _pins(rules.pins) if rules.pins else NO_PINS
    at, line = np.empty(length, "i4"), np.empty(len(order), "i4")
    last = arrange.arrange(
        pool.words if pool.words.size else words_of(request, pool.table),
        order.positions,
        pool.table["number"],
        pins,
        places,
        rules.live,
        steps.rule,
        steps.kind,
        steps.condition,
        steps.share,
        steps.slot_starts,
        steps.slots,
        at,
        line,
    )
    return Order(
        order.positions[line], order.propensity[line], held=np.flatnonzero(at >= 0), kept_out=int(last)
    )


def places_for(request: Request, words: U64, number: int) -> list[dict[str, Any]]:
    """The rules about places that one candidate, whose words are [words, 1], meets."""
    rules = request.rules
    if rules is None or request.params.random_order:
        return []
    met = [
        {"rule": spec.key, "kind": spec.kind, "slots": list(spec.slots)}
        | ({"share": spec.share} if spec.share >= 0 else {})
        for spec in rules.specs
        if spec.kind in ("boost", "bury") and (spec.slots or spec.share >= 0)
        if meets(words, spec.candidates, 1)[0]
    ]
    pins = (spec for spec in rules.pins if number in spec.pins)
    return met + [{"rule": s.key, "kind": s.kind, "slots": [s.position + s.pins.index(number)]} for s in pins]


@dataclass(frozen=True)
class Steps:
    """What a surface's rules ask for in order; step i has slots[slot_starts[i]:slot_starts[i + 1]]."""

    rule: I64
    kind: I32
    condition: I32
    share: F64
    slot_starts: I32
    slots: I32  # places from 0


@lru_cache(maxsize=128)
def steps_of(rules: SurfaceRules) -> Steps:
    """One step for a rule's slots, one for its share."""
    found: list[tuple[int, int, int, float, list[int]]] = []
    for i in np.flatnonzero(rules.places).tolist():
        spec = rules.in_order[i]
        if spec.slots:
            slots = [slot - 1 for slot in spec.slots if slot >= 1]
            found.append((i, SLOTS, spec.candidates, 0.0, slots))
        if spec.share >= 0:
            kind = AT_LEAST if spec.kind == "boost" else AT_MOST
            found.append((i, kind, spec.candidates, spec.share, []))
    return Steps(
        np.array([step[0] for step in found], "i8"),
        np.array([step[1] for step in found], "i4"),
        np.array([step[2] for step in found], "i4"),
        np.array([step[3] for step in found], "f8"),
        np.array([0, *accumulate(len(step[4]) for step in found)], "i4"),
        np.array([slot for step in found for slot in step[4]], "i4"),
    )


def _pins(specs: Sequence[RuleSpec]) -> tuple[I32, I32]:
    """Numbers in order, and where each rule's first of them stands; -1: after the one before."""
    pins: list[int] = []
    places: list[int] = []
    for spec in specs:
        for i, number in enumerate(spec.pins):
            pins.append(number)
            places.append(max(spec.position, 1) - 1 if i == 0 else -1)
    return np.array(pins, "i4"), np.array(places, "i4")
