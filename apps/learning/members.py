"""All that a surface of members learns from likes and passes: columns, the tower's maps, the rankers and
what else is predicted.

Cuts the decisions at a point in time: representations from the earlier part, the models on the later one, so
that no label is among what made its features. Then learns the representations once more from everything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from apps.learning.as_of import NOTHING_EARLIER, NOTHING_SERVED, Earlier, Past, ServedPairs
from apps.learning.decisions import Decisions, split_by_time
from apps.learning.heads import NO_OUTCOMES, Outcomes, fit_heads
from apps.learning.judging import NO_GROUPINGS, Groupings, Groups
from apps.learning.like_model import MOST, Partners
from apps.learning.rankers import fit_rankers
from apps.learning.representation import Representation, represent_members, with_columns
from apps.pipeline.contracts import F32
from apps.pipeline.features.tower import profile_matrix
from apps.pipeline.table import Table

EARLIER = 0.75  # of the decisions make the representations that the rankers are fitted on
RECENT = 30 * 86400  # seconds of popularity


@dataclass(frozen=True)
class Learnt:
    """What a surface's tables, tower and models become, and how well it was learnt."""

    table: Table  # the candidates, learnt columns filled
    content: Mapping[str, npt.NDArray[Any]]  # by name, without the surface
    models: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)  # of models, "<model>.<part>"
    report: Mapping[str, Any] = field(default_factory=dict)
    viewers: Table | None = None  # on a surface of places


def learn_members(
    table: Table,
    decisions: Decisions,
    *,
    now: float,
    today: int,
    partners: Partners = None,
    outcomes: Outcomes = NO_OUTCOMES,
    before: Earlier = NOTHING_EARLIER,
    served: ServedPairs = NOTHING_SERVED,
    groupings: Groupings = NO_GROUPINGS,
) -> Learnt:
    """Learns one surface. Decisions are by row of `table`; without any, profiles and defaults stand.

    `before`: profiles that those of `table` replaced; `served`: features that were logged with lists;
    `groupings`: of rows of `table`, by which predictions are judged, too.
    """
    profiles = profile_matrix(table, "member", today=today)
    earlier, later = split_by_time(decisions, EARLIER)
    people = rows_then(table, before, represent_members(earlier, profiles), profiles, today)
    past = Past(people, people, (len(table), len(table)), (before, before), served, partners)
    groups = Groups.of(table, earlier, groupings)
    ranked = fit_rankers(_sample(later), past.features, "like", groups, decisions)
    since, light = int(earlier.at.max(initial=0)), ranked.models.get("like")
    heads, said = fit_heads(past, since, outcomes, groups, light)
    models = {**ranked.models, **heads}
    everything = represent_members(decisions, profiles)
    columns: dict[str, npt.NDArray[Any]] = {
        **everything.columns,
        "popularity": _popularity(table, decisions, now),
    }
    likes = int(decisions.liked.sum())
    return Learnt(
        table=with_columns(table, columns),
        content=everything.content,
        models=models,
        arrays=ranked.arrays,
        report={
            "decisions": len(decisions),
            "likes": likes,
            "mean_log_odds": everything.mean,
            "models": sorted(models),
            "earlier_profiles": len(before),
            "served_pairs": len(served.source),
            **ranked.report,
            **said,
        },
    )


def rows_then(table: Table, before: Earlier, found: Representation, profiles: F32, today: int) -> Table:
    """Rows of today and then earlier ones, with what a block of decisions tells of them."""
    present = with_columns(table, found.columns)
    if not len(before):
        return present
    change = profile_matrix(before.table, table.kind, today=today) - profiles[before.row]
    return present.concat(with_columns(before.table, found.of_earlier(before.row, change)))


def _sample(decisions: Decisions) -> Decisions:
    if len(decisions) <= MOST:
        return decisions
    return decisions.take(np.random.default_rng(0).choice(len(decisions), MOST, replace=False))


def _popularity(table: Table, decisions: Decisions, now: float) -> npt.NDArray[np.float64]:
    recent = decisions.liked & (decisions.at > now - RECENT)
    return np.bincount(decisions.target[recent], minlength=len(table)).astype("f8")
