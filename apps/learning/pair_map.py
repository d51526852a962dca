"""What goes with what: a linear map from a source's profile to axes of the targets' profiles.

Takes decisions, both sides' profiles and the log-odds expected without the map; gives weights that the
content tower applies. Who decided about whom counts as independent of what they are, so that the fit is
closed-form. What is left of it is only what stands out of noise: no penalty to choose.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from apps.learning.decisions import Decisions
from apps.learning.shrinkage import counts
from apps.pipeline.contracts import F32, I32
from apps.pipeline.table import row_blocks

SMALLEST = 1e-3  # of the largest variance: along what hardly varies nothing is learnt

F64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class PairMap:
    """sources @ taste and targets @ looks, row by row multiplied and summed, are log-odds."""

    taste: F32  # [d of sources, k]
    looks: F32  # [d of targets, k]


@dataclass(frozen=True)
class Residuals:
    """What decisions say beyond the log-odds expected of them: one Newton step reads both arrays."""

    decisions: Decisions
    values: F64  # [n] liked - p
    information: F64  # [n] p (1 - p)


def residuals(decisions: Decisions, log_odds: npt.NDArray[Any]) -> Residuals:
    """Residuals of decisions against the log-odds [n] expected of them."""
    p = 1.0 / (1.0 + np.exp(-np.clip(log_odds, -30.0, 30.0)))
    return Residuals(decisions, decisions.liked - p, p * (1.0 - p))


def fit_pair_map(sources: F32, targets: F32, found: Residuals, *, factors: int) -> PairMap:
    """The map to the `factors` widest axes of the targets' profiles; zeros where nothing stands out.

    The last column of both profiles is 1: it takes the intercept.
    """
    from scipy.sparse import csr_matrix

    decisions, total = found.decisions, float(found.information.sum())
    flat = PairMap(np.zeros((sources.shape[1], factors), "f4"), np.zeros((targets.shape[1], factors), "f4"))
    if total <= 0.0:
        return flat
    a = _axes(sources, counts(decisions.source, len(sources), found.information) / total)
    b = _axes(targets, counts(decisions.target, len(targets), found.information) / total, most=factors)
    shape = (len(sources), len(targets))
    matrix = csr_matrix((found.values, (decisions.source, decisions.target)), shape=shape)
    theirs = matrix @ _along(targets, b.weights)
    seen = np.zeros((len(a.variances), len(b.variances)))
    for rows in row_blocks(len(sources)):
        seen += (sources[rows] @ a.weights).T @ theirs[rows]
    deviation = np.sqrt(total * np.outer(a.variances, b.variances))  # of `seen`, were there no map
    slopes = stands_out(seen / deviation) / deviation
    used = len(b.variances)
    flat.taste[:, :used] = a.weights @ slopes
    flat.looks[:, :used] = b.weights
    return flat


def stands_out(matrix: F64) -> F64:
    """What is left of a matrix whose entries have noise of variance 1: its singular values, shrunk.

    Least expected square error; Gavish and Donoho, Optimal Shrinkage of Singular Values, 2017, equation 7.
    """
    if matrix.size == 0:
        return matrix
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    fewer, more = sorted(matrix.shape)
    beta, y = fewer / more, values / np.sqrt(more)
    loud = y > 1.0 + np.sqrt(beta)
    kept = np.zeros_like(y)
    kept[loud] = np.sqrt((y[loud] ** 2 - beta - 1.0) ** 2 - 4.0 * beta) / y[loud]
    result: F64 = (left * (kept * np.sqrt(more))) @ right
    return result


def moved(prior: F32, other: F32, own: I32, others: I32, found: Residuals, k: float) -> F32:
    """Each row moved from `prior` to where its own decisions point: one step of a ridge as strong as `k`.

    `found` are residuals against what `prior` and `other` already say; `own` and `others` [n] are rows of
    the two.
    """
    result = prior.copy()
    order = np.argsort(own, kind="stable")
    rows, starts = np.unique(own[order], return_index=True)
    parts = np.split(order, starts[1:]) if len(rows) else []
    for row, mine in zip(rows, parts, strict=True):
        z = other[others[mine]].astype("f8")
        curvature = (z * found.information[mine, None]).T @ z + k * np.eye(z.shape[1])
        result[row] += np.linalg.solve(curvature, z.T @ found.values[mine])
    return result


@dataclass(frozen=True)
class _Axes:
    weights: F64  # [d, k]: profile @ weights is centred, its columns are uncorrelated
    variances: F64  # [k]


def _along(profiles: F32, weights: F64) -> F64:
    """profiles @ weights [n, k]: rows are widened to float64 in blocks, not all of them at once."""
    found = np.empty((len(profiles), weights.shape[1]))
    for rows in row_blocks(len(profiles)):
        found[rows] = profiles[rows] @ weights
    return found


def _axes(profiles: F32, shares: F64, most: int | None = None) -> _Axes:
    """Principal axes of profiles, of which row i counts `shares[i]`, the widest first."""
    width = profiles.shape[1] - 1
    mean, spread = np.zeros(width), np.zeros((width, width))
    for rows in row_blocks(len(profiles)):
        mean += shares[rows] @ profiles[rows, :-1]
    for rows in row_blocks(len(profiles)):
        centred = profiles[rows, :-1] - mean
        spread += centred.T @ (centred * shares[rows, None])
    values, vectors = np.linalg.eigh(spread)
    wide = np.flatnonzero(values > SMALLEST * max(values[-1], SMALLEST))[::-1][:most]
    vectors = vectors[:, wide]
    return _Axes(np.vstack([vectors, -mean @ vectors]), values[wide])
