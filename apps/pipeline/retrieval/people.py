"""Sources of people: each proposes positions of the eligible, best first, at most its quota."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from apps.pipeline.contracts import F32, I64, Request
from apps.pipeline.features import pairs
from apps.pipeline.features.calendar import day_of
from apps.pipeline.features.finite import finite
from apps.pipeline.features.registry import NEWCOMER_DAYS
from apps.pipeline.retrieval.eligible import Eligible
from apps.pipeline.retrieval.top import best

WORST = -1e9  # of a score that is not a number


def nearest(request: Request, eligible: Eligible, quota: int) -> I64:
    """The best by embedding, both ways: the log-odds that the viewer likes them, and that they like the
    viewer.

    The terms and weights are those of the surface's like model that differ between candidates. The
    reciprocity weight counts here as in the score.
    """
    given, returned = shares(request)
    score = given * viewers_side(request, eligible)
    if returned > 0:
        score = score + returned * candidates_side(request, eligible)
    return best(finite(score, WORST), eligible.numbers, quota)


def liked_you(request: Request, eligible: Eligible, quota: int) -> I64:
    """Members who liked the viewer and have no answer yet, by how well the viewer may like them."""
    positions = eligible.positions_of(np.unique(request.viewer.liked_by))
    if not len(positions):
        return positions
    score = finite(viewers_side(request, eligible)[positions], WORST)
    return positions[best(score, eligible.numbers[positions], quota)]


def friends_of_friends(request: Request, eligible: Eligible, quota: int) -> I64:
    """Members two visible steps away who are not connected directly, by how many connections they share."""
    numbers, counts = request.mutual
    direct = request.snapshot.connections.neighbours(request.viewer.number)
    positions = eligible.find(numbers)
    kept = (positions >= 0) & ~np.isin(numbers, direct)
    return positions[kept][best(counts[kept], numbers[kept], quota)]


def newcomers(request: Request, eligible: Eligible, quota: int) -> I64:
    """Members of the last two weeks, the latest first."""
    joined = eligible.column("joined_day")
    return _recent(joined, eligible, joined > day_of(request.now) - NEWCOMER_DAYS, quota)


def recently_active(request: Request, eligible: Eligible, quota: int) -> I64:
    """Members by their last activity, the latest first; nobody who was never active."""
    active = eligible.column("active_hour")
    return _recent(active, eligible, active > 0, quota)


def pinned(request: Request, eligible: Eligible, quota: int) -> I64:
    """Those whom rules pin, when they are eligible."""
    by_rules = (number for rule in (request.rules.pins if request.rules else ()) for number in rule.pins)
    numbers = list(dict.fromkeys(by_rules))
    return eligible.positions_of(np.array(numbers[:quota], "i8"))


def shares(request: Request) -> tuple[float, float]:
    """How much the viewer's side and the candidate's side count."""
    one_sided = "reciprocity" in request.params.disabled_stages
    if one_sided or request.params.reciprocity == "viewer_only":
        return 1.0, 0.0
    weight = min(max(request.params.reciprocity_weight, 0.0), 1.0)
    return 1.0 - weight, weight


def viewers_side(request: Request, eligible: Eligible) -> F32:
    """What sets candidates apart in the log-odds [n] that the viewer likes them, by the like model."""
    weights = pairs.like_model(request.data)["weights"]
    score = float(weights.get("affinity", 1.0)) * against(eligible, "looks", request.viewer.row["taste"][0])
    return np.asarray(score + float(weights.get("appeal", 0.0)) * eligible.column("appeal"))


def candidates_side(request: Request, eligible: Eligible) -> F32:
    """What sets candidates apart in the log-odds [n] that they like the viewer."""
    weights = pairs.like_model(request.data)["weights"]
    score = float(weights.get("affinity", 1.0)) * against(eligible, "taste", request.viewer.row["looks"][0])
    return np.asarray(score + float(weights.get("selectivity", 0.0)) * eligible.column("selectivity"))


def against(eligible: Eligible, column: str, vector: F32) -> F32:
    """Inner products [n] of a vector with a column of vectors."""
    from apps.pipeline.retrieval.dots import row_dots

    known = np.empty(len(eligible.rows), "f4")
    vector = np.ascontiguousarray(vector, "f4")
    row_dots(np.asarray(eligible.table[column]), eligible.rows, vector, known)
    if not len(eligible.newcomers):
        return known
    return np.concatenate([known, pairs.dots(eligible.newcomers[column], vector[None, :])])


def _recent(values: npt.NDArray[Any], eligible: Eligible, wanted: npt.NDArray[np.bool_], quota: int) -> I64:
    positions = np.flatnonzero(wanted)
    numbers = eligible.numbers[positions]
    return positions[best(values[positions], numbers, quota)]
