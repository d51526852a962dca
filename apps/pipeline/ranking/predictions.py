"""Features of (source, target) pairs: what every learnt chance of a like is asked with.

"Source likes target" in both directions: p takes (viewer, candidates), q the same model with the roles
swapped. Learning fits `{"intercept": float, "weights": {feature: float}}` on exactly `pair_features` and
stores it as `SurfaceData.models["like"]` (on places: the model of a save).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from apps.pipeline.contracts import F32
from apps.pipeline.features import pairs
from apps.pipeline.features.chances import FIXED
from apps.pipeline.features.finite import finite
from apps.pipeline.snapshot import Table

PAIR_FEATURES: Mapping[str, tuple[str, ...]] = {
    "member": (
        "affinity",
        "selectivity",
        "appeal",
        *FIXED,
    ),
    "place": ("affinity", "selectivity", "popularity", "curated", "distance_log", "price_band"),
}
UNKNOWN_DISTANCE = 10.0  # km, where the two have no common plane


def pair_features(
    source_rows: Table,
    target_rows: Table,
    *,
    kind: str,
    partners: npt.NDArray[np.uint64] | None = None,
) -> dict[str, F32]:
    """Features [n] by name of "source likes target"; one row broadcasts against n. `kind`: of the target.

    `partners` are vocabulary.partner_masks of the snapshot's crafts; without them no crafts complement each
    other.
    """
    n = max(len(source_rows), len(target_rows)) if len(source_rows) and len(target_rows) else 0
    if kind == "place":
        features = _place_features(source_rows, target_rows)
    else:
        features = _member_features(source_rows, target_rows, partners)
    return {name: _column(column, n) for name, column in features.items()}


def both_ways(
    viewer: Table, candidates: Table, *, kind: str, partners: npt.NDArray[np.uint64] | None = None
) -> tuple[dict[str, F32], dict[str, F32]]:
    """Features of "viewer likes candidate" and of "candidate likes viewer" for members: what is mutual,
    once."""
    forward = pair_features(viewer, candidates, kind=kind, partners=partners)
    n = len(candidates)
    turned = {
        "affinity": pairs.dots(candidates["taste"], viewer["looks"]),
        "selectivity": candidates["selectivity"],
        "appeal": viewer["appeal"],
        "age_gap": -forward["age_gap"],
    }
    if partners is not None:
        turned["complementary_crafts"] = pairs.complementary(candidates, viewer, partners)
    return forward, forward | {name: _column(column, n) for name, column in turned.items()}


def _column(values: npt.NDArray[Any], n: int) -> F32:
    """As float32 [n]; a value of the one row is repeated."""
    repeated = values if len(values) == n else np.broadcast_to(values, (n,))
    return np.asarray(repeated, "f4")


def _distance_log(source: Table, target: Table) -> F32:
    return np.log1p(finite(pairs.kilometres(source, target), UNKNOWN_DISTANCE))


def _member_features(source: Table, target: Table, partners: npt.NDArray[np.uint64] | None) -> dict[str, F32]:
    decades = pairs.age_gap(source, target) / np.float32(10.0)
    no_partners = np.zeros(max(len(source), len(target)), "f4")
    return {
        "affinity": pairs.dots(source["taste"], target["looks"]),
        "selectivity": source["selectivity"],
        "appeal": target["appeal"],
        "age_gap": decades,
        "age_gap_squared": decades**2,
        "distance_log": _distance_log(source, target),
        "shared_interests": pairs.shared(source, target, "interests"),
        "shared_skills": pairs.shared(source, target, "skills"),
        "same_industry": (source["industries"] & target["industries"] != 0).astype("f4"),
        "complementary_crafts": (
            no_partners if partners is None else pairs.complementary(source, target, partners)
        ),
    }


def _place_features(source: Table, target: Table) -> dict[str, F32]:
    return {
        "affinity": pairs.dots(source["taste"], target["looks"]),
        "selectivity": source["selectivity"],
        "popularity": target["popularity"],
        "curated": target["curated"],
        "distance_log": _distance_log(source, target),
        "price_band": target["price_band"].astype("f4"),
    }
