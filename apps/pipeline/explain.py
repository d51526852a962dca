"""Why somebody is shown, or why not: the first stage that lost them, and the smallest change that would
show them.

Takes a request, a candidate's number and the function that runs a request (so that the answer is about the
very list that was, or would be, shown). Answers with facts; who may read private ones is decided by whoever
asks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from apps.pipeline.contracts import Explanation, Pool, Request, Slate
from apps.pipeline.filters import eligibility
from apps.pipeline.filters.changes import change_for
from apps.pipeline.filters.rules import CODE, RULES
from apps.pipeline.lineup import PINNED_SOURCE, lineup_for
from apps.pipeline.ranking.boosts import steps_of
from apps.pipeline.ranking.caps import caps_of
from apps.pipeline.ranking.matching import words_of
from apps.pipeline.ranking.score import pairs_of, phi, predict, predict_again, price_of
from apps.pipeline.reranking.order import reranked
from apps.pipeline.reranking.placements import places_for
from apps.pipeline.retrieval.eligible import find_eligible
from apps.pipeline.retrieval.propose import asked_of, propose, quota_of, room_of, wanted_of
from apps.pipeline.table import Table
from apps.pipeline.trace import Trace


def explain_candidate(request: Request, candidate: int, run: Callable[..., Slate]) -> Explanation:
    """The explanation of one candidate for this request."""
    row = _row_of(request, candidate)
    if row is None or not _asked_for(request, candidate):
        return Explanation(candidate, shown=False, stage="snapshot", code="unknown")
    refused = _refused(request, candidate, row)
    if refused is not None:
        return refused
    slate = run(request, detailed=True)
    if request.params.random_order:
        return _placed(request, slate, candidate, "random_order", "not_drawn")
    assert slate.pool is not None
    i = _in_pool(slate.pool, candidate)
    if i is None:
        return _not_proposed(request, candidate, run)
    told = _placed(request, slate, candidate, *_lost_in(request, slate.pool, i))
    return replace(
        told,
        change=() if told.shown else _score_needed(request, slate.pool, i),
        waterfall=waterfall_of(request, slate.pool, i),
    )


def market_of_candidate(request: Request, candidate: int) -> int:
    """Index of the market that a candidate is in; -1: in none, or not known."""
    row = _row_of(request, candidate)
    return -1 if row is None else int(row["market"][0])


def waterfall_of(request: Request, pool: Pool, i: int) -> Mapping[str, Any]:
    """How the score of row i of a scored pool came about."""
    heavy = None if pool.heavy is None or not pool.heavy[i] else np.array([True])
    one = Pool(
        pool.table.gather(np.array([i])),
        pool.sources[i : i + 1],
        p=pool.p[i : i + 1],
        q=pool.q[i : i + 1],
        heavy=heavy,
    )
    words = words_of(request, one.table)
    daily, hourly = caps_of(request, words, np.zeros(1, "i8"))[0].tolist()
    features = {}
    for name, column in pool.features.items():
        value, weight = float(column[i]), request.params.weighed[name]
        features[name] = {"value": value, "weight": weight, "contribution": value * weight}
    return {
        "p": float(pool.p[i]),
        "q": None if pool.table.kind == "place" else float(pool.q[i]),
        "ranker": "light" if heavy is None else "heavy",
        "session": _session(request, one),
        "phi": float(phi(request, one.p, one.q)[0]),
        "rules": steps_of(request, pool, i),
        "multiplier": 1.0 if pool.multiplier is None else float(pool.multiplier[i]),
        "features": features,
        "price": float(price_of(request, one)[0]),
        "score": float(pool.score[i]),
        "caps": {"daily": daily, "hourly": hourly},
        "places": places_for(request, words, int(one.table["number"][0])),
    }


def _session(request: Request, one: Pool) -> float:
    """What of p comes from the taste that moved of late."""
    viewer = request.viewer
    if viewer.moved is None:
        return 0.0
    before = {**viewer.row.columns, "taste": viewer.row["taste"] - viewer.moved}
    unmoved = replace(request, viewer=replace(viewer, row=replace(viewer.row, columns=before)))
    known = pairs_of(unmoved, one)
    p, q = predict(unmoved, 1, known)
    without = replace(one, p=p, q=q)
    if one.heavy is not None:
        without = predict_again(unmoved, without, known, np.array([0]))
    return float(one.p[0] - without.p[0])


def _row_of(request: Request, candidate: int) -> Table | None:
    number = np.array([candidate])
    row = int(eligibility.rows_of(request.data, number)[0])
    if row >= 0 and not eligibility.is_stale(request, number)[0]:
        return request.data.candidates.gather(np.array([row]))
    if request.newcomers is not None:
        at = np.flatnonzero(request.newcomers["number"] == candidate)[:1]
        if len(at):
            return request.newcomers.gather(at)
    return None


def _asked_for(request: Request, candidate: int) -> bool:
    return request.only is None or bool(np.isin(candidate, request.only))


def _refused(request: Request, candidate: int, row: Table) -> Explanation | None:
    """Told by the rule that comes first in RULES; the changes are those of every rule that refuses."""
    bits = int(eligibility.refusals(request, row)[0])
    if bits == 0:
        return None
    if bits >> CODE["other_market"] & 1:  # two markets have no common plane, and no distance to judge
        bits &= ~(1 << CODE["distance_of_viewer"] | 1 << CODE["distance_of_candidate"])
    rules = [rule for rule in RULES if bits >> rule.code & 1]
    changes = [change_for(rule.name, request, row) for rule in rules]
    return Explanation(
        candidate,
        shown=False,
        stage="filters",
        code=rules[0].name,
        private=any(rule.private for rule in rules),
        change=() if None in changes else tuple(change for change in changes if change is not None),
    )


def _in_pool(pool: Pool, candidate: int) -> int | None:
    found = np.flatnonzero(pool.table["number"] == candidate)
    return int(found[0]) if len(found) else None


def _placed(request: Request, slate: Slate, candidate: int, stage: str, code: str) -> Explanation:
    """Shown, or lost in that stage; with the rank."""
    at = np.flatnonzero(slate.numbers == candidate)
    rank = int(at[0]) + 1 if len(at) else None
    if rank is not None and rank <= request.limit:
        return Explanation(candidate, shown=True, stage="shown", code="shown", rank=rank)
    return Explanation(candidate, shown=False, stage=stage, code=code, rank=rank)


def _lost_in(request: Request, pool: Pool, i: int) -> tuple[str, str]:
    """Which stage moved row i of the pool out of the list for good: the ranking, when they never were in."""
    was_in, lost = False, ("ranking", "below_the_list")
    for name, order in reranked(request, pool, lineup_for(request).rerankers):
        is_in = bool((order.positions[: request.limit] == i).any())
        if was_in and not is_in:
            lost = ("reranking", f"lost_to_{name}")
        was_in = is_in
    return lost


def _not_proposed(request: Request, candidate: int, run: Callable[..., Slate]) -> Explanation:
    """Eligible, but no source proposed them: the smallest larger quota that would show them; where none does
    by itself, the smallest that proposes them, and the score they would have to reach then."""
    eligible, _ = find_eligible(request)
    at = eligible.positions_of(np.array([candidate]))
    wider: list[Mapping[str, Any]] = []
    for source in lineup_for(request).sources:
        if source is PINNED_SOURCE or source.name in request.left_out:
            continue
        try:
            rank = np.flatnonzero(source.propose(request, eligible, len(eligible)) == at)
        except Exception:  # a lost source would not propose them either
            continue
        if not len(rank):
            continue
        quota, to = quota_of(request, source), int(rank[0]) + 1
        if to <= quota:
            return _without_room(request, candidate, run)
        wider.append({"of": "policy", "field": f"quotas.{source.name}", "from": quota, "to": to})
    wider.sort(key=lambda change: (change["to"] - change["from"], change["field"]))
    changes: list[tuple[Mapping[str, Any], ...]] = []
    for one in wider:
        quotas = {**request.params.quotas, one["field"].removeprefix("quotas."): one["to"]}
        asked = replace(request, params=replace(request.params, quotas=quotas))
        slate = run(asked, detailed=True)
        assert slate.pool is not None
        i = _in_pool(slate.pool, candidate)
        if (slate.numbers[: request.limit] == candidate).any():
            changes.insert(0, (one,))
            break
        if i is not None:
            changes.append((one, *_score_needed(asked, slate.pool, i)))
    return Explanation(
        candidate,
        shown=False,
        stage="retrieval",
        code="not_proposed",
        change=changes[0] if changes else (),
    )


def _without_room(request: Request, candidate: int, run: Callable[..., Slate]) -> Explanation:
    """Proposed, but there was less room than the sources proposed: the smallest that would have them, and the
    score they would have to reach then."""
    sources = lineup_for(request).sources
    asked = asked_of(request, sources)
    eligible, _ = find_eligible(request, wanted_of(request, sources, asked))

    def with_room(room: int) -> Request:
        return replace(request, params=replace(request.params, room=room))

    most = len(propose(with_room(0), eligible, sources, asked, Trace()))
    change: tuple[Mapping[str, Any], ...] = ()
    for room in range(room_of(request) + 1, most + 1):
        pool = propose(with_room(room), eligible, sources, asked, Trace())
        if _in_pool(pool, candidate) is not None:
            change = ({"of": "policy", "field": "room", "from": request.params.room, "to": room},)
            wider = with_room(room)
            slate = run(wider, detailed=True)
            assert slate.pool is not None
            i = _in_pool(slate.pool, candidate)
            if i is not None and not (slate.numbers[: request.limit] == candidate).any():
                change = (*change, *_score_needed(wider, slate.pool, i))
            break
    return Explanation(candidate, shown=False, stage="retrieval", code="no_room", change=change)


def _score_needed(request: Request, pool: Pool, i: int) -> tuple[Mapping[str, Any], ...]:
    """The lowest of the others' scores that, were it row i's, would bring it into the list of this seed.

    By halves, and tried on the rerankers: a higher score never moves anybody down by itself, but places that
    were given by lot, by rules or for variety are not to be had by any score. Empty: by none.
    """
    rerankers = lineup_for(request).rerankers
    scores = np.unique(pool.score[pool.score > pool.score[i]])
    reached, low, high = None, 0, len(scores)
    while low < high:
        middle = (low + high) // 2
        raised = pool.score.copy()
        raised[i] = np.nextafter(scores[middle], np.float32(np.inf), dtype="f4")
        *_, (_, order) = reranked(request, replace(pool, score=raised), rerankers)
        if (order.positions[: request.limit] == i).any():
            reached, high = float(scores[middle]), middle
        else:
            low = middle + 1
    if reached is None:
        return ()
    return ({"of": "policy", "field": "score", "from": float(pool.score[i]), "to": reached},)
