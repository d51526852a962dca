"""Flags and experiments as they are decided for one viewer after another: hashes, dates, conditions as bits.

Takes what a content says of them and the viewer's places in [0, 1), gives on or off and the variant. Plain
Python numbers: for twenty flags that is quicker than arrays. Keeps nothing but the places of markets. Dates
and switches are looked at once for all viewers of a moment.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any

from apps.common.hashing import share_of
from apps.experiments.assignment import bucket_ranges, choose_variation, layer_seed
from apps.pipeline.hashing import Seeds, pack, places
from apps.policies.conditions import expand
from apps.policies.experiments import salt_of
from apps.policies.fields import seconds


@dataclass(frozen=True)
class Flag:
    """A flag as it is decided for one member after another."""

    said: Mapping[str, Any]
    key: str
    switch: str  # its name among the killed
    starts_at: float
    ends_at: float
    share: float  # 0..1
    segments: int  # bits of viewer conditions; 0: everybody
    allowed: frozenset[int]

    def is_on(self, number: int, place: float, met: int, now: float, killed: frozenset[str]) -> bool:
        """In the order of apps.policies.flags.DECIDED_BY. `met`: bits of the conditions met."""
        return is_open(self, now, killed) and self.has(number, place, met)

    def has(self, number: int, place: float, met: int) -> bool:
        """While it is open."""
        if number in self.allowed:
            return True
        return place < self.share and (not self.segments or bool(self.segments & met))


@dataclass(frozen=True)
class Experiment:
    """An experiment as members, or whole markets, are dealt into it."""

    said: Mapping[str, Any]
    key: str
    switch: str
    salt: str
    starts_at: float
    ends_at: float
    audience: int  # bit of its viewer condition; 0: everybody
    layer: tuple[float, float]
    ranges: tuple[tuple[float, float], ...]
    seeds: Seeds  # its own and its layer's
    by_market: bool
    _markets: dict[str, tuple[float, float]] = field(default_factory=dict, repr=False)

    def variant(self, where: tuple[float, float], market: str | None, met: int) -> int:
        """Which variant while it is open; -1: not in it. `where`: the places in the hash and the layer."""
        if self.audience and not self.audience & met:
            return -1
        if self.by_market:
            if not market:
                return -1
            where = self._place_of(market)
        if not self.layer[0] <= where[1] < self.layer[1]:
            return -1
        return choose_variation(where[0], self.ranges)

    def _place_of(self, market: str) -> tuple[float, float]:
        found = self._markets.get(market)
        if found is None:
            place, in_layer = places(self.seeds, market).tolist()
            found = self._markets[market] = (place, in_layer)
        return found


def is_open(one: Flag | Experiment, now: float, killed: frozenset[str]) -> bool:
    """Whether it has begun, has not ended and was not switched off."""
    return one.starts_at <= now < one.ends_at and one.switch not in killed


@dataclass(frozen=True)
class Dealt:
    """What is open from `since` to before `until`, each with its place among all of its sort."""

    since: float
    until: float
    killed: frozenset[str]
    flags: tuple[tuple[int, Flag], ...]
    experiments: tuple[tuple[int, Experiment], ...]


def dealt_at(
    flags: Sequence[Flag], experiments: Sequence[Experiment], now: float, killed: frozenset[str]
) -> Dealt:
    """What is open now, and for how long this stays so."""
    everything: list[Flag | Experiment] = [*flags, *experiments]
    moments = [moment for one in everything for moment in (one.starts_at, one.ends_at)]
    return Dealt(
        max((moment for moment in moments if moment <= now), default=-inf),
        min((moment for moment in moments if moment > now), default=inf),
        killed,
        tuple((i, flag) for i, flag in enumerate(flags) if is_open(flag, now, killed)),
        tuple((i, one) for i, one in enumerate(experiments) if is_open(one, now, killed)),
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


def flag_of(said: Mapping[str, Any], conditions: Conditions) -> Flag:
    return Flag(
        said=said,
        key=said["key"],
        switch=f"flag:{said['key']}",
        starts_at=seconds(said["starts_at"]),
        ends_at=seconds(said["ends_at"]),
        share=share_of(said["percentage"]),
        segments=sum({1 << conditions.index({"segment": key}) for key in said["segments"]}),
        allowed=frozenset(said["allow"]),
    )


def experiment_of(said: Mapping[str, Any], conditions: Conditions) -> Experiment:
    audience, (start, end) = conditions.index(said["audience"]), said["layer_range"]
    return Experiment(
        said=said,
        key=said["key"],
        switch=f"experiment:{said['key']}",
        salt=salt_of(said),
        starts_at=seconds(said["starts_at"]),
        ends_at=seconds(said["ends_at"]),
        audience=1 << audience if audience >= 0 else 0,
        layer=(start, end),
        ranges=tuple(bucket_ranges([variant["weight"] for variant in said["variants"]], said["coverage"])),
        seeds=pack(experiment_seeds(said)),
        by_market=said["unit"] == "market",
    )


def experiment_seeds(said: Mapping[str, Any]) -> list[tuple[str, int]]:
    return [(salt_of(said), 2), (layer_seed(said["layer"]), 1)]
