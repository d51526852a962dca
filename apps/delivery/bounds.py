"""What anybody may have on a surface of a release, for when nobody can say what this viewer has.

Takes a compiled surface; gives the strictest of its policy, markets, flags, experiments and live rules. It
reads no store.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from apps.delivery.rules import dead_rules
from apps.delivery.state import I32
from apps.pipeline.params import PipelineParams
from apps.pipeline.ranking.caps import MOST
from apps.pipeline.rules import DAILY, HOURLY
from apps.releases.params import CompiledSurface


def tightest_caps(surface: CompiledSurface, params: PipelineParams) -> I32:
    """[2] the tightest cap per day and per hour that anybody may have; 0: nobody has one."""
    limits = (
        [*surface.rules.book[row], of_params, *_said(surface, knob)]
        for row, of_params, knob in (
            (DAILY, params.daily_cap, "daily_cap"),
            (HOURLY, params.hourly_cap, "hourly_cap"),
        )
    )
    return np.array([min((int(cap) for cap in caps if cap > 0), default=0) for caps in limits], "i4").clip(
        max=MOST
    )


def longest_away(
    surface: CompiledSurface, params: PipelineParams, *, now: float, killed: frozenset[str]
) -> PipelineParams:
    """The params with the longest hold and cool-down that anybody may have."""
    return replace(
        params,
        hold_minutes=max(params.hold_minutes, *_said(surface, "hold_minutes")),
        cooldown_days=max(longest_cooldown(surface, now=now, killed=killed), params.cooldown_days),
    )


def longest_cooldown(surface: CompiledSurface, *, now: float, killed: frozenset[str]) -> int:
    """Days: no cool-down of a viewer looks further back."""
    dead = dead_rules(surface.key, killed)
    by_rule = (
        spec.days
        for spec in surface.rules.specs
        if spec.kind == "cooldown" and spec.starts_at <= now < spec.ends_at and spec.key not in dead
    )
    return max([*_said(surface, "cooldown_days"), *by_rule], default=0)


def _said(surface: CompiledSurface, knob: str) -> Iterator[int]:
    """What policy, markets, flags and experiments make of a knob."""
    turned = (said for choice in surface.dealer.choices for *_, said in choice.outcomes)
    for values in (surface.policy, *surface.by_market.values(), *turned):
        if knob in values:
            yield int(values[knob])
