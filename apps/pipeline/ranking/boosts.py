"""Boosts and buries by factor: what staff's rules multiply Phi with, one number per candidate.

Takes the live rules in their order and the pool's words; gives a product within LOWEST..HIGHEST, or None when
no such rule is live, so that scores stay bit for bit what they were.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from apps.pipeline.contracts import F64, Pool, Request
from apps.pipeline.ranking.matching import meets
from apps.pipeline.rules import U64, RuleSpec

LOWEST, HIGHEST = 0.1, 4.0


def multiplier_of(request: Request, words: U64, n: int) -> F64 | None:
    """[n] the bounded product of the factors of all rules that a candidate meets."""
    specs = _factors(request)
    if not specs or not n:
        return None
    from apps.pipeline.ranking.multiply import multiply

    conditions = np.array([spec.candidates for spec in specs], "i4")
    factors = np.array([spec.factor for spec in specs], "f8")
    product = np.empty(n, "f8")
    multiply(words, conditions, factors, LOWEST, HIGHEST, product)
    return product


def steps_of(request: Request, pool: Pool, i: int) -> list[dict[str, Any]]:
    """The rules that row i of a pool meets, as they apply: each one's factor."""
    words = pool.words[:, i : i + 1] if pool.words.size else pool.words
    met = (spec for spec in _factors(request) if meets(words, spec.candidates, 1)[0])
    return [{"rule": spec.key, "kind": spec.kind, "factor": spec.factor} for spec in met]


def _factors(request: Request) -> Sequence[RuleSpec]:
    off = request.rules is None or "boosts" in request.params.disabled_stages
    return () if off or request.rules is None else request.rules.factors
