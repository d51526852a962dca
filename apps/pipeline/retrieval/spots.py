"""Sources of places: each proposes positions of the eligible, best first, at most its quota."""

from __future__ import annotations

from apps.pipeline.contracts import I64, Request
from apps.pipeline.retrieval.eligible import Eligible


def nearby(request: Request, eligible: Eligible, quota: int) -> I64:
    """By distance from the viewer's home; from the centre of a market that is not home."""
    return eligible.top("nearness", quota)


def taste(request: Request, eligible: Eligible, quota: int) -> I64:
    """By what the viewer saved, with popularity as far as the model of saves counts it."""
    return eligible.top("fit", quota)


def alike(request: Request, eligible: Eligible, quota: int) -> I64:
    """Places that go along with those the viewer saved or visited, as far as others went to both."""
    return eligible.heaviest(*request.alike, quota)


def curated(request: Request, eligible: Eligible, quota: int) -> I64:
    """Places on a live curated list, by their position."""
    return eligible.top("curated", quota)


def friends_saved(request: Request, eligible: Eligible, quota: int) -> I64:
    """Places that the viewer's connections saved, by how many of them."""
    numbers, counts = request.friends_places
    request.in_time()
    return eligible.heaviest(numbers, counts, quota)
