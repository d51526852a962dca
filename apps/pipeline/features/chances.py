"""Chances by a logistic model over pair features, and the predictions that a policy may weigh ("heads").

A model is `{"intercept": float, "weights": {feature: float}}`, as apps.learning stores it by name in
SurfaceData.models. The pair features came with the pool: apps.pipeline.ranking made them for p and q.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from apps.pipeline.contracts import F32, Pool, Request
from apps.pipeline.features.between import BETWEEN
from apps.pipeline.features.finite import stacked
from apps.pipeline.passes import Passes

chances_loop = Passes("features.chances_loop")

FIXED = tuple(  # pair features that no behaviour moves
    feature.name for feature in BETWEEN["member"] if feature.source == "profile"
)

Features = Mapping[str, F32]


def like_probability(features: Features, model: Mapping[str, Any]) -> F32:
    """logistic(intercept + sum of weight x feature) [n], never quite 0 or 1; a missing feature counts 0."""
    found: F32 = like_probabilities((features,), model)[0]
    return found


def like_probabilities(sides: Sequence[Features], model: Mapping[str, Any]) -> F32:
    """like_probability of several who have the same features, in one pass: [sides, n]."""
    weights = {name: float(weight) for name, weight in model["weights"].items() if name in sides[0]}
    n = len(next(iter(sides[0].values()), ()))
    found = np.empty((len(sides), n), "f4")
    columns = stacked([side[name] for name in weights for side in sides], n).reshape(len(weights), found.size)
    chances_loop.logistic_sums(
        columns, np.array([*weights.values()], "f8"), float(model["intercept"]), found.reshape(-1)
    )
    return found


def probability(log_odds: npt.NDArray[np.float64]) -> F32:
    """logistic(x) [n], never quite 0 or 1; a NaN counts as even odds."""
    chances = np.empty(len(log_odds), "f4")
    chances_loop.chances(log_odds, chances)
    return chances


def of_both(forward: Features, backward: Features) -> Features:
    """Features of two who matched, the same whoever is asked first: the mean of both directions."""
    return {name: (column + backward[name]) / np.float32(2.0) for name, column in forward.items()}


def of_viewer(forward: Features, backward: Features) -> Features:
    """Features of a viewer who met a candidate, without what behaviour moves."""
    return {name: forward[name] for name in FIXED}


# By the name of the model: what it is asked with.
ASKED_WITH: Mapping[str, Callable[[Features, Features], Features]] = {"reply": of_both, "stays": of_viewer}


def chance(model: str) -> Callable[[Request, Pool], npt.NDArray[Any]]:
    """How to compute a prediction by its name; 0 on a surface that has none."""

    def compute(request: Request, pool: Pool) -> npt.NDArray[Any]:
        learnt, (forward, backward) = request.data.models.get(model), pool.pairs or (None, None)
        if learnt is None or forward is None or backward is None:
            return np.zeros(len(pool), "f4")
        return like_probability(ASKED_WITH[model](forward, backward), learnt)

    return compute
