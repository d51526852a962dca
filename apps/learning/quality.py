"""How good predictions are: order (AUC), sharpness (log loss), honesty (expected calibration error).

Takes labels and probabilities of the same length; gives one number, NaN where it has no meaning, or an
estimate with its interval. Intervals are by who decided: labels of one member are alike, and count as one
draw. Each is 1.96 standard errors to both sides, from the influence of each label summed by member
(infinitesimal jackknife); of one member alone it says nothing and is as wide as can be.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

BINS = 10
LABELS_A_BIN = (
    1000  # so that a bin is off by about 0.01 by chance alone, half of what predictions are held to
)
Z = 1.96  # of a 95 % interval

F64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A figure and its 95 % interval."""

    value: float
    low: float
    high: float


def auc(labels: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """Probability that a random positive is scored above a random negative; a tie counts one half."""
    from scipy.stats import rankdata

    positive = np.asarray(labels, "?")
    n, m = int(positive.sum()), int((~positive).sum())
    if n == 0 or m == 0:
        return float("nan")
    ranks = rankdata(np.asarray(scores, "f8"))
    return float((ranks[positive].sum() - n * (n + 1) / 2) / (n * m))


def auc_estimate(labels: npt.ArrayLike, scores: npt.ArrayLike, who: npt.ArrayLike) -> Estimate:
    """AUC by members `who` [n] (DeLong et al., 1988; by group as Obuchowski, 1997). Both classes must be
    there."""
    return _estimate(auc(labels, scores), _auc_influence(labels, scores), who, (0.0, 1.0))


def auc_lead(
    labels: npt.ArrayLike, scores: npt.ArrayLike, others: npt.ArrayLike, who: npt.ArrayLike
) -> Estimate:
    """How much higher the AUC of `scores` is than that of `others` on the same labels, pair by pair."""
    lead = auc(labels, scores) - auc(labels, others)
    influence = _auc_influence(labels, scores) - _auc_influence(labels, others)
    return _estimate(lead, influence, who, (-1.0, 1.0))


def _auc_influence(labels: npt.ArrayLike, scores: npt.ArrayLike) -> F64:
    """[n]: the share of the other class that each label wins against, less the mean, over its class."""
    from scipy.stats import rankdata

    positive, scores = np.asarray(labels, "?"), np.asarray(scores, "f8")
    ranks, influence = rankdata(scores), np.zeros(len(scores))
    for side in (positive, ~positive):
        others = max(int((~side).sum()), 1)
        won = (ranks[side] - rankdata(scores[side])) / others
        influence[side] = (won - won.mean()) / max(int(side.sum()), 1) if len(won) else 0.0
    influence[~positive] *= -1.0  # a negative wins by standing below
    return influence


def _estimate(value: float, influence: F64, who: npt.ArrayLike, bounds: tuple[float, float]) -> Estimate:
    members, group = np.unique(np.asarray(who), return_inverse=True)
    low, high = bounds
    if len(members) < 2:
        return Estimate(value, low, high)
    of_each = np.bincount(group, influence)
    error = Z * float(np.sqrt(np.sum(of_each**2) * len(members) / (len(members) - 1)))
    return Estimate(value, max(value - error, low), min(value + error, high))


def log_loss(labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> float:
    """Mean negative log-likelihood, in nats."""
    y, p = np.asarray(labels, "f8"), np.clip(np.asarray(probabilities, "f8"), 1e-7, 1 - 1e-7)
    if len(y) == 0:
        return float("nan")
    return float(-(y * np.log(p) + (1 - y) * np.log(1 - p)).mean())


def calibration_error(labels: npt.ArrayLike, probabilities: npt.ArrayLike, *, bins: int = BINS) -> float:
    """Mean gap between predicted and happened, over bins of equal count (Naeini et al., 2015)."""
    y, p = np.asarray(labels, "f8"), np.asarray(probabilities, "f8")
    if len(y) == 0:
        return float("nan")
    return float(sum(abs((y[part] - p[part]).sum()) for part in _parts(p, bins)) / len(y))


def calibration_estimate(
    labels: npt.ArrayLike, probabilities: npt.ArrayLike, who: npt.ArrayLike, *, bins: int = BINS
) -> Estimate:
    """The same by members `who` [n], each bin's gap on the side where it is. What of it is chance
    (`calibration_noise`) is in the figure and in both ends."""
    y, p = np.asarray(labels, "f8"), np.asarray(probabilities, "f8")
    value, influence = calibration_error(y, p, bins=bins), np.zeros(len(y))
    for part in _parts(p, bins):
        gaps = y[part] - p[part]
        influence[part] = (np.sign(gaps.sum()) * gaps - value) / len(y)
    return _estimate(value, influence, who, (0.0, 1.0))


def bins_for(n: int) -> int:
    """Into how many bins n labels are cut: few labels in many bins show little but their own chance."""
    return min(max(n // LABELS_A_BIN, 1), BINS)


def _parts(p: F64, bins: int) -> list[npt.NDArray[Any]]:
    return [part for part in np.array_split(np.argsort(p, kind="stable"), bins) if len(part)]


def calibration_noise(probabilities: npt.ArrayLike, *, bins: int = BINS) -> float:
    """The calibration error that perfect probabilities would show on as many labels, by chance alone.

    The mean size of a normal deviation is sqrt(2 / pi) of its standard deviation.
    """
    p = np.asarray(probabilities, "f8")
    spread = p * (1.0 - p)
    return float(sum(np.sqrt(2.0 / np.pi * spread[part].sum()) for part in _parts(p, bins)) / max(len(p), 1))
