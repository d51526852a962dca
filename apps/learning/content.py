"""The content tower's maps: ridge regressions from a profile to what behaviour would have taught.

Takes profiles (apps.pipeline.features.tower) and learnt columns with a weight per row; gives the arrays
that the tower applies. Maps that are fitted together share one ridge, the one under which their targets
are most probable (MacKay, Bayesian Interpolation, 1992): where profiles tell nothing, a map stays flat.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from apps.pipeline.contracts import F32

RIDGES = tuple(10.0 ** (power / 4) for power in range(0, 21))  # 1 to 100,000
FEWEST_ROWS = 20  # below this a map would only repeat its few rows
MOST_ROWS = 50_000  # a larger sample does not change 300 weights

F64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Target:
    """What a map should give: values [n] or [n, k], and how much each row tells [n] (0: nothing)."""

    values: npt.NDArray[Any]
    weights: F64


def fit_map(profiles: F32, target: Target) -> F32:
    """One map on its own; see fit_maps."""
    return fit_maps(profiles, [target])[0]


def fit_maps(profiles: F32, targets: Sequence[Target]) -> list[F32]:
    """[d] or [d, k] each, so that profiles @ map is near the target; zeros from too few rows.

    The last column of `profiles` is 1: it takes the intercept.
    """
    enough = [np.count_nonzero(target.weights > 0) >= FEWEST_ROWS for target in targets]
    solved = [_Ridge(profiles, target) for target, some in zip(targets, enough, strict=True) if some]
    if solved:
        ridge = max(RIDGES, key=lambda one: sum(part.evidence(one) for part in solved))
    rest = iter(solved)
    return [
        next(rest).at(ridge) if some else _flat(profiles, target)
        for target, some in zip(targets, enough, strict=True)
    ]


class _Ridge:
    """A weighted ridge on centred columns, decomposed once for every penalty.

    Columns that are the same in all rows, often half of a profile's, tell nothing: their weights are 0.
    """

    def __init__(self, profiles: F32, target: Target) -> None:
        rows = np.flatnonzero(target.weights > 0)
        if len(rows) > MOST_ROWS:
            rows = np.sort(np.random.default_rng(0).choice(rows, MOST_ROWS, replace=False))
        known, weights = profiles[rows, :-1], target.weights[rows]
        self.varies = (known != known[0]).any(axis=0)
        x = known[:, self.varies].astype("f8")
        y = target.values[rows].astype("f8").reshape(len(rows), -1)
        total, root = weights.sum(), np.sqrt(weights)[:, None]
        self.flat = _flat(profiles, target)
        self.n = len(rows)
        self.x_mean, self.y_mean = weights @ x / total, weights @ y / total
        xs, ys = (x - self.x_mean) * root, (y - self.y_mean) * root
        values, self.vectors = np.linalg.eigh(xs.T @ xs)
        self.values = np.maximum(values, 0.0)
        self.along = self.vectors.T @ (xs.T @ ys)
        self.squares = (ys**2).sum(axis=0)

    def evidence(self, ridge: float) -> float:
        """Log probability of the targets under normal weights, noise at its best, up to a constant."""
        explained = (self.along**2 / (self.values + ridge)[:, None]).sum(axis=0)
        left = np.maximum(self.squares - explained, 1e-12 * np.maximum(self.squares, 1e-300))
        fit = -0.5 * self.n * np.log(left).sum()
        return float(fit - 0.5 * len(left) * np.log1p(self.values / ridge).sum())

    def at(self, ridge: float) -> F32:
        """The map under this penalty."""
        slopes = self.vectors @ (self.along / (self.values + ridge)[:, None])
        whole = self.flat.reshape(len(self.flat), -1).copy()
        whole[:-1][self.varies] = slopes
        whole[-1] = self.y_mean - self.x_mean @ slopes
        found: F32 = np.nan_to_num(whole.reshape(self.flat.shape))
        return found


def _flat(profiles: F32, target: Target) -> F32:
    return np.zeros((profiles.shape[1], *target.values.shape[1:]), "f4")
