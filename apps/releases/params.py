"""From a release's content and a viewer to frozen PipelineParams; from the live row to a viewer's release.

Pure: content, ids and a time in, values out. Each content is compiled once per process and then looked up by
identity, so a content dict must not be changed after it was given here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from apps.common.errors import NotFound
from apps.common.hashing import in_share
from apps.experiments.assignment import bucket_ranges, choose_variation, layer_seed
from apps.pipeline.hashing import Seeds, pack, places
from apps.pipeline.lineup import LINEUPS
from apps.pipeline.params import PipelineParams
from apps.pipeline.rules import U64, RuleSpec, SurfaceRules, is_met
from apps.policies.experiments import salt_of
from apps.policies.fields import seconds
from apps.policies.older import brought_up
from apps.policies.schema import put
from apps.policies.segments import expanded
from apps.releases.selectors import LiveRow

LINEUP_OF = {lineup.kind: lineup.name for lineup in LINEUPS.values()}
PLAIN = (
    "reciprocity_weight", "diversity", "exploration", "daily_cap", "hourly_cap", "hold_minutes",
    "cooldown_days",
)  # fmt: skip
KEPT = 16  # contents a process remembers: the live ones and a few drafts
KEPT_PARAMS = 512  # of one surface: assignments that were met
NOBODY_KILLED: frozenset[str] = frozenset()
NO_CONDITIONS: U64 = np.zeros(0, "u8")

Assignment = tuple[Any, ...]


@dataclass(frozen=True)
class Flag:
    """A flag as it is decided for one member after another."""

    said: Mapping[str, Any]
    starts_at: float
    ends_at: float
    segments: tuple[int, ...]  # viewer conditions; empty: everybody
    allowed: frozenset[int]

    def is_on(self, *, number: int, place: float, met: U64, now: float, killed: frozenset[str]) -> bool:
        """In the order of apps.policies.flags.DECIDED_BY."""
        if f"flag:{self.said['key']}" in killed or not self.starts_at <= now < self.ends_at:
            return False
        if number in self.allowed:
            return True
        if self.segments and not is_met(np.array(self.segments, "i4"), met).any():
            return False
        return bool(place * 100 < self.said["percentage"])


@dataclass(frozen=True)
class Experiment:
    """An experiment as members are dealt into it."""

    said: Mapping[str, Any]
    starts_at: float
    ends_at: float
    audience: int  # viewer condition; -1: everybody
    ranges: tuple[tuple[float, float], ...]

    def variant(
        self, *, place: float, in_layer: float, met: U64, now: float, killed: frozenset[str]
    ) -> Mapping[str, Any] | None:
        """The variant, or None for who is not in it."""
        if f"experiment:{self.said['key']}" in killed or not self.starts_at <= now < self.ends_at:
            return None
        start, end = self.said["layer_range"]
        if not start <= in_layer < end or not is_met(np.array([self.audience], "i4"), met)[0]:
            return None
        chosen = choose_variation(place, self.ranges)
        return self.said["variants"][chosen] if chosen >= 0 else None


@dataclass(frozen=True)
class Assigned:
    """What one viewer gets on one surface."""

    params: PipelineParams
    variants: dict[str, Any]  # flag -> on or off, experiment -> variant; with the salts under "salts"


@dataclass(frozen=True)
class CompiledSurface:
    """One surface of one content: its rules, and how a viewer comes by their params."""

    key: str
    policy: Mapping[str, Any]
    rules: SurfaceRules
    flags: tuple[Flag, ...]
    experiments: tuple[Experiment, ...]
    seeds: Seeds  # the hold-out's, the flags', then per experiment its own and its layer's
    by_market: Mapping[str, Mapping[str, Any]]
    _params: dict[Assignment, PipelineParams] = field(default_factory=dict, repr=False)

    def assign(
        self,
        *,
        viewer: str,
        number: int = 0,
        market: str | None = None,
        met: U64 = NO_CONDITIONS,
        now: float,
        killed: frozenset[str] = NOBODY_KILLED,
    ) -> Assigned:
        """`met`: [words] of rules.viewer_conditions. `killed`: "flag:key", "experiment:key" switched off."""
        where = places(self.seeds, viewer)
        if where[0] * 100 < self.policy.get("random_share", 0.0):
            return Assigned(self._with(market, (), (), random_order=True), {})
        on = tuple(
            flag.is_on(number=number, place=where[1 + i], met=met, now=now, killed=killed)
            for i, flag in enumerate(self.flags)
        )
        variants = tuple(self._variants(where[1 + len(self.flags) :], market, met, now, killed))
        return Assigned(self._with(market, on, variants), self._said(on, variants))

    def _variants(
        self, where: Any, market: str | None, met: U64, now: float, killed: frozenset[str]
    ) -> list[str | None]:
        dealt = []
        for i, one in enumerate(self.experiments):
            place, in_layer = where[2 * i], where[2 * i + 1]
            if one.said["unit"] == "market":  # the whole market is dealt, not the member
                ours = places(_experiment_seeds(one.said), market or "")
                place, in_layer = ours[0], ours[1]
            found = one.variant(place=place, in_layer=in_layer, met=met, now=now, killed=killed)
            dealt.append(
                None if found is None or (one.said["unit"] == "market" and not market) else found["key"]
            )
        return dealt

    def _said(self, on: tuple[bool, ...], variants: tuple[str | None, ...]) -> dict[str, Any]:
        said: dict[str, Any] = {}
        salts = {}
        for flag, is_on in zip(self.flags, on, strict=True):
            said[flag.said["key"]] = "on" if is_on else "off"
            salts[flag.said["key"]] = flag.said["salt"]
        for one, variant in zip(self.experiments, variants, strict=True):
            if variant is not None:
                said[one.said["key"]] = variant
                salts[one.said["key"]] = salt_of(one.said)
        return said | {"salts": salts} if said else {}

    def _with(
        self,
        market: str | None,
        on: tuple[bool, ...],
        variants: tuple[str | None, ...],
        *,
        random_order: bool = False,
    ) -> PipelineParams:
        assignment = (market if market in self.by_market else None, on, variants, random_order)
        params = self._params.get(assignment)
        if params is None:
            params = self._build(*assignment)
            while len(self._params) >= KEPT_PARAMS:
                self._params.pop(next(iter(self._params)), None)
            self._params[assignment] = params
        return params

    def _build(
        self, market: str | None, on: tuple[bool, ...], variants: tuple[str | None, ...], random_order: bool
    ) -> PipelineParams:
        """In the order of apps.policies.order.VALUE_ORDER."""
        overrides: dict[str, Any] = dict(self.by_market.get(market or "", {}))
        for flag, is_on in zip(self.flags, on, strict=False):
            overrides |= flag.said["overrides"] if is_on else {}
        for one, key in zip(self.experiments, variants, strict=False):
            chosen = next((v for v in one.said["variants"] if v["key"] == key), None)
            overrides |= chosen["overrides"] if chosen else {}
        return params_of(self.policy, overrides, random_order=random_order)


@dataclass(frozen=True)
class CompiledContent:
    """A content ready to serve."""

    content: Mapping[str, Any]
    surfaces: Mapping[str, CompiledSurface]
    flags: tuple[Flag, ...]  # all of them, over `flag_conditions`
    flag_conditions: tuple[Mapping[str, Any], ...]
    seeds: Seeds

    def surface(self, key: str) -> CompiledSurface:
        try:
            return self.surfaces[key]
        except KeyError:
            raise NotFound(
                f"The release has no surface {key}.", code="unknown_surface", field="surface"
            ) from None

    def flag_values(
        self, *, viewer: str, number: int, met: U64, now: float, killed: frozenset[str] = NOBODY_KILLED
    ) -> dict[str, Any]:
        """The value of every flag for a member. `met`: [words] of `flag_conditions`."""
        where = places(self.seeds, viewer)
        return {
            flag.said["key"]: flag.said["on"]
            if not self._is_held_out(flag, viewer)
            and flag.is_on(number=number, place=place, met=met, now=now, killed=killed)
            else flag.said["off"]
            for flag, place in zip(self.flags, where, strict=True)
        }

    def _is_held_out(self, flag: Flag, viewer: str) -> bool:
        surface = flag.said["surface"]
        if surface not in self.surfaces or not flag.said["overrides"]:
            return False
        return in_share(holdout_seed(surface), viewer, self.surfaces[surface].policy.get("random_share", 0.0))


_compiled: dict[int, CompiledContent] = {}


def compiled(content: Mapping[str, Any]) -> CompiledContent:
    """The content, compiled once per process."""
    found = _compiled.get(id(content))
    if found is None:  # holding the content keeps its identity from being given to another
        found = _compile(content)
        while len(_compiled) >= KEPT:
            _compiled.pop(next(iter(_compiled)), None)
        _compiled[id(content)] = found
    return found


def build_params(content: Mapping[str, Any], surface: str, *, viewer: str) -> PipelineParams:
    """What the content says on a surface, without market, segments and dates. NotFound: no such surface."""
    return compiled(content).surface(surface).assign(viewer=viewer, now=0.0).params


def params_of(
    policy: Mapping[str, Any], overrides: Mapping[str, Any], *, random_order: bool = False
) -> PipelineParams:
    """A policy with some knobs turned."""
    values: dict[str, Any] = {**policy, "weights": dict(policy["weights"]), "quotas": dict(policy["quotas"])}
    for key, value in overrides.items():
        put(values, key, value)
    return PipelineParams(
        lineup=LINEUP_OF[policy["kind"]],
        reciprocity=values.get("reciprocity", "viewer_only"),
        weights=values["weights"],
        quotas=values["quotas"],
        random_order=random_order,
        **{name: values[name] for name in PLAIN if name in values},
    )


def release_for(live: LiveRow, viewer: str) -> tuple[int, Mapping[str, Any]]:
    """Number and content of this viewer's release: the candidate for its share, else the stable one."""
    if live.candidate_number is None or live.candidate_content is None:
        return live.stable_number, live.stable_content
    if in_share(live.salt, viewer, live.percentage):
        return live.candidate_number, live.candidate_content
    return live.stable_number, live.stable_content


def digest_of(content: Mapping[str, Any]) -> str:
    """32 hexadecimal digits that name a content, however its keys are ordered."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]


def holdout_seed(surface: str) -> str:
    return f"random-order:{surface}"


class _Conditions:
    """Distinct conditions, in the order in which they were first named."""

    def __init__(self, segments: Mapping[str, Mapping[str, Any]]) -> None:
        self.segments = segments
        self.trees: dict[str, tuple[int, Mapping[str, Any]]] = {}

    def index(self, tree: Mapping[str, Any] | None) -> int:
        from apps.policies.conditions import expand

        if tree is None:
            return -1
        whole = expand(tree, self.segments)
        name = json.dumps(whole, sort_keys=True)
        return self.trees.setdefault(name, (len(self.trees), whole))[0]

    @property
    def all(self) -> tuple[Mapping[str, Any], ...]:
        return tuple(tree for _, tree in self.trees.values())


def _compile(content: Mapping[str, Any]) -> CompiledContent:
    said_now = brought_up(content)
    segments = expanded(said_now.get("segments", []))
    surfaces = {key: _compile_surface(said_now, key, segments) for key in said_now["surfaces"]}
    conditions = _Conditions(segments)
    flags = tuple(_flag(said, conditions) for said in said_now.get("flags", []))
    seeds = pack([(flag.said["salt"], 2) for flag in flags])
    return CompiledContent(content, surfaces, flags, conditions.all, seeds)


def _compile_surface(
    content: Mapping[str, Any], key: str, segments: Mapping[str, Mapping[str, Any]]
) -> CompiledSurface:
    policy = content["surfaces"][key]
    viewers, candidates = _Conditions(segments), _Conditions(segments)
    specs = tuple(_spec(rule, viewers, candidates) for rule in policy.get("rules", []))
    flags = tuple(
        _flag(said, viewers)
        for said in content.get("flags", [])
        if said["surface"] == key and said["overrides"]
    )
    experiments = tuple(
        _experiment(said, viewers) for said in content.get("experiments", []) if said["surface"] == key
    )
    seeds = [(holdout_seed(key), 2), *((flag.said["salt"], 2) for flag in flags)]
    for one in experiments:
        seeds += [(salt_of(one.said), 2), (layer_seed(one.said["layer"]), 1)]
    rules = SurfaceRules(specs, viewers.all, candidates.all)
    return CompiledSurface(key, policy, rules, flags, experiments, pack(seeds), policy.get("markets", {}))


def _spec(rule: Mapping[str, Any], viewers: _Conditions, candidates: _Conditions) -> RuleSpec:
    effect = rule["effect"]
    return RuleSpec(
        key=rule["id"],
        kind=rule["type"],
        viewers=viewers.index(rule["viewers"]),
        candidates=candidates.index(rule["candidates"]),
        starts_at=seconds(rule["starts_at"]),
        ends_at=seconds(rule["ends_at"]),
        priority=rule["priority"],
        factor=effect.get("factor", 1.0),
        share=effect.get("share", -1.0),
        slots=tuple(effect.get("slots", ())),
        pins=tuple(effect.get("candidates", ())),
        position=effect.get("position", 1),
        daily=effect.get("daily", 0),
        hourly=effect.get("hourly", 0),
    )


def _flag(said: Mapping[str, Any], conditions: _Conditions) -> Flag:
    return Flag(
        said=said,
        starts_at=seconds(said["starts_at"]),
        ends_at=seconds(said["ends_at"]),
        segments=tuple(conditions.index({"segment": key}) for key in said["segments"]),
        allowed=frozenset(said["allow"]),
    )


def _experiment(said: Mapping[str, Any], conditions: _Conditions) -> Experiment:
    weights = [variant["weight"] for variant in said["variants"]]
    return Experiment(
        said=said,
        starts_at=seconds(said["starts_at"]),
        ends_at=seconds(said["ends_at"]),
        audience=conditions.index(said["audience"]),
        ranges=tuple(bucket_ranges(weights, said["coverage"])),
    )


def _experiment_seeds(said: Mapping[str, Any]) -> Seeds:
    return pack([(salt_of(said), 2), (layer_seed(said["layer"]), 1)])
