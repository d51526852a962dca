"""The compiled loops of chances.py. Named where they are used by Passes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from apps.pipeline.compiled import columns, compiled, part

EDGE = 1e-6  # a probability stays this far from 0 and 1


@part
def chance(log_odds: Any) -> Any:
    """logistic(x) within EDGE of 0 and 1; a NaN counts as even odds."""
    x = min(max(log_odds, -30.0), 30.0) if math.isfinite(log_odds) else 0.0
    return np.float32(min(max(1.0 / (1.0 + math.exp(-x)), EDGE), 1.0 - EDGE))


@compiled(*columns("f4:2", "f8"), "float64", *columns("=f4"), exact=True)
def logistic_sums(features: Any, weights: Any, intercept: float, out: Any) -> None:
    """Writes the chance whose log-odds are intercept + sum of weight x feature, for each column of `features`
    [weights, n]; what is no number counts 0."""
    totals = np.zeros(len(out))
    for k in range(len(weights)):
        for i in range(len(out)):
            value = features[k, i]
            totals[i] += weights[k] * (value if math.isfinite(value) else np.float32(0.0))
    for i in range(len(out)):
        out[i] = chance(intercept + totals[i])


@compiled(*columns("f8", "=f4"), exact=True)
def chances(log_odds: Any, out: Any) -> None:
    """Writes the chance of each."""
    for i in range(len(out)):
        out[i] = chance(log_odds[i])
