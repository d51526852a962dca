"""Rules by hand: specs that are live at markets.NOW for everybody unless the test says otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from apps.pipeline.masks import build_masks, condition_words
from apps.pipeline.rules import LiveRules, RuleSpec, SurfaceRules, live_rules
from apps.pipeline.snapshot import Snapshot
from tests.pipeline.markets import NOW

HOUR = 3600.0
CLIMBERS = {"attribute": "interests", "operator": "has_any", "value": ["climbing"]}
PLAYERS = {"attribute": "interests", "operator": "has_any", "value": ["chess"]}
FILM = {"attribute": "industries", "operator": "has_any", "value": ["film"]}
CLIMBING, CHESS = 1, 2  # the bits of those interests


def spec(key: str, kind: str = "boost", **more: Any) -> RuleSpec:
    """A rule that began an hour ago and ends in an hour, for all viewers, about all candidates."""
    values = {
        "viewers": -1,
        "candidates": -1,
        "starts_at": NOW - HOUR,
        "ends_at": NOW + HOUR,
        "priority": 100,
    }
    return RuleSpec(key, kind, **(values | more))


def rules_of(*specs: RuleSpec, candidates: Sequence[Mapping[str, Any]] = (CLIMBERS, PLAYERS)) -> SurfaceRules:
    """Candidate conditions are 0: climbers, 1: chess players; the viewer condition is 0: film."""
    return SurfaceRules(specs, viewer_conditions=(FILM,), candidate_conditions=tuple(candidates))


def live(snapshot: Snapshot, *specs: RuleSpec, viewer: int = 1, masks: bool = True, **more: Any) -> LiveRules:
    """What is live for a viewer of the snapshot's only surface."""
    rules = rules_of(*specs)
    (surface,) = snapshot.surfaces
    data = snapshot.surfaces[surface]
    row = data.viewers.gather(data.viewer_row_of[[viewer]].astype("i8"))
    met = condition_words(rules.viewer_conditions, row, snapshot)[0]
    built = build_masks(snapshot, surface, rules) if masks else None
    return live_rules(rules, met=met, now=more.pop("now", NOW), masks=built, **more)


def same(one: Any, other: Any) -> bool:
    """Bit for bit."""
    return np.asarray(one).tobytes() == np.asarray(other).tobytes()
