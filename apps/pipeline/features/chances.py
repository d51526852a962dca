"""Chances by a logistic model over pair features, and the predictions that a policy may weigh ("heads").

A model is `{"intercept": float, "weights": {feature: float}}`, as apps.learning stores it by name in
SurfaceData.models. The pair features came with the pool: apps.pipeline.ranking made them for p and q.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from apps.pipeline.contracts import F32, Pool, Request
from apps.pipeline.features.between import BETWEEN
from apps.pipeline.features.finite import finite

EDGE = 1e-6  # a probability stays this far from 0 and 1
FIXED = tuple(  # pair features that no behaviour moves
    feature.name for feature in BETWEEN["member"] if feature.source == "profile"
)

Features = Mapping[str, F32]


def like_probability(features: Features, model: Mapping[str, Any]) -> F32:
    """logistic(intercept + sum of weight x feature) [n], within [EDGE, 1 - EDGE]; a missing feature counts
    0."""
    used = [name for name in model["weights"] if name in features]
    logit = np.full(len(next(iter(features.values()), ())), float(model["intercept"]))
    if used:
        columns = finite(np.stack([features[name] for name in used]).astype("f8"))
        logit += np.einsum("i,ij->j", np.array([float(model["weights"][name]) for name in used]), columns)
    return probability(logit)


def probability(log_odds: npt.NDArray[np.float64]) -> F32:
    """logistic(x) [n], within [EDGE, 1 - EDGE]; a NaN counts as even odds."""
    logit = np.clip(finite(log_odds), -30.0, 30.0)
    return np.asarray(np.clip(1.0 / (1.0 + np.exp(-logit)), EDGE, 1.0 - EDGE), "f4")


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
