"""What else is predicted of a pair, beside the like: "reply" and "stays". What each means to staff is in
judging.PREDICTIONS.

reply  label: of two who matched, one wrote and was answered within 72 hours of the match.
       Censored: matches younger than 72 hours. Features: both directions, from behaviour before the match.
stays  label: a viewer who decided about a candidate did anything in days 8 to 28 after that day.
       Censored: decisions younger than 28 days, and so all of members younger than that. Features: what
       behaviour does not move.
What is censored is left out, not counted as no. Profiles are those of the label's moment (as_of.py). It says
what goes along with an answer or with staying, not what brings it about.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from apps.learning.as_of import Past
from apps.learning.decisions import Decisions, decisions_of, split_by_time
from apps.learning.judging import DAY, Groups, judge
from apps.learning.like_model import Model, fit_like_model
from apps.pipeline.contracts import F32, I32
from apps.pipeline.features.chances import ASKED_WITH, like_probability
from apps.pipeline.ranking.reciprocity import combine

BACK_FROM, BACK_TO = 8, 28  # days after a decision
FITTED = 0.5  # of the labels fit the model that the report measures on the later rest
MOST = 200_000  # labels to learn from
PENALTY = 60.0  # three times that of a like: labels are few, and those of one member are alike


@dataclass(frozen=True)
class Outcomes:
    """What came of pairs, by row of the members' table; `liked` is the label: replied, or active again."""

    replies: Decisions
    stays: Decisions


NO_OUTCOMES = Outcomes(decisions_of([], [], []), decisions_of([], [], []))


def came_back(decisions: Decisions, rows: I32, days: npt.NDArray[Any], *, now: float) -> Decisions:
    """Decisions old enough to judge, labelled by whether who decided was active on days 8 to 28 after.

    `rows` and `days` [m]: on which days (since 1970) the member of a row did anything.
    """
    day = decisions.at // DAY
    known = np.flatnonzero(day + BACK_TO < now // DAY)
    decisions, day = decisions.take(known), day[known]
    span = np.int64(max(int(day.max(initial=0)), int(np.max(days, initial=0))) + BACK_TO + 1)
    active = np.unique(np.asarray(rows, "i8") * span + days)
    first, last = (decisions.source.astype("i8") * span + day + after for after in (BACK_FROM, BACK_TO))
    back = np.searchsorted(active, last, "right") > np.searchsorted(active, first, "left")
    return replace(decisions, liked=back)


def fit_heads(
    past: Past, since: int, outcomes: Outcomes, groups: Groups, light: Model | None = None
) -> tuple[dict[str, Model], dict[str, Any]]:
    """Models and reports by name. `past`: the members, with what was learnt of decisions up to `since`.

    `light`: the like model, to say how much better each tells its label than the chance of a like does.
    """
    after = outcomes.replies.take(outcomes.replies.at > since)  # what the features know happened before
    models: dict[str, Model] = {}
    report: dict[str, Any] = {}
    for name, labels in (("reply", after), ("stays", outcomes.stays)):
        labels = _sample(labels)
        fitted, last = split_by_time(labels, FITTED)
        judged = fit_like_model(_asked(name, past, fitted), fitted.liked, penalty=PENALTY)
        if judged is None or last.liked.all() or not last.liked.any():
            continue
        p = like_probability(_asked(name, past, last), judged)
        report[name] = judge(last, p, groups, None if light is None else _by_likes(past, last, light))
        final = fit_like_model(_asked(name, past, labels), labels.liked, penalty=PENALTY)
        if final is not None:
            models[name] = final
    return models, report


def _asked(name: str, past: Past, some: Decisions) -> Mapping[str, F32]:
    forward, backward = past.features(some)
    assert backward is not None
    return ASKED_WITH[name](forward, backward)


def _by_likes(past: Past, some: Decisions, light: Model) -> F32:
    """What the like model has to say [n]: that both like, as Phi of a pair puts it."""
    forward, backward = past.features(some)
    assert backward is not None
    p, q = (like_probability(side, light) for side in (forward, backward))
    return combine(p, q, rule="harmonic", weight=0.5)


def _sample(labels: Decisions) -> Decisions:
    if len(labels) <= MOST:
        return labels
    return labels.take(np.sort(np.random.default_rng(0).choice(len(labels), MOST, replace=False)))
