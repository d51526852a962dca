"""Slots, shares and pins: the places of a list that staff's rules give, or limit.

A boost may have slots (the best who meet it stand there) or at least a share of the list; a bury at most a
share, where others are left to fill it; a pin its place. Candidates come from the ranked pool alone, so a
filter always wins. Given the pool this draws nothing at random: exploration, which comes after, leaves the
places given alone and brings nobody up whom a bury keeps out, so that its propensities are exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from apps.pipeline.contracts import Pool, Request
from apps.pipeline.ranking.matching import meets, words_of
from apps.pipeline.reranking.order import Order
from apps.pipeline.rules import U64, RuleSpec

SLOTS, AT_LEAST, AT_MOST = 0, 1, 2  # as in arrange.py


def place(request: Request, pool: Pool, order: Order) -> Order:
    """The order with the places that rules give; those kept out at its end."""
    rules = request.rules
    length = min(max(request.limit, 0), len(order))
    steps = [step for spec in rules.placements for step in _steps(spec)] if rules else []
    pins, places = _pins(rules.pins if rules else ())
    if not length or not (steps or pins):
        return order
    from apps.pipeline.reranking.arrange import arrange

    slots = [np.array(found, "i4") for _, _, _, found in steps]
    at, line = np.empty(length, "i4"), np.empty(len(order), "i4")
    last = arrange(
        pool.words if pool.words.size else words_of(request, pool.table),
        order.positions,
        pool.table["number"][order.positions],
        np.array(pins, "i4"),
        np.array(places, "i4"),
        np.array([kind for kind, *_ in steps], "i4"),
        np.array([condition for _, condition, *_ in steps], "i4"),
        np.array([share for _, _, share, _ in steps], "f8"),
        np.array([0, *accumulate(len(found) for found in slots)], "i4"),
        np.concatenate(slots) if slots else np.zeros(0, "i4"),
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
        for spec in rules.placements
        if meets(words, spec.candidates, 1)[0]
    ]
    pins = (spec for spec in rules.pins if number in spec.pins)
    return met + [{"rule": s.key, "kind": s.kind, "slots": [s.position + s.pins.index(number)]} for s in pins]


def _steps(spec: RuleSpec) -> list[tuple[int, int, float, list[int]]]:
    """What a rule asks for: kind, condition, share, places from 0."""
    steps = []
    if spec.slots:
        steps.append((SLOTS, spec.candidates, 0.0, [slot - 1 for slot in spec.slots if slot >= 1]))
    if spec.share >= 0:
        steps.append((AT_LEAST if spec.kind == "boost" else AT_MOST, spec.candidates, spec.share, []))
    return steps


def _pins(specs: Sequence[RuleSpec]) -> tuple[list[int], list[int]]:
    """Numbers in order, and where each rule's first of them stands; -1: after the one before."""
    pins: list[int] = []
    places: list[int] = []
    for spec in specs:
        for i, number in enumerate(spec.pins):
            pins.append(number)
            places.append(max(spec.position, 1) - 1 if i == 0 else -1)
    return pins, places
