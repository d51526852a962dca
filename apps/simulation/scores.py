"""How good lists are, judged by the truth: arrays in, figures out. No database, no pipeline.

A method's lists come as rows of (viewer, candidate, p, q, q given the past); figures are means per viewer
with intervals from a bootstrap over viewers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from apps.simulation.population import F64, I64
from apps.simulation.world import gini

RESAMPLES = 1000


@dataclass(frozen=True)
class Shown:
    """All lists of one method. `viewer`: position in the sample; `candidate`: index in the world."""

    viewer: I64
    candidate: I64
    p: F64  # of a like (or save) by the viewer
    q: F64  # of a like by the candidate; 1 on a surface of places
    known: F64  # q, or what the candidate has already said: 1 liked, 0 passed


@dataclass(frozen=True)
class Mean:
    """A mean over viewers and its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


def joined(parts: Sequence[Shown]) -> Shown:
    """Lists of one method, one after the other."""
    names = ("viewer", "candidate", "p", "q", "known")
    if not parts:
        return Shown(*(np.zeros(0, "i8") for _ in names))
    return Shown(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def per_viewer(shown: Shown, values: F64, viewers: int) -> F64:
    """Sums [viewers] of values over each viewer's list."""
    return np.bincount(shown.viewer, weights=values, minlength=viewers).astype("f8")


def interval(values: F64, *, seed: int = 0) -> Mean:
    """Mean of one value per viewer; the interval from resampled viewers. No viewers: zeros."""
    if len(values) == 0:
        return Mean(0.0, 0.0, 0.0)
    g = np.random.Generator(np.random.Philox(seed))
    # Counts of a multinomial are a resample: [resamples, viewers] would not fit for many viewers otherwise.
    means = [
        g.multinomial(len(values), np.full(len(values), 1 / len(values))) @ values for _ in range(RESAMPLES)
    ]
    low, high = np.percentile(np.array(means) / len(values), [2.5, 97.5])
    return Mean(float(values.mean()), float(low), float(high))


def exposure_gini(shown: Shown, candidates: int) -> float:
    """Gini of how often each of `candidates` stood in a list; those never shown count as 0."""
    counts = np.bincount(shown.candidate) if len(shown.candidate) else np.zeros(0, "i8")
    counts = counts[counts > 0]
    return gini(np.concatenate([np.zeros(max(0, candidates - len(counts))), counts]))


def answered(shown: Shown, capacity: F64) -> F64:
    """p q attention per row: the likes that all these lists send to one inbox wear out its attention.

    capacity [members] as in the truth. The lists must be those of everybody in the market, not of a sample.
    """
    load = np.bincount(shown.candidate, weights=shown.p, minlength=len(capacity))
    return np.asarray(shown.p * shown.q / (1.0 + load[shown.candidate] / capacity[shown.candidate]))
