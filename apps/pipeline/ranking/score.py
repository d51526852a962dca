"""The score of every candidate: Phi(p, q) x rules' factors + sum of weight x feature - price, in Phi's units.

Twice: with the light ranker's p and q for all, then, where the snapshot has a heavy ranker, with its p and q
for the best `heavy_width` of them.

Takes a request and a pool, gives the pool with its numbers, in the same order. A NaN never leaves: what
can't be computed counts as its default. It orders nothing.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from apps.pipeline.contracts import F32, I64, Pool, Request
from apps.pipeline.features.chances import like_probability
from apps.pipeline.features.finite import finite
from apps.pipeline.features.pairs import like_model
from apps.pipeline.features.registry import FEATURES
from apps.pipeline.ranking.boosts import multiplier_of
from apps.pipeline.ranking.heavy import Features, heavy_probability, heavy_rows, with_interactions
from apps.pipeline.ranking.matching import words_of
from apps.pipeline.ranking.predictions import both_ways, pair_features
from apps.pipeline.ranking.reciprocity import combine
from apps.pipeline.vocabulary import partner_masks

RECENT = ("fatigue", "inbox_load", "presence", "less_like_this")  # features made of signals
BOUND = 1e6  # no score is further from 0: a wild weight stays a number


def score_pool(request: Request, pool: Pool) -> tuple[Pool, tuple[str, ...]]:
    """The pool with p, q, features and score; and the names of features that failed and stand at their
    default."""
    known = pairs_of(request, pool)
    pool = replace(predict(request, pool, known), pairs=known)
    features, lost = weighted_features(request, pool)
    words = words_of(request, pool.table)
    multiplier = multiplier_of(request, words, len(pool))
    pool = replace(pool, features=features, words=words, multiplier=multiplier)
    pool = replace(pool, score=total(request, pool))
    try:
        best = heavy_rows(request, pool)
        pool = predict_again(request, pool, known, best)
    except Exception:  # the light ranker's list stands; the trace tells
        return pool, (*lost, "heavy_ranker")
    return (replace(pool, score=total(request, pool)) if len(best) else pool), lost


def parts_of(request: Request, pool: Pool, rows: I64) -> dict[str, float]:
    """Mean size of what each objective gave to the scores of these rows of a scored pool, in Phi's units."""
    if not len(rows):
        return {}
    few = replace(pool, p=pool.p[rows], q=pool.q[rows])
    chances = phi(request, few).astype("f8")
    if pool.multiplier is not None:
        chances *= pool.multiplier[rows]
    price = price_of(request, pool)[rows]
    parts = {"phi": chances, "price": price}
    parts |= {name: weight_of(request, name) * column[rows] for name, column in pool.features.items()}
    return {name: round(float(np.abs(part).mean()), 5) for name, part in parts.items()}


def pairs_of(request: Request, pool: Pool) -> tuple[Features, Features | None]:
    """Pair features of "viewer likes candidate" and of "candidate likes viewer"; places like nobody."""
    viewer, kind = request.viewer.row, pool.table.kind
    if kind == "place":
        return pair_features(viewer, pool.table, kind=kind), None
    partners = partner_masks(request.snapshot.vocabulary.get("crafts", ()))
    return both_ways(viewer, pool.table, kind=kind, partners=partners)


def predict(request: Request, pool: Pool, known: tuple[Features, Features | None]) -> Pool:
    """The pool with p = p(viewer likes candidate), and q = p(candidate likes viewer); for places, q is p.

    `known`: pairs_of the pool. A like already given is guessed like any other: the score is told, and must
    not tell of it.
    """
    if "predictions" in request.params.disabled_stages:
        even = np.full(len(pool), 0.5, "f4")
        return replace(pool, p=even, q=even)
    model, (forward, backward) = like_model(request.data), known
    p = like_probability(forward, model)
    return replace(pool, p=p, q=p if backward is None else like_probability(backward, model))


def predict_again(request: Request, pool: Pool, known: tuple[Features, Features | None], rows: I64) -> Pool:
    """The pool with the heavy ranker's p and q for these rows; the others keep the light one's."""
    if not len(rows):
        return pool
    forward, backward = known
    if backward is None:
        asked = with_interactions({n: c[rows] for n, c in forward.items()}, None, pool.p[rows])
    else:  # both directions in one walk, p above q
        both = {n: np.concatenate([c[rows], backward[n][rows]]) for n, c in forward.items()}
        returned = np.roll(both["affinity"], len(rows))
        asked = with_interactions(both, returned, np.concatenate([pool.p[rows], pool.q[rows]]))
    found = heavy_probability(asked, request.data.models["heavy"], request.data.arrays)
    p, q, heavy = pool.p.copy(), pool.q.copy(), np.zeros(len(pool), "?")
    p[rows], q[rows], heavy[rows] = found[: len(rows)], found[-len(rows) :], True
    return replace(pool, p=p, q=q, heavy=heavy)


def weighted_features(request: Request, pool: Pool) -> tuple[dict[str, F32], tuple[str, ...]]:
    """Columns of every feature with a weight; a feature that fails stands at its default."""
    columns: dict[str, F32] = {}
    lost = []
    for name, feature in FEATURES[pool.table.kind].items():
        if weight_of(request, name) == 0.0:
            continue
        try:
            columns[name] = feature.column(request, pool)
        except Exception:  # a broken feature costs its adjustment, never the list; the trace tells its name
            columns[name] = np.full(len(pool), feature.default, "f4")
            lost.append(name)
    return columns, tuple(lost)


def signals_in(request: Request, pool: Pool) -> dict[str, float]:
    """What the last minutes and days changed: how far the taste moved, how many each signal touched."""
    said: dict[str, float] = {
        name: int(np.count_nonzero(pool.features[name])) for name in RECENT if name in pool.features
    }
    if request.viewer.moved is not None:
        said["taste_moved"] = round(float(np.sqrt(request.viewer.moved @ request.viewer.moved)), 4)
    return {name: value for name, value in said.items() if value}


def total(request: Request, pool: Pool) -> F32:
    """Phi x factors + adjustments - price [n], finite."""
    score = phi(request, pool).astype("f8")
    if pool.multiplier is not None:
        score *= pool.multiplier
    for name, column in pool.features.items():
        score += weight_of(request, name) * column
    score -= price_of(request, pool)
    return np.clip(finite(score, -BOUND), -BOUND, BOUND).astype("f4")


def phi(request: Request, pool: Pool) -> F32:
    """The reciprocity rule [n]; one-sided for places."""
    rule = "viewer_only" if pool.table.kind == "place" else request.params.reciprocity
    if "reciprocity" in request.params.disabled_stages:
        rule = "viewer_only"
    return combine(pool.p, pool.q, rule=rule, weight=request.params.reciprocity_weight)


def price_of(request: Request, pool: Pool) -> F32:
    """Of the pool's table [n], which holds that of this moment; 0 when it is switched off or not a number."""
    if "price" in request.params.disabled_stages:
        return np.zeros(len(pool), "f4")
    return finite(pool.table["price"])


def weight_of(request: Request, feature: str) -> float:
    """What the policy gives a feature; 0 when it says nothing or features are switched off."""
    if "features" in request.params.disabled_stages:
        return 0.0
    weight = float(request.params.weights.get(feature, 0.0))
    return weight if np.isfinite(weight) else 0.0
