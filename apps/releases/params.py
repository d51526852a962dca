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
from apps.pipeline.lineup import LINEUPS
from apps.pipeline.params import PipelineParams
from apps.pipeline.rules import U64, RuleSpec, SurfaceRules
from apps.policies.fields import seconds
from apps.policies.knobs import OBJECTS
from apps.policies.older import brought_up
from apps.policies.schema import put
from apps.policies.segments import expanded
from apps.releases.dealing import Choice, Conditions, Dealer, experiment_of, flag_of, holdout_of
from apps.releases.selectors import LiveRow

LINEUP_OF = {lineup.kind: lineup.name for lineup in LINEUPS.values()}
PLAIN = (
    "reciprocity_weight", "diversity", "exploration", "daily_cap", "hourly_cap", "hold_minutes",
    "cooldown_days", "session_reach", "session_half_life", "less_half_life", "fatigue_half_life",
    "inbox_full", "presence_hours", "likes_share", "industry_window", "craft_window", "category_window",
    "newcomer_subsidy", "newcomer_stop", "heavy_width", "trips_share", "trips_days", "room",
)  # fmt: skip
KEPT = 16  # contents a process remembers: the live ones and a few drafts
KEPT_PARAMS = 512  # of one surface: assignments that were met
NOBODY_KILLED: frozenset[str] = frozenset()
NO_CONDITIONS: U64 = np.zeros(0, "u8")

NOTHING: Mapping[str, Any] = {}

Assignment = tuple[Any, ...]  # the knobs that are turned, and to what


@dataclass(frozen=True)
class Assigned:
    """What one viewer gets on one surface."""

    params: PipelineParams
    variants: dict[
        str, Any
    ]  # flag -> on or off, experiment -> variant; under "salts" those of what the viewer is in


@dataclass(frozen=True)
class CompiledSurface:
    """One surface of one content: its rules, and how a viewer comes by their params."""

    key: str
    policy: Mapping[str, Any]
    rules: SurfaceRules
    dealer: Dealer  # the hold-out first, then flags and experiments
    by_market: Mapping[str, Mapping[str, Any]]
    off: Mapping[str, str]  # what is said of the flags when none is on
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
        dealt = self.dealer.open.at(now, killed)
        parts = dealt.parts(viewer, number, market, met)
        overrides = dict(self.by_market.get(market or "", NOTHING))
        if parts[0] >= 0:
            return Assigned(self._with(overrides, random_order=True), {})
        said: dict[str, Any] = dict(self.off)
        salts: dict[str, str] = {}
        for outcomes, part in zip(dealt.outcomes[1:], parts[1:], strict=True):
            if part >= 0:
                key, name, salt, turned = outcomes[int(part)]
                said[key], salts[key] = name, salt
                overrides.update(turned)
        if said:
            said["salts"] = salts
        return Assigned(self._with(overrides), said)

    def _with(self, overrides: dict[str, Any], *, random_order: bool = False) -> PipelineParams:
        """The policy so turned, built once. In the order of apps.policies.order.VALUE_ORDER."""
        key = (random_order, *sorted(overrides.items()))
        params = self._params.get(key)
        if params is None:
            params = params_of(self.policy, overrides, random_order=random_order)
            while len(self._params) >= KEPT_PARAMS:
                self._params.pop(next(iter(self._params)), None)
            self._params[key] = params
        return params


@dataclass(frozen=True)
class CompiledContent:
    """A content ready to serve."""

    content: Mapping[str, Any]
    surfaces: Mapping[str, CompiledSurface]
    flags: Dealer  # all of them, over `flag_conditions`
    flag_conditions: tuple[Mapping[str, Any], ...]

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
        dealt = self.flags.open.at(now, killed)
        parts = zip(dealt.choices, dealt.parts(viewer, number, None, met), strict=True)
        on = {flag.key for flag, part in parts if part >= 0 and not self._is_held_out(flag, viewer)}
        return {flag.key: flag.said["on" if flag.key in on else "off"] for flag in self.flags.choices}

    def _is_held_out(self, flag: Choice, viewer: str) -> bool:
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
    values: dict[str, Any] = {**policy, **{group: dict(policy.get(group, {})) for group in OBJECTS}}
    for key, value in overrides.items():
        put(values, key, value)
    return PipelineParams(
        lineup=LINEUP_OF[policy["kind"]],
        reciprocity=values.get("reciprocity", "viewer_only"),
        random_order=random_order,
        **{name: values[name] for name in (*OBJECTS, *PLAIN) if name in values},
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


def _compile(content: Mapping[str, Any]) -> CompiledContent:
    said_now = brought_up(content)
    segments = expanded(said_now.get("segments", []))
    surfaces = {key: _compile_surface(said_now, key, segments) for key in said_now["surfaces"]}
    conditions = Conditions(segments)
    flags = tuple(flag_of(said, conditions) for said in said_now.get("flags", []))
    return CompiledContent(content, surfaces, Dealer(flags), conditions.all)


def _compile_surface(
    content: Mapping[str, Any], key: str, segments: Mapping[str, Mapping[str, Any]]
) -> CompiledSurface:
    policy = content["surfaces"][key]
    viewers, candidates = Conditions(segments), Conditions(segments)
    specs = tuple(_spec(rule, viewers, candidates) for rule in policy.get("rules", []))
    flags = tuple(
        flag_of(said, viewers)
        for said in content.get("flags", [])
        if said["surface"] == key and said["overrides"]
    )
    experiments = tuple(
        experiment_of(said, viewers) for said in content.get("experiments", []) if said["surface"] == key
    )
    holdout = holdout_of(holdout_seed(key), policy.get("random_share", 0.0))
    return CompiledSurface(
        key=key,
        policy=policy,
        rules=SurfaceRules(specs, viewers.all, candidates.all),
        dealer=Dealer((holdout, *flags, *experiments)),
        by_market=policy.get("markets", {}),
        off={flag.key: "off" for flag in flags},
    )


def _spec(rule: Mapping[str, Any], viewers: Conditions, candidates: Conditions) -> RuleSpec:
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
        tolerance=effect.get("tolerance", 0.0),
        days=effect.get("days", 0),
    )
