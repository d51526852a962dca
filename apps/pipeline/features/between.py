"""Every feature of "source likes target", declared once: name, where it comes from, how to compute it.

Learning asks for them of decisions, the ranking of a viewer and candidates, in both roles: one code. Both
tables broadcast, one row against n. A model without a weight for one ignores it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from apps.pipeline.contracts import F32
from apps.pipeline.features import pairs
from apps.pipeline.table import Table

Partners = npt.NDArray[np.uint64] | None  # vocabulary.partner_masks; without them no crafts complement
Numbers = npt.NDArray[Any]


@dataclass(frozen=True)
class Asked:
    """Who is asked about: rows of sources and targets, and the features [n] that are there already."""

    source: Table
    target: Table
    partners: Partners
    known: Mapping[str, F32]


@dataclass(frozen=True)
class PairFeature:
    """One named number per pair of rows.

    `default` stands where it can't be computed. `back` makes it of "target likes source" from that of
    "source likes target"; None: it has to be asked the other way round.
    """

    name: str
    source: str  # of features.sources
    compute: Callable[[Asked], Numbers]
    back: Callable[[F32], F32] | None = None
    default: float = 0.0
    dtype: str = "f4"


def _same(column: F32) -> F32:
    return column


def _complementary(asked: Asked) -> Numbers:
    if asked.partners is None:
        return np.zeros(max(len(asked.source), len(asked.target)), "f4")
    return pairs.complementary(asked.source, asked.target, asked.partners)


def _of_target(column: str) -> Callable[[Asked], Numbers]:
    return lambda asked: asked.target[column]


def _shared(column: str) -> Callable[[Asked], Numbers]:
    return lambda asked: pairs.shared(asked.source, asked.target, column)


AFFINITY = PairFeature(
    "affinity", "behaviour", lambda asked: pairs.dots(asked.source["taste"], asked.target["looks"])
)
SELECTIVITY = PairFeature("selectivity", "behaviour", lambda asked: asked.source["selectivity"])
DISTANCE = PairFeature(
    "distance_log",
    "profile",
    lambda asked: pairs.distance_log(pairs.kilometres(asked.source, asked.target)),
    _same,
    float(np.log1p(pairs.UNKNOWN_DISTANCE)),
)

BETWEEN: Mapping[str, tuple[PairFeature, ...]] = {  # by the kind of the target
    "member": (
        AFFINITY,
        SELECTIVITY,
        PairFeature("appeal", "behaviour", _of_target("appeal")),
        PairFeature(  # in decades
            "age_gap",
            "profile",
            lambda asked: pairs.age_gap(asked.source, asked.target) / np.float32(10.0),
            np.negative,
        ),
        PairFeature("age_gap_squared", "profile", lambda asked: asked.known["age_gap"] ** 2, _same),
        DISTANCE,
        PairFeature("shared_interests", "profile", _shared("interests"), _same),
        PairFeature("shared_skills", "profile", _shared("skills"), _same),
        PairFeature(
            "same_industry",
            "profile",
            lambda asked: asked.source["industries"] & asked.target["industries"] != 0,
            _same,
        ),
        PairFeature("complementary_crafts", "profile", _complementary),
    ),
    "place": (
        AFFINITY,
        SELECTIVITY,
        PairFeature("popularity", "events", _of_target("popularity")),
        PairFeature("curated", "lists", _of_target("curated")),
        DISTANCE,
        PairFeature("price_band", "profile", _of_target("price_band")),
    ),
}
