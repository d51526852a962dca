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
from apps.learning.judging import Groups, judge
from apps.learning.like_model import Model, fit_like_model
from apps.pipeline.contracts import F32, Mask
from apps.pipeline.features.chances import like_probability
from apps.pipeline.ranking.heavy import with_interactions

FITTED = 0.5  # of the decisions fit the models that the report measures on the rest


@dataclass(frozen=True)
class Rankers:
    """What goes into the snapshot, and how good it is."""

    models: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    report: Mapping[str, Any] = field(default_factory=dict)


def fit_rankers(
    decisions: Decisions,
    features: Callable[[Decisions], PairsOf],
    name: str,
    groups: Groups,
    known_likes: Decisions | None = None,
) -> Rankers:
    """The rankers of all `decisions`; the report, by `name` and by "heavy", is on the last of them.

    `known_likes`: all that was ever decided between members, so that "like_back" is told apart.
    """
    fitted, last = split_by_time(decisions, FITTED)
    known = features(decisions)
    light = fit_like_model(known[0], decisions.liked)
    if light is None:
        return Rankers()
    report: dict[str, Any] = {}
    if last.liked.any() and not last.liked.all():
        report = _judge(fitted, last, features, name, groups, known_likes)
    heavy = _heavy(known, decisions.liked, light) if report.get("heavy", {}).get("used") else None
    if heavy is None:
        return Rankers({"like": light}, report=report)
    return Rankers({"like": light, "heavy": heavy.model}, heavy.arrays, report)


def _judge(
    fitted: Decisions,
    last: Decisions,
    features: Callable[[Decisions], PairsOf],
    name: str,
    groups: Groups,
    known_likes: Decisions | None,
) -> dict[str, Any]:
    """How models of the `fitted` decisions do on the `last` ones."""
    known, asked = features(fitted), features(last)
    light = fit_like_model(known[0], fitted.liked)
    if light is None:
        return {}
    p = like_probability(asked[0], light)
    report: dict[str, Any] = {name: judge(last, p, groups)}
    if known_likes is not None:
        back = answers_a_like(last, known_likes)
        answers = last.take(back)
        if answers.liked.any() and not answers.liked.all():
            report["like_back"] = judge(answers, p[back], groups)
    heavy = _heavy(known, fitted.liked, light)
    if heavy is not None:
        again = heavy.predict(_asked_of_trees(asked, p))
        report["heavy"] = judge(last, again, groups, p) | compare(last.liked, p, again, last.source)
    return report


def answers_a_like(some: Decisions, every: Decisions) -> Mask:
    """[n] whether the target had liked whoever decides, before they did. `every`: each pair at most once."""
    likes = every.take(every.liked)
    if not len(likes) or not len(some):
        return np.zeros(len(some), "?")
    span = np.int64(max(int(likes.target.max()), int(some.source.max())) + 1)
    keys = likes.source.astype("i8") * span + likes.target
    asked = some.target.astype("i8") * span + some.source
    order = np.argsort(keys)
    found = order[np.minimum(np.searchsorted(keys, asked, sorter=order), len(keys) - 1)]
    return np.asarray((keys[found] == asked) & (likes.at[found] < some.at))


def _heavy(known: PairsOf, liked: npt.NDArray[np.bool_], light: Model) -> HeavyModel | None:
    return fit_heavy_model(_asked_of_trees(known, like_probability(known[0], light)), liked)


def _asked_of_trees(known: PairsOf, light: F32) -> Mapping[str, F32]:
    forward, backward = known
    return with_interactions(forward, None if backward is None else backward["affinity"], light)
