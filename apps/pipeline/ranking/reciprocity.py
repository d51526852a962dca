"""The reciprocity rule Phi(p, q): how the two sides of a like become one number within [0, 1].

With w the weight of q = p(candidate likes viewer), and p = p(viewer likes candidate):
  harmonic     1 / ((1 - w) / p + w / q)   the lower of the two dominates
  geometric    p^(1 - w) * q^w
  product      p^(2 (1 - w)) * q^(2 w)     the probability that both like, when w is one half
  viewer_only  p
Each grows with p and with q, and is symmetric in them at w = 1/2 (viewer_only apart).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from apps.pipeline.contracts import F32
from apps.pipeline.features.finite import finite

F64 = npt.NDArray[np.float64]


def combine(p: npt.NDArray[Any], q: npt.NDArray[Any], *, rule: str, weight: float) -> F32:
    """Phi [n] of probabilities [n]; a NaN counts as 0. Raises KeyError on an unknown rule."""
    share = min(max(weight, 0.0), 1.0)
    result = RULES[rule](_probability(p), _probability(q), share)
    return np.clip(finite(result), 0.0, 1.0).astype("f4")


def _harmonic(p: F64, q: F64, weight: float) -> F64:
    tiny = 1e-12  # 1 / 0 would make a NaN of 0 / 0; at 0 the rule gives 0 up to this
    return 1.0 / ((1.0 - weight) / np.maximum(p, tiny) + weight / np.maximum(q, tiny))


def _geometric(p: F64, q: F64, weight: float) -> F64:
    return p ** (1.0 - weight) * q**weight


def _product(p: F64, q: F64, weight: float) -> F64:
    return _geometric(p, q, weight) ** 2


def _viewer_only(p: F64, q: F64, weight: float) -> F64:
    return p


RULES: Mapping[str, Callable[[F64, F64, float], F64]] = {
    "harmonic": _harmonic,
    "product": _product,
    "geometric": _geometric,
    "viewer_only": _viewer_only,
}


def _probability(values: npt.NDArray[Any]) -> F64:
    return np.clip(finite(np.asarray(values, "f8")), 0.0, 1.0)
