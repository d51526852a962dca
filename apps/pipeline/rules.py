"""Staff's rules for one surface as the pipeline reads them: specs, the conditions they name, masks of bits.

Takes what apps.releases compiled; gives, per request, the rules that are live for one viewer. A condition
stands as bit i % 64 of word i // 64 of a row. It evaluates no release and reads no clock.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from apps.pipeline.moments import OfMoment
from apps.pipeline.passes import Passes

rules_loop = Passes("rules_loop")

U64 = npt.NDArray[np.uint64]
F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
I32 = npt.NDArray[np.int32]
Live = npt.NDArray[np.bool_]
WORD = 64
ONE = np.uint64(1)
KINDS = ("boost", "bury", "pin", "cap", "cooldown", "floor", "share_target")
TRAITS = ("rules", *KINDS, "place", "multiply")  # all; of a kind; give or limit places; multiply Phi
TRAIT_BITS = {trait: 1 << i for i, trait in enumerate(TRAITS)}
CONDITION, FACTOR, DAILY, HOURLY = range(4)  # rows of SurfaceRules.book


@dataclass(frozen=True)
class RuleSpec:
    """One rule. `viewers` and `candidates` are indices of conditions in SurfaceRules; -1: everybody."""

    key: str  # unique in the surface
    kind: str  # one of KINDS
    viewers: int
    candidates: int
    starts_at: float  # seconds since 1970-01-01 UTC: the rule is live from here
    ends_at: float  # ... to before here
    priority: int  # lower comes first
    factor: float = 1.0  # boost, bury: multiplies Phi
    share: float = -1.0  # boost: at least this share of the list; bury: at most; -1: the rule has none
    slots: tuple[int, ...] = ()  # boost: places of the list, 1 is first
    pins: tuple[int, ...] = ()  # pin: numbers of candidates
    position: int = 1  # pin: where the first of them stands
    daily: int = 0  # cap: exposures in 24 hours; 0: none of that kind
    hourly: int = 0
    tolerance: float = 0.0  # floor, share target
    days: int = 0  # cooldown: how long whom the viewer saw stays away (held by delivery)


@dataclass(frozen=True, eq=False)
class OpenRules:
    """What is open at a moment."""

    every: I32  # [3, rules] in their order: whether it is open, its viewer condition, bits of TRAITS
    caps: I32  # the same, only caps and cool-downs open


@dataclass(frozen=True, eq=False)
class SurfaceRules:
    """All rules of one surface of one release. Flags' segments and audiences are viewer conditions, too."""

    specs: tuple[RuleSpec, ...] = ()
    viewer_conditions: tuple[Mapping[str, Any], ...] = ()  # trees, segments expanded
    candidate_conditions: tuple[Mapping[str, Any], ...] = ()

    def __post_init__(self) -> None:
        for spec in self.specs:  # the compiled loops read words without looking whether they are there
            for index, known in (
                (spec.viewers, self.viewer_conditions),
                (spec.candidates, self.candidate_conditions),
            ):
                if not -1 <= index < len(known):
                    raise ValueError(f"{spec.key} names condition {index} of {len(known)}.")

    @cached_property
    def digest(self) -> str:
        """Names the conditions: releases that share them share their masks."""
        said = [list(self.viewer_conditions), list(self.candidate_conditions)]
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:32]

    @cached_property
    def in_order(self) -> tuple[RuleSpec, ...]:
        """As they apply: by priority, then by key."""
        return tuple(sorted(self.specs, key=lambda spec: (spec.priority, spec.key)))

    @cached_property
    def open(self) -> OfMoment[OpenRules]:
        """Those that have begun, have not ended and are not switched off."""
        moments = (moment for spec in self.specs for moment in (spec.starts_at, spec.ends_at))
        return OfMoment(moments, self._open_at)

    def _open_at(self, now: float, dead: frozenset[str]) -> OpenRules:
        is_open = np.array([s.starts_at <= now < s.ends_at and s.key not in dead for s in self.in_order], "?")
        rows = (np.array([spec.viewers for spec in self.in_order], "i4"), self.traits)
        is_cap = self.of_kind("cap") | self.of_kind("cooldown")
        return OpenRules(np.array([is_open, *rows], "i4"), np.array([is_open & is_cap, *rows], "i4"))

    @cached_property
    def book(self) -> F64:
        """[4, rules] in their order: the condition of candidates; what each multiplies Phi with (1: it
        doesn't); exposures in a day and in an hour that it caps (0: it doesn't)."""
        rows = [
            (
                spec.candidates,
                spec.factor if spec.kind in ("boost", "bury") else 1.0,
                *((spec.daily, spec.hourly) if spec.kind == "cap" else (0, 0)),
            )
            for spec in self.in_order
        ]
        return np.ascontiguousarray(np.array(rows, "f8").reshape(-1, 4).T)

    @cached_property
    def pin_rows(self) -> tuple[int, ...]:
        """Which are pins."""
        return tuple(i for i, spec in enumerate(self.in_order) if spec.kind == "pin")

    @cached_property
    def traits(self) -> I32:
        """[rules] which of TRAITS each has, as bits."""
        has = [self.of_kind(kind) for kind in KINDS] + [self.places, self.book[FACTOR] != 1.0]
        return sum((mark.astype("i4") << i for i, mark in enumerate(has, 1)), np.ones(len(self.specs), "i4"))

    def of_kind(self, kind: str) -> Live:
        """[rules] which are of this kind."""
        return self._kinds[kind]

    @cached_property
    def places(self) -> Live:
        """[rules] which give places of the list, or limit them."""
        found = [s.kind in ("boost", "bury") and (bool(s.slots) or s.share >= 0) for s in self.in_order]
        return np.array(found, "?")

    @cached_property
    def _kinds(self) -> Mapping[str, Live]:
        return {kind: np.array([s.kind == kind for s in self.in_order], "?") for kind in KINDS}


NO_RULES = SurfaceRules()


@dataclass(frozen=True, eq=False)
class RuleMasks:
    """Which conditions every row of a snapshot's surface meets: uint64 words per row."""

    digest: str  # SurfaceRules.digest
    candidates: U64 = field(repr=False)  # [candidate rows, words]
    viewers: U64 = field(repr=False)  # [viewer rows, words]


NOBODY_SHOWN: tuple[I32, F64] = (np.zeros(0, "i4"), np.zeros(0, "f8"))


@dataclass(frozen=True, eq=False)
class Pacing:
    """What the pacer takes off or adds to prices now: by rule, in Phi's units; negative lifts."""

    version: int
    shares: Mapping[str, float]  # share target -> of all who meet it
    floors: Mapping[str, tuple[I32, F64]] = field(default_factory=dict)  # floor -> sorted numbers, of each
    shown: tuple[I32, F64] = NOBODY_SHOWN  # newcomers' sorted numbers, and how often each was shown
    kept: dict[Any, Any] = field(default_factory=dict, repr=False)  # see retrieval/prices.py
    _moving: dict[SurfaceRules, Live] = field(default_factory=dict, repr=False)

    def moving(self, rules: SurfaceRules) -> Live:
        """[rules] the floors and share targets that move a price, in their order."""
        found = self._moving.get(rules)
        if found is None:
            found = np.array(
                [
                    (spec.kind == "share_target" and bool(self.shares.get(spec.key)))
                    or (
                        spec.kind == "floor" and spec.key in self.floors and len(self.floors[spec.key][0]) > 0
                    )
                    for spec in rules.in_order
                ],
                "?",
            )
            self._moving[rules] = found
        return found


def words_for(conditions: int) -> int:
    """How many words hold this many conditions."""
    return -(-conditions // WORD)


@dataclass(eq=False)  # made for each request: a frozen one takes twice as long
class LiveRules:
    """The rules that are live for one viewer at one moment, in order, and how to tell whom they meet."""

    rules: SurfaceRules
    live: Live  # [rules] in their order
    traits: int  # bits of TRAITS: what some of those that are live have
    masks: RuleMasks | None = None  # of the request's snapshot; None: conditions are evaluated on the rows
    newcomers: U64 | None = None  # [rows of the request's newcomers, words]

    def have(self, trait: str) -> bool:
        """Whether some of those that are live have one of TRAITS."""
        return bool(self.traits & TRAIT_BITS[trait])

    @cached_property
    def specs(self) -> tuple[RuleSpec, ...]:
        """Those that are live."""
        return self.those(self.live)

    @cached_property
    def pins(self) -> tuple[RuleSpec, ...]:
        return self.those(self.live & self.rules.of_kind("pin")) if self.have("pin") else ()

    @cached_property
    def caps(self) -> Live:
        """[rules] the live caps."""
        return np.asarray(self.live & self.rules.of_kind("cap"))

    @cached_property
    def cooldowns(self) -> tuple[RuleSpec, ...]:
        """The live ones, in order."""
        return self.those(self.live & self.rules.of_kind("cooldown")) if self.have("cooldown") else ()

    def those(self, which: Live) -> tuple[RuleSpec, ...]:
        """[rules] marked, as specs in their order."""
        specs = self.rules.in_order
        return tuple(specs[i] for i in np.flatnonzero(which).tolist())


def live_rules(
    rules: SurfaceRules,
    *,
    met: U64,
    now: float,
    dead: frozenset[str] = frozenset(),
    masks: RuleMasks | None = None,
    newcomers: U64 | None = None,
    only_caps: bool = False,
) -> LiveRules:
    """The rules that have begun, have not ended, were not switched off and whose viewers hold this one.

    `met`: [words] of the viewer. `dead`: keys of rules that staff switched off. `only_caps`: and
    cool-downs, for a viewer of the hold-out.
    """
    is_open, live = rules.open.at(now, dead), np.empty(len(rules.specs), "?")
    traits = rules_loop.find_live(is_open.caps if only_caps else is_open.every, met, live)
    return LiveRules(rules, live, traits, masks, newcomers)
