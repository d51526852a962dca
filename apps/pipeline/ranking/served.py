"""What the ranked best of a request were judged by: every declared feature of each, for training to read.

Takes a scored pool (or one in random order, which nothing scored), gives numbers and values. What the score
used is taken as it was; the rest is computed by the same code. Only some requests ask for it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from apps.pipeline.contracts import F32, I64, Pool, Request, Served
from apps.pipeline.features.finite import finite
from apps.pipeline.features.registry import FEATURES
from apps.pipeline.ranking.predictions import PAIR_FEATURES
from apps.pipeline.ranking.score import pairs_of

RANKED = 120  # as many as the heavy ranker may look at
LIKES, LIKES_BACK = "likes.", "likes_back."  # before the names of pair features, in both roles


def names_of(kind: str) -> tuple[str, ...]:
    """What is kept of each candidate, in this order: the weighable features, then those of pairs."""
    pairs = PAIR_FEATURES[kind]
    back = pairs if kind == "member" else ()
    return (*FEATURES[kind], *(LIKES + name for name in pairs), *(LIKES_BACK + name for name in back))


def served_of(request: Request, pool: Pool, kept: I64) -> Served:
    """Of the pool's rows `kept`, and of the best by score until there are RANKED."""
    rows = _rows(pool, kept)
    few = Pool(pool.table.pick(rows), pool.sources[rows], p=pool.p[rows], q=pool.q[rows])
    if pool.pairs is None:
        known = pairs_of(request, few)
    else:
        forward, backward = pool.pairs
        back = None if backward is None else {name: column[rows] for name, column in backward.items()}
        known = {name: column[rows] for name, column in forward.items()}, back
    few = replace(few, pairs=known)
    columns = [_weighable(request, pool, few, rows, name) for name in FEATURES[pool.table.kind]]
    columns += [column for side in known if side is not None for column in side.values()]
    values = finite(np.stack(columns, axis=1).astype("f4"))
    return Served(names_of(pool.table.kind), few.table["number"], values)


def _rows(pool: Pool, kept: I64) -> I64:
    best = np.lexsort((pool.table["number"], -pool.score))
    others = best[~np.isin(best, kept)]
    return np.concatenate([kept, others[: max(RANKED - len(kept), 0)]]).astype("i8")


def _weighable(request: Request, pool: Pool, few: Pool, rows: I64, name: str) -> F32:
    if name in pool.features:
        return pool.features[name][rows]
    feature = FEATURES[pool.table.kind][name]
    try:
        return feature.column(request, few)
    except Exception:  # as in a score: a broken feature stands at its default
        return np.full(len(few), feature.default, "f4")
