"""Sources of places: each proposes positions of the eligible, best first, at most its quota."""

from __future__ import annotations

import numpy as np

from apps.pipeline.contracts import I64, Request
from apps.pipeline.features import pairs
from apps.pipeline.features.finite import finite
from apps.pipeline.filters.eligibility import market_of
from apps.pipeline.retrieval.eligible import Eligible
from apps.pipeline.retrieval.people import WORST, against
from apps.pipeline.retrieval.top import best


def nearby(request: Request, eligible: Eligible, quota: int) -> I64:
    """By distance from the viewer's home; from the centre of a market that is not home."""
    at_home = market_of(request) == int(request.viewer.row["market"][0])
    home_x, home_y = (int(request.viewer.row[axis][0]) if at_home else 0 for axis in ("x", "y"))
    east = eligible.column("x").astype("i8") - home_x
    north = eligible.column("y").astype("i8") - home_y
    return best(-(east * east + north * north), eligible.numbers, quota)


def taste(request: Request, eligible: Eligible, quota: int) -> I64:
    """By what the viewer saved, with popularity as far as the model of saves counts it."""
    weights = pairs.like_model(request.data)["weights"]
    score = float(weights.get("affinity", 1.0)) * against(eligible, "looks", request.viewer.row["taste"][0])
    score += float(weights.get("popularity", 0.0)) * eligible.column("popularity")
    return best(finite(score, WORST), eligible.numbers, quota)


def curated(request: Request, eligible: Eligible, quota: int) -> I64:
    """Places on a live curated list, by their position."""
    value = eligible.column("curated")
    positions = np.flatnonzero(value > 0)
    return positions[best(value[positions], eligible.numbers[positions], quota)]


def friends_saved(request: Request, eligible: Eligible, quota: int) -> I64:
    """Places that the viewer's connections saved, by how many of them."""
    graph = request.snapshot.friends_places
    start, stop = graph.span(request.viewer.number)
    numbers, counts = graph.targets[start:stop], graph.weights[start:stop]
    positions = eligible.find(numbers)
    kept = positions >= 0
    return positions[kept][best(counts[kept], numbers[kept], quota)]
