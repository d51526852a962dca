"""The score of every candidate: Phi(p, q) x rules' factors + sum of weight x feature - price, in Phi's units.

Twice: with the light ranker's p and q for all, then, where the snapshot has a heavy ranker, with its p and q
for the best `heavy_width` of them.

Takes a request and a pool, gives the pool with its numbers, in the same order. A NaN never leaves: what
can't be computed counts as its default. It orders nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from apps.pipeline.contracts import F32, F64, I64, Pool, Request
from apps.pipeline.features.chances import like_probabilities
from apps.pipeline.features.finite import finite, stacked
from apps.pipeline.features.pairs import like_model
from apps.pipeline.features.registry import FEATURES
from apps.pipeline.passes import Passes
from apps.pipeline.ranking.boosts import weigh
from apps.pipeline.ranking.heavy import Features, heavy_probability, heavy_rows, with_interactions
from apps.pipeline.ranking.predictions import both_ways, pair_features
from apps.pipeline.ranking.reciprocity import as_numbers, combine
from apps.pipeline.vocabulary import partner_masks

blend = Passes("ranking.blend")

RECENT = ("fatigue", "inbox_load", "presence", "less_like_this")  # features made of signals
BOUND = 1e6  # no score is further from 0: a wild weight stays a number
NO_FACTORS: F64 = np.zeros(0)


def score_pool(request: Request, pool: Pool) -> tuple[Pool, tuple[str, ...]]:
    """The pool with p, q, features and score; and the names of features that failed and stand at their
    default."""
    known = pairs_of(request, pool)
    p, q = predict(request, len(pool), known)
    pool = Pool(pool.table, pool.sources, pool.rows, p=p, q=q, pairs=known)
    features, lost = weighted_features(request, pool)
    words, multiplier, about = weigh(request, pool.table, pool.rows)
    pool = replace(pool, features=features, words=words, multiplier=multiplier, about=about)
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
    sizes = np.empty(2 + len(pool.features))
    blend.mean_sizes(*_terms(request, pool), rows, sizes)
    named = zip(("phi", "price", *pool.features), sizes.tolist(), strict=True)
    return {name: round(size, 5) for name, size in named}


def pairs_of(request: Request, pool: Pool) -> tuple[Features, Features | None]:
    """Pair features of "viewer likes candidate" and of "candidate likes viewer"; places like nobody."""
    viewer, kind = request.viewer.row, pool.table.kind
    if kind == "place":
        return pair_features(viewer, pool.table, kind=kind), None
    partners = partner_masks(request.snapshot.vocabulary.get("crafts", ()))
    return both_ways(viewer, pool.table, kind=kind, partners=partners)


def predict(request: Request, n: int, known: tuple[Features, Features | None]) -> tuple[F32, F32]:
    """p = p(viewer likes candidate), and q = p(candidate likes viewer) of n candidates; for places, q is p.

    `known`: their pairs_of. A like already given is guessed like any other: the score is told, and must not
    tell of it.
    """
    if "predictions" in request.params.disabled_stages:
        even = np.full(n, 0.5, "f4")
        return even, even
    model, (forward, backward) = like_model(request.data), known
    found = like_probabilities((forward,) if backward is None else (forward, backward), model)
    return found[0], found[-1]


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
    lost, weighed = [], request.params.weighed
    for name, feature in FEATURES[pool.table.kind].items() if weighed else ():
        if name not in weighed:
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
    score = np.empty(len(pool), "f4")
    blend.add_up(*_terms(request, pool), BOUND, score)
    return score


def phi(request: Request, p: F32, q: F32) -> F32:
    """The reciprocity rule [n]; one-sided for places."""
    rule, weight = rule_of(request)
    return combine(p, q, rule=rule, weight=weight)


def rule_of(request: Request) -> tuple[str, float]:
    """Which rule makes Phi, and the weight of q in it; one-sided for places."""
    params = request.params
    is_one_sided = request.data.kind == "place" or "reciprocity" in params.disabled_stages
    return "viewer_only" if is_one_sided else params.reciprocity, params.reciprocity_weight


def price_of(request: Request, pool: Pool) -> F32:
    """Of the pool's table [n], which holds that of this moment; 0 when it is switched off or not a number."""
    if "price" in request.params.disabled_stages:
        return np.zeros(len(pool), "f4")
    return finite(pool.table["price"])


def _terms(request: Request, pool: Pool) -> tuple[Any, ...]:
    """What the passes of blend make a score of, in their order."""
    weighed, factors = request.params.weighed, pool.multiplier
    return (
        pool.p,
        pool.q,
        *as_numbers(*rule_of(request)),
        NO_FACTORS if factors is None else factors,
        stacked([*pool.features.values()], len(pool)),
        np.array([weighed[name] for name in pool.features], "f4"),
        price_of(request, pool),
    )
