"""Boosts and buries by factor: what staff's rules multiply Phi with, one number per candidate.

Takes the live rules in their order and the pool's words; gives a product within LOWEST..HIGHEST, or None when
no such rule is live, so that scores stay bit for bit what they were.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from apps.pipeline.contracts import F64, Pool, Request
from apps.pipeline.ranking.matching import meets
from apps.pipeline.rules import U64

LOWEST, HIGHEST = 0.1, 4.0


def multiplier_of(request: Request, words: U64, n: int) -> F64 | None:
    """[n] the bounded product of the factors of all rules that a candidate meets."""
    rules = request.rules
    if rules is None or not n or not rules.counts["multiply"] or "boosts" in request.params.disabled_stages:
        return None
    from apps.pipeline.ranking.multiply import multiply

    book, product = rules.rules, np.empty(n, "f8")
    multiply(words, rules.live, book.conditions, book.factors, LOWEST, HIGHEST, product)
    return product


def steps_of(request: Request, pool: Pool, i: int) -> list[dict[str, Any]]:
    """The rules that row i of a pool meets, as they apply: each one's factor."""
    words = pool.words[:, i : i + 1] if pool.words.size else pool.words
    off = request.rules is None or "boosts" in request.params.disabled_stages
    specs = () if off or request.rules is None else request.rules.specs
    multiply = (spec for spec in specs if spec.kind in ("boost", "bury") and spec.factor != 1.0)
    met = (spec for spec in multiply if meets(words, spec.candidates, 1)[0])
    return [{"rule": spec.key, "kind": spec.kind, "factor": spec.factor} for spec in met]
