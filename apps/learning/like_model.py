"""The like model: a logistic regression on pair features, as apps.pipeline.ranking.predictions applies it.

Takes tables whose learnt columns come from decisions that are not among the labels (an earlier block of
time, or other people): a model fitted on the decisions that made its features would learn to trust leaked
labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from apps.learning.decisions import Decisions
from apps.pipeline.contracts import F32
from apps.pipeline.ranking.predictions import pair_features
from apps.pipeline.table import Table

FEWEST = 50  # likes and passes each; with fewer, the pipeline's plain model serves
PENALTY = 20.0  # on standardised weights, against the sum of log losses
MOST = 1_000_000  # decisions to learn from

Model = dict[str, Any]
Partners = npt.NDArray[np.uint64] | None


def features_of(sources: Table, targets: Table, decisions: Decisions, partners: Partners) -> dict[str, F32]:
    """Pair features [n] of each decision, by name."""
    return pair_features(
        sources.gather(decisions.source),
        targets.gather(decisions.target),
        kind=targets.kind,
        partners=partners,
    )


def fit_like_model(
    features: Mapping[str, F32], liked: npt.NDArray[np.bool_], *, penalty: float = PENALTY
) -> Model | None:
    """{"intercept", "weights"}; none when there are too few likes or passes to learn from."""
    from sklearn.linear_model import LogisticRegression

    if min(int(liked.sum()), int((~liked).sum())) < FEWEST:
        return None
    names = list(features)
    matrix = np.nan_to_num(np.stack([features[name] for name in names], axis=1).astype("f8"))
    mean, scale = matrix.mean(axis=0), matrix.std(axis=0)
    scale[scale < 1e-4] = np.inf  # a column that hardly changes tells nothing: weight 0, not a huge one
    fitted = LogisticRegression(C=1.0 / penalty, max_iter=200).fit((matrix - mean) / scale, liked)
    weights = fitted.coef_[0] / scale
    intercept = float(fitted.intercept_[0] - weights @ mean)
    return {"intercept": intercept, "weights": dict(zip(names, map(float, weights), strict=True))}
