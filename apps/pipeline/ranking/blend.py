"""The compiled passes of the score: Phi of p and q, and what is added to it. Named where they are used by
Passes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from apps.pipeline.compiled import columns, compiled, part
from apps.pipeline.ranking import reciprocity
from apps.pipeline.ranking.reciprocity import RULES

HARMONIC, PRODUCT, VIEWER_ONLY = RULES["harmonic"], RULES["product"], RULES["viewer_only"]
TINY = 1e-12  # 1 / 0 would make a NaN of 0 / 0; at 0 the harmonic rule gives 0 up to this


@part
def probability(value: Any) -> Any:
    """A number within 0..1; a NaN or an infinity counts 0."""
    return min(max(np.float64(value), 0.0), 1.0) if math.isfinite(value) else 0.0


@compiled(*columns("f4", "f4"), "int64", "float64", *columns("=f4"), exact=True, uses=[reciprocity])
def reciprocal(p: Any, q: Any, rule: int, weight: float, out: Any) -> None:
    """Writes Phi of each; `weight`: of q, within 0..1."""
    for i in range(len(out)):
        a, b = probability(p[i]), probability(q[i])
        if rule == HARMONIC:
            phi = 1.0 / ((1.0 - weight) / max(a, TINY) + weight / max(b, TINY))
        elif rule == VIEWER_ONLY:
            phi = a
        else:
            phi = a ** (1.0 - weight) * b**weight
            if rule == PRODUCT:
                phi = phi * phi
        out[i] = probability(phi)


@compiled(*columns("f4", "f8", "f4:2", "f4", "f4"), "float64", *columns("=f4"), exact=True)
def add_up(phi: Any, factors: Any, features: Any, weights: Any, price: Any, bound: float, out: Any) -> None:
    """Writes Phi x factor + sum of weight x feature - price of each, at most `bound` from 0, and -bound for
    what is no number.

    `factors`: empty when nothing multiplies Phi. `features` [weights, n].
    """
    for i in range(len(out)):
        score = np.float64(phi[i])
        if len(factors):
            score *= factors[i]
        for k in range(len(weights)):
            score += weights[k] * features[k, i]
        score -= price[i]
        out[i] = min(max(score, -bound), bound) if math.isfinite(score) else -bound
