"""Everything staff can tune on a surface, declared once: key, bounds, start, unit and one plain sentence.

Weights come from the pipeline's features and quotas from its sources: a new stage brings its own knob.
Gives descriptions; holds no values (apps.policies.schema does) and reads no database.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from apps.pipeline.features.registry import FEATURES
from apps.pipeline.lineup import LINEUPS
from apps.pipeline.reranking.windows import LENGTH, WINDOWS
from apps.pipeline.retrieval.eligible import Source

Value = float | int | str
# Of a policy: objects of numbers by feature or source; the others stand by themselves.
OBJECTS = ("weights", "quotas", "source_weights", "source_shares", "source_budgets")
MOST_WEIGHT = 10.0
RECIPROCITY_RULES = {
    "harmonic": "Harmonic mean: both must want it",
    "geometric": "Geometric mean: a little milder",
    "product": "Product: the chance that both say yes",
    "viewer_only": "Viewer only: the candidate has no say",
}
AS_WRITTEN = {"pagerank": "PageRank", "adamic_adar": "Adamic-Adar"}  # after people


class Kind(StrEnum):
    NUMBER = "number"
    WHOLE = "whole"
    CHOICE = "choice"


@dataclass(frozen=True)
class Knob:
    """One thing to turn. `absent` is what a release means that was published before the knob existed."""

    key: str
    kind: Kind
    label: str
    sentence: str
    group: str
    default: Value
    absent: Value
    minimum: float = 0.0
    maximum: float = 1.0
    step: float = 0.01
    unit: str = ""
    choices: Mapping[str, str] | None = None
    learnt: str = ""  # the prediction that it turns, which a surface may not have

    def refusal(self, value: object) -> str | None:
        """Why `value` can't stand here, as one sentence; None when it can."""
        if self.choices is not None:
            known = isinstance(value, str) and value in self.choices
            return None if known else f"Must be one of: {', '.join(self.choices)}."
        if isinstance(value, bool) or not isinstance(value, int | float):
            return "Must be a number."
        if not self.minimum <= value <= self.maximum:
            return f"Must be between {self.minimum:,.4g} and {self.maximum:,.10g}."
        if self.kind is Kind.WHOLE and value != int(value):
            return "Must be a whole number."
        return None

    def normalise(self, value: Value) -> Value:
        """The one spelling of a value that was not refused."""
        if isinstance(value, str):
            return value
        # + 0: Postgres keeps no -0.0, and the digest must be that of what is stored
        return int(value) if self.kind is Kind.WHOLE else round(float(value), 4) + 0


def _number(key: str, label: str, sentence: str, group: str, default: float, **more: object) -> Knob:
    return Knob(key, Kind.NUMBER, label, sentence, group, default, default, **more)  # type: ignore[arg-type]


def _whole(
    key: str, label: str, sentence: str, group: str, default: int, maximum: int, unit: str, least: int = 0
) -> Knob:
    return Knob(key, Kind.WHOLE, label, sentence, group, default, default, least, maximum, 1, unit)


RECIPROCITY = (
    Knob(
        "reciprocity", Kind.CHOICE, "Rule",
        "How the two chances, that the viewer likes the candidate and the other way round, become one score.",
        "Reciprocity", "harmonic", "harmonic", choices=RECIPROCITY_RULES,
    ),
    _number(
        "reciprocity_weight", "Candidate's say",
        "How much the candidate's own chance to like counts: 0 not at all, 0.5 as much as the viewer's.",
        "Reciprocity", 0.5,
    ),
)  # fmt: skip
ROOM = _whole(
    "room", "Room",
    "How many of those whom the sources propose are ranked. While time is short there may be less, down to "
    "200; a list always has twice as many to choose from as it needs. 0 means all.",
    "Room", 0, 5000, "candidates",
)  # fmt: skip
ORDER = (
    Knob(
        "heavy_width", Kind.WHOLE, "Second look",
        "How many of the best are looked at once more, by a slower ranker that also sees what goes together. "
        "0 switches it off. It is there while it proves better on the latest likes.",
        "Order", 120, 0, 0, 120, 10, "candidates", learnt="heavy",
    ),
    _number(
        "diversity", "Diversity",
        "How much a list avoids people who are alike: 0 orders by score alone, 1 by difference alone.",
        "Order", 0.1,
    ),
    _number(
        "exploration", "Exploration",
        "Share of positions given by lot to somebody further down, so that we keep learning about everybody.",
        "Order", 0.1, maximum=0.5,
    ),
    _number(
        "random_share", "Hold-out",
        "Percent of viewers whose lists are in random order, without boosts, pins, price, flags and "
        "experiments. Filters and caps still apply. Without them no later comparison is honest.",
        "Order", 1.0, maximum=10.0, step=0.1, unit="% of viewers",
    ),
)  # fmt: skip
LIMITS = (
    _whole(
        "daily_cap", "Exposure cap",
        "How often one candidate may be shown in 24 hours, so that nobody's inbox floods. 0 means no cap.",
        "Limits", 200, 100_000, "times a day",
    ),
    _whole(
        "hourly_cap", "Hourly cap",
        "How often one candidate may be shown within an hour by the clock, so that a day's cap isn't used up "
        "at once. 0 means no cap.",
        "Limits", 0, 10_000, "times an hour",
    ),
    _whole(
        "hold_minutes", "Hold",
        "How long somebody just delivered stays out of the same viewer's next lists.",
        "Limits", 30, 1440, "minutes",
    ),
    _whole(
        "cooldown_days", "Cool-down",
        "How long somebody who was seen, but neither liked nor passed, stays away from that viewer.",
        "Limits", 3, 60, "days",
    ),
)  # fmt: skip


SIGNALS = (
    Knob(
        "session_reach", Kind.NUMBER, "Taste of the hour",
        "How far likes, passes and \"less like this\" may move a viewer's taste at once: 0 not at all, 1 as "
        "far as the taste is long.",
        "Signals", 0.3, 0.0,
    ),
    _whole(
        "session_half_life", "Half-life of a like or pass",
        "After how long a like or a pass counts half for the taste of the hour. After four times that it "
        "counts nothing.",
        "Signals", 2, 24, "hours", least=1,
    ),
    _whole(
        "less_half_life", "Half-life of \"less like this\"",
        "After how long an asked \"less like this\" counts half. After four times that it counts nothing.",
        "Signals", 14, 60, "days", least=1,
    ),
    _whole(
        "fatigue_half_life", "Half-life of fatigue",
        "After how long having been seen without a like or pass counts half; the weight says how much.",
        "Signals", 14, 60, "days", least=1,
    ),
)  # fmt: skip
PEOPLE_SIGNALS = (
    _number(
        "newcomer_subsidy", "Newcomers' subsidy",
        "What is taken off the price of somebody who joined within two weeks and was shown to nobody yet. It "
        "falls evenly with each time they are shown. 0.05 lifts them as far as a weight of 0.05 does.",
        "Signals", 0.0, maximum=0.5,
    ),
    _whole(
        "newcomer_stop", "End of the subsidy",
        "After being shown so often a newcomer has no subsidy any more.",
        "Signals", 50, 1000, "times shown", least=1,
    ),
    _whole(
        "inbox_full", "Full inbox",
        "How many unread likes fill an inbox. The weight of inbox load says how much a full one costs.",
        "Signals", 40, 250, "unread likes", least=4,
    ),
    _whole(
        "presence_hours", "Recently active",
        "How long somebody counts as recently active. At least six hours, so that nobody can be watched.",
        "Signals", 24, 168, "hours", least=6,
    ),
    Knob(
        "likes_share", Kind.NUMBER, "Likes received",
        "Share of places for people who liked the viewer and stand just below the list. Never more than "
        "exploration gives to others, so that nobody can tell who liked whom.",
        "Signals", 0.1, 0.0, maximum=0.5,
    ),
)  # fmt: skip


TRIPS = (
    Knob(
        "trips_share", Kind.NUMBER, "Coming trips",
        "Share of a list that shows places of where the viewer will be soon, by a trip that has dates. 0 "
        "shows them only once the viewer is there.",
        "Order", 0.25, 0.0, maximum=0.5,
    ),
    _whole(
        "trips_days", "Days before a trip",
        "How many days before a trip begins its places come into the lists.",
        "Order", 14, 60, "days", least=1,
    ),
)  # fmt: skip


@cache
def knobs(kind: str) -> Mapping[str, Knob]:
    """The knobs of a surface of this kind (member or place), by key, in the order of the form."""
    pair = RECIPROCITY if kind == "member" else ()
    signals = (*SIGNALS, *PEOPLE_SIGNALS) if kind == "member" else SIGNALS
    trips = TRIPS if kind == "place" else ()
    of_sources = (*_quotas(kind), ROOM, *_room(kind), *_budgets(kind))
    order = (*ORDER, *trips, *_windows(kind))
    every = (*pair, *_weights(kind), *of_sources, *order, *signals, *LIMITS)
    return {knob.key: knob for knob in every}


def _weights(kind: str) -> list[Knob]:
    return [
        Knob(
            f"weights.{feature.name}", Kind.NUMBER, _words(feature.name), feature.sentence, "Weights",
            feature.weight, 0.0, -1.0, 1.0, learnt=feature.learnt,
        )
        for feature in FEATURES[kind].values()
    ]  # fmt: skip


def _quotas(kind: str) -> list[Knob]:
    return [
        Knob(
            f"quotas.{source.name}", Kind.WHOLE, _words(source.name), source.sentence, "Sources",
            source.quota, source.unsaid, 0, 2000, 10, "candidates",
        )
        for source in _sources(kind)
    ]  # fmt: skip


def _room(kind: str) -> Iterator[Knob]:
    for source in _sources(kind):
        label = _words(source.name)
        yield Knob(
            f"source_weights.{source.name}", Kind.NUMBER, f"{label}: weight",
            "How much the places in its list count, next to those as far up in the others'.",
            "Room", 1.0, 1.0, 0.1, MOST_WEIGHT, 0.1,
        )  # fmt: skip
        yield _number(
            f"source_shares.{source.name}", f"{label}: minimum share",
            "At least this part of the room is for its candidates, as far as it finds so many.",
            "Room", 0.0, unit="of the room",
        )  # fmt: skip


def _budgets(kind: str) -> list[Knob]:
    return [
        _number(
            f"source_budgets.{source.name}", _words(source.name) + ": time",
            "How much processor time it may take of one request. 0 means no limit.",
            "Time", source.budget, maximum=1000.0, step=1.0, unit="ms",
        )
        for source in _sources(kind)
        if not source.key
    ]  # fmt: skip


def _windows(kind: str) -> list[Knob]:
    return [
        _whole(
            window.param, f"{_words(window.param.removesuffix('_window'))} in a row",
            f"How many of any {LENGTH} places in a row may share {window.word}, as far as others are there. "
            "0 means no limit.",
            "Order", 0, LENGTH, f"of {LENGTH} places",
        )
        for window in WINDOWS[kind]
    ]  # fmt: skip


def _sources(kind: str) -> list[Source]:
    lineup = next(lineup for lineup in LINEUPS.values() if lineup.kind == kind)
    return [source for source in lineup.sources if source.name in lineup.quotas]


def _words(name: str) -> str:
    return AS_WRITTEN.get(name) or name.replace("_", " ").capitalize()
