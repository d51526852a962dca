"""Fit: what sets candidates apart in the log-odds of a like, both ways, less their price.

Takes a request, gives the terms of a sum over columns; the terms and weights are those of the surface's like
model that differ between candidates. The reciprocity weight counts here as in the score.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from apps.pipeline.contracts import F32, F64, Request
from apps.pipeline.features import pairs
from apps.pipeline.table import DIMENSIONS, Table

PRICE = -4.0  # log-odds that a price of 1 costs at least: nowhere is a probability steeper than 1/4 of them
NO_VECTOR: F32 = np.zeros(DIMENSIONS, "f4")


@dataclass(frozen=True)
class Fit:
    """fit = looks . `looks` + taste . `taste` + the columns by their weights."""

    looks: F32  # [DIMENSIONS]
    taste: F32
    columns: tuple[tuple[str, float], ...]

    def values(self, table: Table) -> F64:
        """[n] of the rows of a table, in plain numpy."""
        total: F64 = table["looks"].astype("f8") @ self.looks
        if self.taste.any():
            total = total + table["taste"].astype("f8") @ self.taste
        for name, weight in self.columns:
            total = total + weight * table[name].astype("f8")
        return total


def fit_of(request: Request) -> Fit:
    """The fit of candidates to the viewer of a request. Raises what a model without numbers raises."""
    weights, viewer = pairs.like_model(request.data)["weights"], request.viewer.row
    affinity = float(weights.get("affinity", 1.0))
    price = 0.0 if "price" in request.params.disabled_stages else PRICE
    if request.data.kind == "place":
        of_place = (("popularity", float(weights.get("popularity", 0.0))), ("price", price))
        return Fit(_times(affinity, viewer["taste"][0]), NO_VECTOR, of_place)
    given, returned = shares(request)
    terms = (
        ("appeal", given * float(weights.get("appeal", 0.0))),
        ("selectivity", returned * float(weights.get("selectivity", 0.0))),
        ("price", price),
    )
    return Fit(
        _times(given * affinity, viewer["taste"][0]), _times(returned * affinity, viewer["looks"][0]), terms
    )


def viewers_side(request: Request) -> Fit:
    """The viewer's side alone: how well they may like somebody."""
    weights = pairs.like_model(request.data)["weights"]
    looks = _times(float(weights.get("affinity", 1.0)), request.viewer.row["taste"][0])
    return Fit(looks, NO_VECTOR, (("appeal", float(weights.get("appeal", 0.0))),))


def shares(request: Request) -> tuple[float, float]:
    """How much the viewer's side and the candidate's side count."""
    one_sided = "reciprocity" in request.params.disabled_stages
    if one_sided or request.params.reciprocity == "viewer_only":
        return 1.0, 0.0
    weight = min(max(request.params.reciprocity_weight, 0.0), 1.0)
    return 1.0 - weight, weight


def _times(factor: float, vector: F32) -> F32:
    return np.ascontiguousarray(vector * np.float32(factor), "f4")
