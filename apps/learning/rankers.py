"""The light and the heavy ranker of one surface, fitted side by side on the later block of decisions.

Takes decisions whose features come from an earlier block; gives the models. The report is about the last of
them, by models that have not seen those. The heavy ranker goes along only where it proves better there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from apps.learning.as_of import PairsOf
from apps.learning.decisions import Decisions, split_by_time
from apps.learning.heavy_model import HeavyModel, compare, fit_heavy_model
from apps.learning.like_model import Model, fit_like_model, measure
from apps.pipeline.contracts import F32
from apps.pipeline.features.chances import like_probability
from apps.pipeline.ranking.heavy import with_interactions

FITTED = 0.5  # of the decisions fit the models that the report measures on the rest


@dataclass(frozen=True)
class Rankers:
    """What goes into the snapshot, and how good it is."""

    models: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    report: Mapping[str, Any] = field(default_factory=dict)


def fit_rankers(decisions: Decisions, features: Callable[[Decisions], PairsOf], name: str) -> Rankers:
    """The rankers of all `decisions`; the report, by `name` and by "heavy", is on the last of them."""
    fitted, last = split_by_time(decisions, FITTED)
    known = features(decisions)
    light = fit_like_model(known[0], decisions.liked)
    if light is None:
        return Rankers()
    report = _judge(features(fitted), fitted, features(last), last, name) if len(last) else {}
    heavy = _heavy(known, decisions.liked, light) if report.get("heavy", {}).get("used") else None
    if heavy is None:
        return Rankers({"like": light}, report=report)
    return Rankers({"like": light, "heavy": heavy.model}, heavy.arrays, report)


def _judge(known: PairsOf, fitted: Decisions, asked: PairsOf, last: Decisions, name: str) -> dict[str, Any]:
    """How models of the `fitted` decisions do on the `last` ones."""
    light = fit_like_model(known[0], fitted.liked)
    if light is None:
        return {}
    report: dict[str, Any] = {name: measure(asked[0], last.liked, light)}
    heavy = _heavy(known, fitted.liked, light)
    if heavy is not None:
        p = like_probability(asked[0], light)
        again = heavy.predict(_asked_of_trees(asked, p))
        report["heavy"] = compare(last.liked, p, again, last.source)
    return report


def _heavy(known: PairsOf, liked: npt.NDArray[np.bool_], light: Model) -> HeavyModel | None:
    return fit_heavy_model(_asked_of_trees(known, like_probability(known[0], light)), liked)


def _asked_of_trees(known: PairsOf, light: F32) -> Mapping[str, F32]:
    forward, backward = known
    return with_interactions(forward, None if backward is None else backward["affinity"], light)
