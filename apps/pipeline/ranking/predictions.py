"""Features of (source, target) pairs: what every learnt chance of a like is asked with.

"Source likes target" in both directions: p takes (viewer, candidates), q the same model with the roles
swapped. Learning fits `{"intercept": float, "weights": {feature: float}}` on exactly `pair_features` and
stores it as `SurfaceData.models["like"]` (on places: the model of a save). They are declared in
apps.pipeline.features.between.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from apps.pipeline.contracts import F32
from apps.pipeline.features.between import BETWEEN, Asked, Partners
from apps.pipeline.features.pairs import pairs_in, profiles
from apps.pipeline.table import Table

PAIR_FEATURES: Mapping[str, tuple[str, ...]] = {
    kind: tuple(feature.name for feature in declared) for kind, declared in BETWEEN.items()
}


def pair_features(
    source_rows: Table, target_rows: Table, *, kind: str, partners: Partners = None
) -> dict[str, F32]:
    """Features [n] by name of "source likes target"; one row broadcasts against n. `kind`: of the target.

    `partners` are vocabulary.partner_masks of the snapshot's crafts; without them no crafts complement each
    other.
    """
    n = pairs_in(source_rows, target_rows)
    found: dict[str, F32] = {}
    asked = Asked(source_rows, target_rows, partners, found)
    for feature in BETWEEN[kind]:
        found[feature.name] = _column(feature.compute(asked), n)
    return found


def both_ways(
    viewer: Table, candidates: Table, *, kind: str, partners: Partners = None
) -> tuple[dict[str, F32], dict[str, F32]]:
    """Features of "viewer likes candidate" and of "candidate likes viewer" for members: what is mutual, and
    what one pass tells of both profiles, once."""
    told, n = profiles(viewer, candidates, partners), pairs_in(viewer, candidates)
    forward: dict[str, F32] = {}
    backward: dict[str, F32] = {}
    there, back = Asked(viewer, candidates, partners, forward), Asked(candidates, viewer, partners, backward)
    for feature in BETWEEN[kind]:
        ways = told.get(feature.name)
        if ways is None:
            given = _column(feature.compute(there), n)
            ways = given, _column(feature.compute(back), n) if feature.back is None else feature.back(given)
        forward[feature.name], backward[feature.name] = ways
    return forward, backward


def _column(values: npt.NDArray[Any], n: int) -> F32:
    """As float32 [n]; a value of the one row is repeated."""
    return np.asarray(values if len(values) == n else np.full(n, values), "f4")
