"""The heavy ranker: boosted trees over the pair features of the light one, for the best few it has found.

Takes pair features of both directions and the light ranker's probabilities; gives probabilities of the same
event, so both rankers speak in one scale and scores compare. What it says of a candidate depends on that
candidate alone: every tree is walked for each, and summed in the same order.
Learning (apps.learning.heavy_model) stores names and the baseline as SurfaceData.models["heavy"], the trees
as its arrays "heavy.<part>" for the parts of apps.pipeline.ranking.walk.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from apps.pipeline.contracts import F32, I64, Pool, Request
from apps.pipeline.features.chances import probability
from apps.pipeline.features.finite import finite, stacked
from apps.pipeline.passes import Passes

walk = Passes("ranking.walk")

PARTS = ("feature", "threshold", "leaf")
MOST_TREES = 100

Features = Mapping[str, F32]
Arrays = Mapping[str, npt.NDArray[Any]]


def heavy_rows(request: Request, pool: Pool) -> I64:
    """Rows [k] of the best of a scored pool, as many as policy and time allow; none without a heavy ranker.

    Of equal scores the lower number is in, so that the order of the pool doesn't matter.
    """
    off = request.params.disabled_stages & {"predictions", "heavy_ranker"}
    width = min(max(request.params.heavy_width, 0), request.widths.heavy)
    if off or not width or "heavy" not in request.data.models:
        return np.zeros(0, "i8")
    if width >= len(pool):
        return np.arange(len(pool), dtype="i8")
    return np.sort(np.lexsort((pool.table["number"], -pool.score))[:width])


def with_interactions(features: Features, returned: F32 | None, light: F32) -> Features:
    """What trees may ask of "source likes target": its pair features, and how the two sides go together.

    `returned` is the target's affinity to the source, None for places; `light` the light ranker's
    probability of the same.
    """
    found = {**features, "light": light}
    if returned is not None:
        found["returned_affinity"] = returned
        found["affinity_and_appeal"] = features["affinity"] * features["appeal"]
    return found


def heavy_probability(features: Features, model: Mapping[str, Any], arrays: Arrays) -> F32:
    """Probability [n] by the trees, bounded as the light ranker's; a feature that is missing counts 0."""
    n = len(features["light"])
    none = np.zeros(n, "f4")
    values = finite(stacked([features.get(name, none) for name in model["features"]], n))
    feature, threshold, leaf = (arrays[f"heavy.{part}"] for part in PARTS)
    total = np.empty(n)
    walk.walk(values, feature, threshold, leaf, float(model["baseline"]), np.empty(n, "i4"), total)
    return probability(total)


def check_trees(model: Mapping[str, Any], arrays: Arrays) -> None:
    """Raises ValueError for trees that can't be walked: the compiled walk looks at no bounds."""
    feature, threshold, leaf = (arrays[f"heavy.{part}"] for part in PARTS)
    trees, nodes = feature.shape
    if threshold.shape != (trees, nodes) or leaf.shape != (trees, nodes + 1) or nodes & (nodes + 1):
        raise ValueError("the trees are not complete")
    if trees > MOST_TREES or int(feature.max(initial=0)) >= len(model["features"]):
        raise ValueError("there are too many trees, or they ask for a feature that has no name")
    if np.isnan(threshold).any() or not np.isfinite(leaf).all() or not np.isfinite(model["baseline"]):
        raise ValueError("the trees are not finite")
