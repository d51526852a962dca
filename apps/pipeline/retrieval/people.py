"""Sources of people: each proposes positions of the eligible, best first, at most its quota."""

from __future__ import annotations

import numpy as np

from apps.pipeline.contracts import F32, I32, I64, Request
from apps.pipeline.features.finite import finite
from apps.pipeline.retrieval.eligible import Eligible
from apps.pipeline.retrieval.fit import viewers_side
from apps.pipeline.retrieval.top import best
from apps.pipeline.sets import distinct


def nearest(request: Request, eligible: Eligible, quota: int) -> I64:
    """The best by fit: the log-odds that the viewer likes them, and that they like the viewer."""
    return eligible.top("fit", quota)


def liked_you(request: Request, eligible: Eligible, quota: int) -> I64:
    """Members who liked the viewer and have no answer yet, by how well the viewer may like them."""
    positions = distinct(eligible.positions_of(request.viewer.liked_by))
    if not len(positions):
        return positions
    request.in_time()
    table = eligible.pick(positions)
    return positions[best(finite(viewers_side(request).values(table), -np.inf), table["number"], quota)]


def friends_of_friends(request: Request, eligible: Eligible, quota: int) -> I64:
    """Members two visible steps away who are not connected directly, by how many connections they share."""
    return _not_connected(request, eligible, request.mutual.numbers, request.mutual.counts, quota)


def adamic_adar(request: Request, eligible: Eligible, quota: int) -> I64:
    """The same members, by how few others the connections know whom they share."""
    return _not_connected(request, eligible, request.mutual.numbers, request.mutual.adamic_adar, quota)


def pagerank(request: Request, eligible: Eligible, quota: int) -> I64:
    """Members whom a walk over connections and matches reaches most often (see apps.learning.pagerank)."""
    numbers, weights = request.near
    return _not_connected(request, eligible, numbers, weights, quota)


def newcomers(request: Request, eligible: Eligible, quota: int) -> I64:
    """Members of the last two weeks, the latest first."""
    return eligible.top("joined_day", quota)


def recently_active(request: Request, eligible: Eligible, quota: int) -> I64:
    """Members by their last activity, the latest first; nobody who was never active."""
    return eligible.top("active_hour", quota)


def pinned(request: Request, eligible: Eligible, quota: int) -> I64:
    """Those whom rules pin, when they are eligible."""
    by_rules = (number for rule in (request.rules.pins if request.rules else ()) for number in rule.pins)
    numbers = list(dict.fromkeys(by_rules))
    if not numbers:
        return np.zeros(0, "i8")
    return eligible.positions_of(np.array(numbers[:quota], "i8"))


def _not_connected(request: Request, eligible: Eligible, numbers: I32, weights: F32, quota: int) -> I64:
    """The heaviest of those who are eligible and no connections of the viewer."""
    request.in_time()
    direct = request.snapshot.connections.neighbours(request.viewer.number)
    return eligible.heaviest(numbers, weights, quota, without=direct)
