"""Every feature a policy can weigh in the ranking, declared once: name, sentence, source, how to compute it.

Takes a request and a pool, gives one float32 per candidate, most between 0 and 1 so that weights compare.
The knobs in the admin are made from this table. A feature adds to the score; it never decides who may be
shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from apps.pipeline.contracts import F32, I32, Pool, Request
from apps.pipeline.features import pairs, recent
from apps.pipeline.features.calendar import day_of, hour_of
from apps.pipeline.features.chances import chance
from apps.pipeline.features.finite import finite
from apps.pipeline.features.stay import months_there
from apps.pipeline.vocabulary import partner_masks

NEWCOMER_DAYS = 14
HOURS_TO_HALF = 72.0  # of "activity"


@dataclass(frozen=True)
class Feature:
    """One named number per candidate.

    `source`: of features.sources. `default` stands where it can't be computed; `weight` is where its knob
    starts. `learnt`: the model without which it says nothing.
    """

    name: str
    sentence: str
    compute: Callable[[Request, Pool], npt.NDArray[Any]]
    source: str
    default: float = 0.0
    weight: float = 0.0
    dtype: str = "f4"
    learnt: str = ""

    def column(self, request: Request, pool: Pool) -> F32:
        """The feature [n] of a pool, finite."""
        column, n = np.asarray(self.compute(request, pool), "f4"), len(pool)
        return finite(column if column.shape == (n,) else np.full(n, column), self.default)


def logistic(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """1 / (1 + exp(-x)), safe for any x."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(values, -30.0, 30.0))))


def some(count: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """0, 1, 2, 3 ... to 0, 1/2, 3/4, 7/8 ...: each one more counts half as much."""
    return np.asarray(1.0 - np.exp2(-np.asarray(count, "f4")))


def closeness(request: Request, pool: Pool) -> npt.NDArray[Any]:
    """1 here, 1/2 at 10 km; NaN for a viewer who looks at another market than theirs."""
    return 1.0 / (1.0 + pairs.kilometres(request.viewer.row, pool.table) / 10.0)


def mutual_counts(request: Request, pool: Pool) -> F32:
    """How many connections the viewer and each candidate share, over edges visible to both."""
    return pairs.look_up(pool.table["number"], request.mutual.numbers, request.mutual.counts)


def friends_saved_counts(request: Request, pool: Pool) -> F32:
    """How many of the viewer's connections saved each place."""
    return pairs.look_up(pool.table["number"], *friends_saves(request))


def friends_saves(request: Request) -> tuple[I32, F32]:
    """Places that the viewer's connections saved, by number, and how many of them saved each."""
    numbers, weights = request.friends_places
    order = np.argsort(numbers, kind="stable")
    return numbers[order], weights[order]


def _newcomer(request: Request, pool: Pool) -> npt.NDArray[Any]:
    days = np.maximum(day_of(request.now) - pool.table["joined_day"], 0)
    return np.asarray(np.maximum(1.0 - days / NEWCOMER_DAYS, 0.0))


def _activity(request: Request, pool: Pool) -> npt.NDArray[Any]:
    hours = np.maximum(hour_of(request.now) - pool.table["active_hour"], 0)
    return np.asarray(np.exp2(-hours / HOURS_TO_HALF))


def _complementary(request: Request, pool: Pool) -> npt.NDArray[Any]:
    partners = partner_masks(request.snapshot.vocabulary.get("crafts", ()))
    return some(pairs.complementary(request.viewer.row, pool.table, partners))


def _shared(column: str) -> Callable[[Request, Pool], npt.NDArray[Any]]:
    return lambda request, pool: some(pairs.shared(request.viewer.row, pool.table, column))


FATIGUE = Feature(
    "fatigue",
    "How often the viewer saw the candidate without acting: one half for once, three quarters for twice.",
    recent.fatigue,
    source="moment",
    weight=-0.1,
)
REPLY = Feature(
    "reply",
    "The chance that the two talk once they match: one writes, and is answered within 72 hours.",
    chance("reply"),
    source="behaviour",
    learnt="reply",
)
STAYS = Feature(
    "stays",
    "The chance that the viewer is active again in days 8 to 28 after meeting the candidate.",
    chance("stays"),
    source="behaviour",
    learnt="stays",
)
MEMBER_FEATURES = (
    Feature(
        "affinity",
        "How well the candidate fits what the viewer has liked; one half is average.",
        lambda request, pool: logistic(pairs.dots(request.viewer.row["taste"], pool.table["looks"])),
        source="behaviour",
        default=0.5,
        learnt="like",
    ),
    Feature(
        "reverse_affinity",
        "How well the viewer fits what the candidate has liked; one half is average.",
        lambda request, pool: logistic(pairs.dots(pool.table["taste"], request.viewer.row["looks"])),
        source="behaviour",
        default=0.5,
        learnt="like",
    ),
    Feature(
        "selectivity",
        "How freely the candidate gives likes; one half is average.",
        lambda request, pool: logistic(pool.table["selectivity"]),
        source="behaviour",
        default=0.5,
        learnt="like",
    ),
    Feature(
        "appeal",
        "How freely others like the candidate; one half is average.",
        lambda request, pool: logistic(pool.table["appeal"]),
        source="behaviour",
        default=0.5,
        learnt="like",
    ),
    Feature(
        "popularity",
        "Likes the candidate received in 30 days, on a log scale; 1 from 100 likes.",
        lambda request, pool: np.minimum(
            np.log1p(np.maximum(pool.table["popularity"], 0.0)) / np.log1p(100.0), 1.0
        ),
        source="events",
    ),
    Feature(
        "activity",
        "How recently the candidate was active: 1 now, one half after three days.",
        _activity,
        source="events",
    ),
    Feature(
        "shared_interests",
        "Interests both have: one half for one, three quarters for two.",
        _shared("interests"),
        source="profile",
    ),
    Feature(
        "shared_skills",
        "Skills both have: one half for one, three quarters for two.",
        _shared("skills"),
        source="profile",
    ),
    Feature(
        "same_industry",
        "1 when both work in the same industry.",
        lambda request, pool: request.viewer.row["industries"] & pool.table["industries"] != 0,
        source="profile",
    ),
    Feature(
        "complementary_crafts",
        "Crafts of the candidate that complete the viewer's: one half for one.",
        _complementary,
        source="profile",
    ),
    Feature(
        "mutual_connections",
        "Connections both share, visible to both: one half for one.",
        lambda request, pool: some(mutual_counts(request, pool)),
        source="graph",
    ),
    Feature(
        "adamic_adar",
        "Connections both share, those who know few others first: one half for one who knows three.",
        lambda request, pool: some(
            pairs.look_up(pool.table["number"], request.mutual.numbers, request.mutual.adamic_adar)
        ),
        source="graph",
    ),
    Feature(
        "pagerank",
        "How often a walk from the viewer over connections and matches comes by; 1 for the nearest.",
        lambda request, pool: pairs.look_up(pool.table["number"], *request.near),
        source="graph",
    ),
    Feature(
        "closeness", "How near they live: 1 in the same cell, one half at 10 km.", closeness, source="profile"
    ),
    Feature(
        "age_closeness",
        "How near their ages are: 1 when equal, one half seven years apart.",
        lambda request, pool: np.exp2(-np.abs(pairs.age_gap(request.viewer.row, pool.table)) / 7.0),
        source="profile",
    ),
    Feature(
        "newcomer",
        "1 for a candidate who joined today, falling to 0 over two weeks.",
        _newcomer,
        source="profile",
    ),
    FATIGUE,
    Feature(
        "inbox_load",
        "How full the candidate's inbox is, by unread likes now: 1 when full. Below 0, others come first.",
        recent.inbox_load,
        source="moment",
        weight=-0.05,
    ),
    Feature(
        "presence",
        "1 for a candidate who was recently active, as of this second.",
        recent.presence,
        source="moment",
        weight=0.02,
    ),
    Feature(
        "less_like_this",
        "How much a candidate shares what the viewer asked less of: that far away, of that industry.",
        recent.less_like_this,
        source="moment",
        weight=-0.2,
    ),
    REPLY,
    STAYS,
)

PLACE_FEATURES = (
    Feature(
        "taste",
        "How well the place is liked, and fits the viewer; one half is average.",
        lambda request, pool: logistic(pairs.dots(request.viewer.row["taste"], pool.table["looks"])),
        source="behaviour",
        default=0.5,
        learnt="like",
    ),
    Feature(
        "alike",
        "How well the place goes along with those that the viewer saved or visited, as others combine them.",
        lambda request, pool: pairs.look_up(pool.table["number"], *request.alike),
        source="behaviour",
        weight=0.5,
    ),
    Feature(
        "closeness",
        "How near the place is to the viewer's home: one half at 10 km.",
        closeness,
        source="profile",
    ),
    Feature(
        "popularity",
        "Saves and visits in 90 days, on a log scale; 1 from 1,000.",
        lambda request, pool: np.clip(pool.table["popularity"] / np.log1p(1000.0), 0.0, 1.0),
        source="events",
    ),
    Feature(
        "curated",
        "1 at the top of a curated list, one half at its second place; 0 in none.",
        lambda request, pool: pool.table["curated"],
        source="lists",
    ),
    Feature(
        "in_season",
        "1 for a place that is at its best in a month in which the viewer is there.",
        lambda request, pool: pool.table["best_months"] & np.uint16(months_there(request)) != 0,
        source="profile",
        weight=0.05,
    ),
    Feature(
        "friends_saved",
        "Connections of the viewer who saved the place: one half for one.",
        lambda request, pool: some(friends_saved_counts(request, pool)),
        source="graph",
    ),
    Feature(
        "affordable",
        "1 in the lowest price band, 0 in the highest; one half when unknown.",
        lambda request, pool: np.where(
            pool.table["price_band"] > 0, (4.0 - pool.table["price_band"]) / 3.0, 0.5
        ),
        source="profile",
    ),
    FATIGUE,
)

FEATURES: Mapping[str, Mapping[str, Feature]] = {
    "member": {feature.name: feature for feature in MEMBER_FEATURES},
    "place": {feature.name: feature for feature in PLACE_FEATURES},
}
