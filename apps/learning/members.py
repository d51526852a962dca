"""All that a surface of members learns from likes and passes: columns, the tower's maps, the like model.

Cuts the decisions at a point in time: representations from the earlier part, the like model on the later
one, so that no label is among what made its features. Then learns the representations once more from
everything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from apps.learning.decisions import Decisions, split_by_time
from apps.learning.like_model import MOST, Partners, features_of, fit_like_model, measure
from apps.learning.representation import represent_members, with_columns
from apps.pipeline.contracts import F32
from apps.pipeline.features.tower import profile_matrix
from apps.pipeline.snapshot import Table

EARLIER = 0.75  # of the decisions make the representations that the like model is fitted on
FITTED = 0.5  # of the later ones fit the model that the report measures on the rest
RECENT = 30 * 86400  # seconds of popularity


@dataclass(frozen=True)
class Learnt:
    """What a surface's tables, tower and models become, and how well it was learnt."""

    table: Table  # the candidates, learnt columns filled
    content: Mapping[str, npt.NDArray[Any]]  # by name, without the surface
    models: Mapping[str, Any] = field(default_factory=dict)
    report: Mapping[str, Any] = field(default_factory=dict)
    viewers: Table | None = None  # on a surface of places


def learn_members(
    table: Table, decisions: Decisions, *, now: float, today: int, partners: Partners = None
) -> Learnt:
    """Learns one surface. Decisions are by row of `table`; without any, profiles and defaults stand."""
    profiles = profile_matrix(table, "member", today=today)
    models, report = _like_model(table, decisions, profiles, partners)
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
        report={"decisions": len(decisions), "likes": likes, "mean_log_odds": everything.mean, **report},
    )


def _like_model(
    table: Table, decisions: Decisions, profiles: F32, partners: Partners
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The model fitted on all later decisions; a report on the last of them, by a model without them."""
    earlier, later = split_by_time(decisions, EARLIER)
    later = _sample(later)
    past = with_columns(table, represent_members(earlier, profiles).columns)
    fitted, last = split_by_time(later, FITTED)
    report: dict[str, Any] = {}
    judged = fit_like_model(features_of(past, past, fitted, partners), fitted.liked)
    if judged is not None and len(last):
        report["like"] = measure(features_of(past, past, last, partners), last.liked, judged)
    final = fit_like_model(features_of(past, past, later, partners), later.liked)
    return ({"like": final} if final else {}), report


def _sample(decisions: Decisions) -> Decisions:
    if len(decisions) <= MOST:
        return decisions
    return decisions.take(np.random.default_rng(0).choice(len(decisions), MOST, replace=False))


def _popularity(table: Table, decisions: Decisions, now: float) -> npt.NDArray[np.float64]:
    recent = decisions.liked & (decisions.at > now - RECENT)
    return np.bincount(decisions.target[recent], minlength=len(table)).astype("f8")
