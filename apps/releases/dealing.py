"""Flags and experiments as they are decided for one viewer after another.

Takes what a content says of them; gives, for a moment, what is open and who falls into which part of it.
Dates and switches are looked at once for all viewers of a moment.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

from apps.common.hashing import share_of
from apps.experiments.assignment import bucket_ranges, layer_seed
from apps.pipeline.deal import Deal, Deck, dealt, pack
from apps.pipeline.moments import OfMoment
from apps.pipeline.rules import U64
from apps.policies.conditions import expand
from apps.policies.experiments import salt_of
from apps.policies.fields import seconds

# What somebody in a part is told: the choice's key, the part's name, the salt, the knobs it turns.
Outcome = tuple[str, str, str, Mapping[str, Any]]


@dataclass(frozen=True)
class Choice:
    """A flag or an experiment. A flag has one part: its share, in which it is on."""

    said: Mapping[str, Any]
    key: str
    switch: str  # its name among the killed
    starts_at: float
    ends_at: float
    deal: Deal
    outcomes: tuple[Outcome, ...]  # of the parts
    allowed: frozenset[int] = frozenset()  # whom a flag is on for, whatever they fall into

    def is_open(self, now: float, killed: frozenset[str]) -> bool:
        """Whether it has begun, has not ended and was not switched off."""
        return self.starts_at <= now < self.ends_at and self.switch not in killed


@dataclass(frozen=True)
class Dealt:
    """What is open at a moment, in its order."""

    choices: tuple[Choice, ...]
    outcomes: tuple[tuple[Outcome, ...], ...]  # of each part of each choice
    with_allowed: tuple[tuple[int, frozenset[int]], ...]  # which of them, and whom
    deck: Deck

    def parts(self, viewer: str, number: int, market: str | None, met: U64) -> list[float]:
        """The part of each choice that a viewer falls into; -1: none. In the order of
        apps.policies.flags.DECIDED_BY."""
        parts: list[float] = dealt(self.deck, viewer, market=market or "", met=met)[0].tolist()
        for i, allowed in self.with_allowed:
            if number in allowed:
                parts[i] = 0
        return parts


class Dealer:
    """All flags and experiments that a viewer may meet, and what is open of them."""

    def __init__(self, choices: Sequence[Choice]) -> None:
        self.choices = tuple(choices)
        moments = (moment for one in choices for moment in (one.starts_at, one.ends_at))
        self.open = OfMoment(moments, self._dealt_at)

    def _dealt_at(self, now: float, killed: frozenset[str]) -> Dealt:
        is_open = tuple(one for one in self.choices if one.is_open(now, killed))
        return Dealt(
            is_open,
            tuple(one.outcomes for one in is_open),
            tuple((i, one.allowed) for i, one in enumerate(is_open) if one.allowed),
            pack([one.deal for one in is_open]),
        )


class Conditions:
    """Distinct conditions, in the order in which they were first named."""

    def __init__(self, segments: Mapping[str, Mapping[str, Any]]) -> None:
        self.segments = segments
        self.trees: dict[str, tuple[int, Mapping[str, Any]]] = {}

    def index(self, tree: Mapping[str, Any] | None) -> int:
        if tree is None:
            return -1
        whole = expand(tree, self.segments)
        name = json.dumps(whole, sort_keys=True)
        return self.trees.setdefault(name, (len(self.trees), whole))[0]

    @property
    def all(self) -> tuple[Mapping[str, Any], ...]:
        return tuple(tree for _, tree in self.trees.values())


def holdout_of(seed: str, percentage: float) -> Choice:
    """The share of viewers whose lists are in random order, as a choice that is always open."""
    return Choice({}, "", "", -inf, inf, Deal(seed, [(0.0, share_of(percentage))]), ())


def flag_of(said: Mapping[str, Any], conditions: Conditions) -> Choice:
    key, segments = said["key"], sum({1 << conditions.index({"segment": key}) for key in said["segments"]})
    deal = Deal(said["salt"], [(0.0, share_of(said["percentage"]))], conditions=segments)
    on, allowed = (key, "on", deal.seed, said["overrides"]), frozenset(said["allow"])
    return Choice(said, key, f"flag:{key}", *_dates(said), deal, (on,), allowed)


def experiment_of(said: Mapping[str, Any], conditions: Conditions) -> Choice:
    key, variants = said["key"], said["variants"]
    audience, (start, end) = conditions.index(said["audience"]), said["layer_range"]
    deal = Deal(
        salt_of(said),
        bucket_ranges([variant["weight"] for variant in variants], said["coverage"]),
        layer=layer_seed(said["layer"]),
        within=(start, end),
        conditions=1 << audience if audience >= 0 else 0,
        by_market=said["unit"] == "market",
    )
    outcomes = tuple((key, one["key"], deal.seed, one["overrides"]) for one in variants)
    return Choice(said, key, f"experiment:{key}", *_dates(said), deal, outcomes)


def _dates(said: Mapping[str, Any]) -> tuple[float, float]:
    return seconds(said["starts_at"]), seconds(said["ends_at"])
