"""The content tower's maps: ridge regressions from a profile to what behaviour would have taught.

Takes profiles (apps.pipeline.features.tower) and learnt columns with a weight per row; gives the arrays
that the tower applies. The ridge is chosen on rows that a fit has not seen: a map that can't tell stays flat.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from apps.pipeline.contracts import F32

RIDGES = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0, 10000.0)
FOLDS = 5
FEWEST_ROWS = 20  # below this a map would only repeat its few rows
MOST_ROWS = 50_000  # a larger sample does not change 300 weights

F64 = npt.NDArray[np.float64]
Groups = npt.NDArray[np.integer[Any]] | None


def fit_map(profiles: F32, targets: npt.NDArray[Any], weights: F64, groups: Groups = None) -> F32:
    """[d] or [d, k] so that profiles @ result is near `targets` ([n] or [n, k]); zeros from too few rows.

    The last column of `profiles` is 1: it takes the intercept. Rows of weight 0 don't count. `groups` [n]
    are left out whole when the ridge is chosen: what tells one market from another is no help in a third.
    """
    flat = np.zeros((profiles.shape[1], *targets.shape[1:]), "f4")
    rows = np.flatnonzero(weights > 0)
    if len(rows) < FEWEST_ROWS:
        return flat
    if len(rows) > MOST_ROWS:
        rows = np.sort(np.random.default_rng(0).choice(rows, MOST_ROWS, replace=False))
    x, w = profiles[rows, :-1].astype("f8"), weights[rows]
    y = targets[rows].astype("f8").reshape(len(rows), -1)
    fold = _folds(len(rows), None if groups is None else groups[rows])
    slopes, intercept = _Ridge(x, y, w).at(_best_ridge(x, y, w, fold))
    flat[:-1] = slopes.reshape(flat[:-1].shape)
    flat[-1] = intercept.reshape(targets.shape[1:])
    return np.nan_to_num(flat)


class _Ridge:
    """Weighted ridge on centred columns, solved once for every penalty."""

    def __init__(self, x: F64, y: F64, weights: F64) -> None:
        total = weights.sum()
        self.x_mean, self.y_mean = weights @ x / total, weights @ y / total
        centred = (x - self.x_mean) * weights[:, None]
        values, self.vectors = np.linalg.eigh(centred.T @ (x - self.x_mean))
        self.values = np.maximum(values, 0.0)
        self.along = self.vectors.T @ (centred.T @ (y - self.y_mean))

    def at(self, ridge: float) -> tuple[F64, F64]:
        """Slopes [d, k] and intercepts [k]."""
        slopes = self.vectors @ (self.along / (self.values + ridge)[:, None])
        return slopes, self.y_mean - self.x_mean @ slopes


def _best_ridge(x: F64, y: F64, weights: F64, fold: npt.NDArray[np.integer[Any]]) -> float:
    """The penalty with the least weighted error, over all targets, on folds it has not seen."""
    errors = np.zeros(len(RIDGES))
    for out in np.unique(fold):
        left = fold == out
        solved = _Ridge(x[~left], y[~left], weights[~left])
        for i, ridge in enumerate(RIDGES):
            slopes, intercept = solved.at(ridge)
            errors[i] += (weights[left, None] * (y[left] - x[left] @ slopes - intercept) ** 2).sum()
    return RIDGES[int(np.argmin(errors))]


def _folds(n: int, groups: Groups) -> npt.NDArray[np.integer[Any]]:
    """A fold per row: whole groups in turn, or rows in turn where there are too few groups."""
    if groups is not None:
        index = np.unique(groups, return_inverse=True)[1]
        if index.max() + 1 >= FOLDS:
            return np.asarray(index % FOLDS)
    return np.arange(n) % FOLDS
