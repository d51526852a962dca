"""The heavy ranker: gradient-boosted trees by scikit-learn, stored as arrays that the pipeline walks.

Takes the features of apps.pipeline.ranking.heavy.with_interactions; gives complete trees of one depth. What
it gains over the light ranker is measured on decisions later than those of both fits, pair by pair.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from apps.learning.quality import Z
from apps.pipeline.contracts import F32
from apps.pipeline.features.finite import finite
from apps.pipeline.ranking.heavy import MOST_TREES, heavy_probability

FEWEST = 1000  # likes and passes each
MOST = 300_000  # decisions to learn from: more change no figure and cost minutes
DEPTH = 4  # questions one after the other: what goes together in fours

Bools = npt.NDArray[np.bool_]
F64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class HeavyModel:
    """`model` for the manifest, `arrays` by "heavy.<part>"."""

    model: Mapping[str, Any]
    arrays: Mapping[str, npt.NDArray[Any]]

    def predict(self, features: Mapping[str, F32]) -> F32:
        """Probabilities [n], as the pipeline gives them."""
        return heavy_probability(features, self.model, self.arrays)


def fit_heavy_model(features: Mapping[str, F32], liked: Bools) -> HeavyModel | None:
    """None when there are too few likes or passes to learn from."""
    if min(int(liked.sum()), int((~liked).sum())) < FEWEST:
        return None
    matrix = matrix_of(features)
    if len(liked) > MOST:
        some = np.sort(np.random.default_rng(0).choice(len(liked), MOST, replace=False))
        matrix, liked = matrix[some], liked[some]
    return stored(boosted(matrix, liked), list(features))


def matrix_of(features: Mapping[str, F32]) -> F32:
    """Features as columns [n, d] for scikit-learn, finite."""
    columns = [finite(column) for column in features.values()]
    return np.stack(columns, axis=1).astype("f4")


def boosted(matrix: F32, liked: Bools, *, trees: int = MOST_TREES) -> Any:
    """The fitted HistGradientBoostingClassifier: no early stop, no draw, so that twice is the same.

    On one thread: a refresh shares its work by surface and worker, and threads that wait for each other on
    a busy machine took twenty times as long.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    model = HistGradientBoostingClassifier(
        max_iter=trees,
        max_depth=DEPTH,
        max_leaf_nodes=None,
        learning_rate=0.06,
        min_samples_leaf=max(20, len(liked) // 2000),
        l2_regularization=5.0,
        early_stopping=False,
        random_state=0,
    )
    with threadpool_limits(limits=1, user_api="openmp"):
        return model.fit(matrix, liked)


def stored(fitted: Any, names: list[str]) -> HeavyModel:
    """A fitted classifier of two classes as complete trees; an early leaf is repeated to the last level.

    Features are float32, so a threshold may be the next float32 below: no value is in between.
    """
    trees = [predictor.nodes for (predictor,) in fitted._predictors]
    depth = max([int(nodes["depth"].max()) for nodes in trees], default=1) or 1
    inner = 2**depth - 1
    feature = np.zeros((len(trees), inner), "u1")
    threshold = np.full((len(trees), inner), np.inf, "f4")
    leaf = np.zeros((len(trees), inner + 1))
    for tree, nodes in enumerate(trees):
        at = np.zeros(1, "i8")  # which of scikit-learn's nodes stands at each place of a level
        for level in range(depth):
            split = nodes["is_leaf"][at] == 0
            place = 2**level - 1 + np.flatnonzero(split)
            feature[tree, place] = nodes["feature_idx"][at[split]]
            threshold[tree, place] = _next_below(nodes["num_threshold"][at[split]])
            left, right = (np.where(split, nodes[side][at], at) for side in ("left", "right"))
            at = np.stack([left, right], axis=1).ravel().astype("i8")
        leaf[tree] = nodes["value"][at]
    model = {"features": names, "baseline": float(np.ravel(fitted._baseline_prediction)[0])}
    return HeavyModel(model, {"heavy.feature": feature, "heavy.threshold": threshold, "heavy.leaf": leaf})


def compare(liked: Bools, light: F32, heavy: F32, source: npt.NDArray[Any]) -> dict[str, Any]:
    """How much lower the heavy ranker's log loss is than the light one's, with a 95 % interval.

    Of the mean difference over decisions [n], grouped by who decided (`source`), for those of one member are
    alike. `used`: whether the interval is above 0.
    """
    gains = _losses(liked, light) - _losses(liked, heavy)
    _, group = np.unique(source, return_inverse=True)
    of_each = np.bincount(group, gains - gains.mean())
    error = Z * float(np.sqrt(np.sum(of_each**2))) / len(gains)
    gain = float(gains.mean())
    return {
        "gain": gain,
        "gain_low": gain - error,
        "gain_high": gain + error,
        "used": gain - error > 0.0,
    }


def _losses(liked: Bools, p: F32) -> F64:
    return np.asarray(-np.log(np.where(liked, p, 1.0 - p)), "f8")


def _next_below(thresholds: F64) -> F32:
    """The largest float32 that is at most each."""
    near = thresholds.astype("f4")
    return np.where(near > thresholds, np.nextafter(near, np.float32(-np.inf)), near).astype("f4")
