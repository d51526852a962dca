"""Two-sided embeddings from likes and passes: implicit alternating least squares, source by target.

Factorising one matrix gives both ways: what a source likes (`taste`) and how a target is liked (`looks`). A
like is a preference of 1, a pass a preference of 0 held with confidence, anything else a 0 held weakly.
Source: Hu, Koren, Volinsky, Collaborative Filtering for Implicit Feedback Datasets, 2008.
"""

from __future__ import annotations

import numpy as np

from apps.learning.decisions import Decisions
from apps.pipeline.contracts import F32
from apps.pipeline.table import DIMENSIONS

REGULARISATION = 15.0  # smaller, often seen, costs a fifth of NDCG
CONFIDENCE = 10.0  # of a like or a pass, beside 1 of a pair without a decision
ITERATIONS = 10
SEED = 20_260_101


def factorise(
    decisions: Decisions,
    n_sources: int,
    n_targets: int,
    *,
    factors: int = DIMENSIONS,
    regularisation: float = REGULARISATION,
    confidence: float = CONFIDENCE,
    passes: bool = True,
) -> tuple[F32, F32]:
    """taste [n_sources, factors] and looks [n_targets, factors]; zeros for whoever has no decision."""
    taste, looks = np.zeros((n_sources, factors), "f4"), np.zeros((n_targets, factors), "f4")
    if not decisions.liked.any():
        return taste, looks
    found = _fit(decisions, n_sources, n_targets, factors, regularisation, confidence, passes)
    seen_sources, seen_targets = np.unique(decisions.source), np.unique(decisions.target)
    taste[seen_sources] = found[0][seen_sources]
    looks[seen_targets] = found[1][seen_targets]
    return np.nan_to_num(taste), np.nan_to_num(looks)


def _fit(
    decisions: Decisions,
    n_sources: int,
    n_targets: int,
    factors: int,
    regularisation: float,
    confidence: float,
    passes: bool,
) -> tuple[F32, F32]:
    from implicit.als import AlternatingLeastSquares
    from scipy.sparse import csr_matrix
    from threadpoolctl import threadpool_limits

    used = decisions if passes else decisions.take(decisions.liked)
    values = np.where(used.liked, confidence, -confidence).astype("f4")
    matrix = csr_matrix((values, (used.source, used.target)), shape=(n_sources, n_targets))
    # Its own threads share rows out by size alone, so that a result doesn't depend on their number;
    # BLAS threads inside them would only fight for the same cores.
    with threadpool_limits(1, "blas"):
        model = AlternatingLeastSquares(
            factors=factors,
            regularization=regularisation,
            iterations=ITERATIONS,
            alpha=1.0,
            use_gpu=False,
            random_state=SEED,
        )
        model.fit(matrix, show_progress=False)
    return np.asarray(model.user_factors, "f4"), np.asarray(model.item_factors, "f4")
