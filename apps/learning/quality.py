"""How good predictions are: order (AUC), sharpness (log loss), honesty (expected calibration error).

Takes labels and probabilities of the same length; gives one number, NaN where it has no meaning.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

BINS = 10


def auc(labels: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """Probability that a random positive is scored above a random negative; a tie counts one half."""
    from scipy.stats import rankdata

    positive = np.asarray(labels, "?")
    n, m = int(positive.sum()), int((~positive).sum())
    if n == 0 or m == 0:
        return float("nan")
    ranks = rankdata(np.asarray(scores, "f8"))
    return float((ranks[positive].sum() - n * (n + 1) / 2) / (n * m))


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
    order = np.argsort(p, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    return float(sum(len(part) * abs(y[part].mean() - p[part].mean()) for part in parts) / len(y))


def calibration_noise(probabilities: npt.ArrayLike, *, bins: int = BINS) -> float:
    """The calibration error that perfect probabilities would show on as many labels, by chance alone.

    The mean size of a normal deviation is sqrt(2 / pi) of its standard deviation.
    """
    p = np.sort(np.asarray(probabilities, "f8"))
    parts = [part for part in np.array_split(p, bins) if len(part)]
    return float(sum(np.sqrt(2.0 / np.pi * (part * (1.0 - part)).sum()) for part in parts) / max(len(p), 1))
