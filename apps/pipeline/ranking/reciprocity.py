"""The reciprocity rule Phi(p, q): how the two sides of a like become one number within [0, 1].

With w the weight of q = p(candidate likes viewer), and p = p(viewer likes candidate):
  harmonic     1 / ((1 - w) / p + w / q)   the lower of the two dominates
  geometric    p^(1 - w) * q^w
  product      p^(2 (1 - w)) * q^(2 w)     the probability that both like, when w is one half
  viewer_only  p
Each grows with p and with q, and is symmetric in them at w = 1/2 (viewer_only apart).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from apps.pipeline.contracts import F32
from apps.pipeline.passes import Passes

blend = Passes("ranking.blend")

RULES: Mapping[str, int] = {"harmonic": 0, "geometric": 1, "product": 2, "viewer_only": 3}


def combine(p: F32, q: F32, *, rule: str, weight: float) -> F32:
    """Phi [n] of probabilities [n]; a NaN counts as 0. Raises KeyError on an unknown rule."""
    phi = np.empty(len(p), "f4")
    blend.reciprocal(p, q, *as_numbers(rule, weight), phi)
    return phi


def as_numbers(rule: str, weight: float) -> tuple[int, float]:
    """A rule and the weight of q, as the passes take them. Raises KeyError on an unknown rule."""
    return RULES[rule], min(max(weight, 0.0), 1.0)
