"""The compiled passes of the score: Phi of p and q, and what is added to it. Named where they are used by
Passes.

`weight`: of q in Phi, within 0..1. `factors`: empty when nothing multiplies Phi. `features` [weights, n].
"""

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


@part
def phi(p: Any, q: Any, rule: int, weight: float) -> Any:
    """Phi of one."""
    a, b = probability(p), probability(q)
    if rule == HARMONIC:
        found = 1.0 / ((1.0 - weight) / max(a, TINY) + weight / max(b, TINY))
    elif rule == VIEWER_ONLY:
        found = a
    else:
        found = a ** (1.0 - weight) * b**weight
        if rule == PRODUCT:
            found = found * found
    return np.float32(probability(found))


@compiled(*columns("f4", "f4"), "int64", "float64", *columns("=f4"), exact=True, uses=[reciprocity])
def reciprocal(p: Any, q: Any, rule: int, weight: float, out: Any) -> None:
    """Writes Phi of each."""
    for i in range(len(out)):
        out[i] = phi(p[i], q[i], rule, weight)


TERMS = (*columns("f4", "f4"), "int64", "float64", *columns("f8", "f4:2", "f4", "f4"))


@compiled(*TERMS, "float64", *columns("=f4"), exact=True, uses=[reciprocity])
def add_up(
    p: Any, q: Any, rule: int, weight: float, factors: Any, features: Any, weights: Any, price: Any,
    bound: float, out: Any,
) -> None:  # fmt: skip
    """Writes Phi x factor + sum of weight x feature - price of each, at most `bound` from 0, and -bound for
    what is no number."""
    for i in range(len(out)):
        score = np.float64(phi(p[i], q[i], rule, weight))
        if len(factors):
            score *= factors[i]
        for k in range(len(weights)):
            score += weights[k] * features[k, i]
        score -= price[i]
        out[i] = min(max(score, -bound), bound) if math.isfinite(score) else -bound


@compiled(*TERMS, *columns("i8", "=f8"), exact=True, uses=[reciprocity])
def mean_sizes(
    p: Any, q: Any, rule: int, weight: float, factors: Any, features: Any, weights: Any, price: Any,
    rows: Any, out: Any,
) -> None:  # fmt: skip
    """Writes how much Phi x factor, the price and each feature gave to the scores of these rows, in the
    mean, whichever way."""
    out[:] = 0.0
    for i in rows:
        given = np.float64(phi(p[i], q[i], rule, weight))
        out[0] += given * factors[i] if len(factors) else given
        out[1] += abs(price[i])
        for k in range(len(weights)):
            out[2 + k] += abs(weights[k] * features[k, i])
    for k in range(len(out)):
        out[k] /= len(rows)
