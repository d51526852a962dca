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
from typing import Any

import numpy as np

from apps.pipeline.contracts import F64, I32, Pool, Request
from apps.pipeline.passes import Passes
from apps.pipeline.ranking.matching import meets
from apps.pipeline.reranking.order import Order
from apps.pipeline.rules import U64, RuleSpec, SurfaceRules

arrange = Passes("reranking.arrange")

SLOTS, AT_LEAST, AT_MOST = 0, 1, 2  # as in arrange.py
NO_PINS: I32 = np.zeros((2, 0), "i4")


def place(request: Request, pool: Pool, order: Order) -> Order:
    """The order with the places that rules give; those kept out at its end."""
    rules = request.rules
    length = min(max(request.limit, 0), len(order))
    if rules is None or not length or not (rules.have("pin") or rules.have("place")):
        return order
    steps, pins = steps_of(rules.rules), _pins(rules.pins) if rules.pins else NO_PINS
    at, positions = np.empty(length, "i4"), np.empty(len(order), "i8")
    propensity = np.empty(len(order), "f4")
    last = arrange.arrange(
        pool.words,
        order.positions,
        order.propensity,
        pool.table["number"],
        pins,
        rules.live,
        steps.steps,
        steps.slots,
        at,
        positions,
        propensity,
    )
    return Order(positions, propensity, held=(at >= 0).nonzero()[0], kept_out=int(last))


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
    """What a surface's rules ask for, in order: one step for a rule's slots, one for its share."""

    steps: F64  # [steps, 6] rule, SLOTS or one of the others, condition, share, from and to which of `slots`
    slots: I32  # places from 0


@lru_cache(maxsize=128)
def steps_of(rules: SurfaceRules) -> Steps:
    """The same for all viewers of a surface."""
    steps: list[tuple[float, ...]] = []
    slots: list[int] = []
    for i in np.flatnonzero(rules.places).tolist():
        spec, start = rules.in_order[i], len(slots)
        if spec.slots:
            slots += [slot - 1 for slot in spec.slots if slot >= 1]
            steps.append((i, SLOTS, spec.candidates, 0.0, start, len(slots)))
        if spec.share >= 0:
            kind = AT_LEAST if spec.kind == "boost" else AT_MOST
            steps.append((i, kind, spec.candidates, spec.share, 0, 0))
    return Steps(np.array(steps, "f8").reshape(-1, 6), np.array(slots, "i4"))


def _pins(specs: Sequence[RuleSpec]) -> I32:
    """[2, pins] numbers in order, and where each rule's first of them stands; -1: after the one before."""
    pins = [
        (number, max(spec.position, 1) - 1 if i == 0 else -1)
        for spec in specs
        for i, number in enumerate(spec.pins)
    ]
    return np.ascontiguousarray(np.array(pins, "i4").reshape(-1, 2).T)
