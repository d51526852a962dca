"""Many live rules, flags and experiments for a benchmark: of every type, about various members.

Takes a content and counts, gives a checked content; nothing in it is meant to make a better list.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from datetime import timedelta
from typing import Any

from apps.common import clock
from apps.policies.schema import validate_content

ATTRIBUTES = {"age": (20, 60), "days_since_joined": (10, 900), "likes_received": (1, 40)}
TURNED: tuple[tuple[str, float], ...] = (  # each experiment a knob of its own, that costs nothing
    ("cooldown_days", 4),
    ("hold_minutes", 31),
    ("reciprocity_weight", 0.55),
    ("quotas.newcomers", 61),
    ("quotas.recently_active", 101),
)
EFFECTS: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ("boost", {"factor": 1.2}),
    ("bury", {"factor": 0.9}),
    ("boost", {"factor": 1.1}),
    ("cap", {"daily": 60_000, "hourly": 0}),
    ("boost", {"share": 0.1}),
    ("bury", {"factor": 0.8}),
    ("boost", {"slots": [7, 15]}),
    ("bury", {"share": 0.6}),
    ("boost", {"factor": 1.3}),
    ("floor", {"daily": 1, "tolerance": 0.5}),
)


def with_rules(
    content: Mapping[str, Any], *surfaces: str, rules: int, flags: int, experiments: int
) -> dict[str, Any]:
    """The content with this many of each on each surface, all of them live for about half of the viewers."""
    result = deepcopy(dict(content))
    result["segments"] = [_segment(i) for i in range(min(flags, 5))]
    result["flags"] = [_flag(i, surface) for surface in surfaces for i in range(flags)]
    result["experiments"] = [_experiment(i, surface) for surface in surfaces for i in range(experiments)]
    for surface in surfaces:
        result["surfaces"][surface]["rules"] = [_rule(i) for i in range(rules)]
    return validate_content(result)


def _common(name: str) -> dict[str, Any]:
    now = clock.now()
    dates = {"starts_at": now - timedelta(days=1), "ends_at": now + timedelta(days=30)}
    said = {key: f"{at:%Y-%m-%dT%H:%M:%SZ}" for key, at in dates.items()}
    return {"name": name, "owner": "bench", "reason": "to measure", **said}


def _condition(i: int) -> dict[str, Any]:
    name, (low, high) = list(ATTRIBUTES.items())[i % len(ATTRIBUTES)]
    value = low + (high - low) * (i % 17) // 17
    half = {"attribute": name, "operator": "at_least" if i % 2 else "at_most", "value": value}
    return {"any": [half, {"attribute": "age", "operator": "at_least", "value": 30 + i % 20}]}


def _rule(i: int) -> dict[str, Any]:
    kind, effect = EFFECTS[i % len(EFFECTS)]
    viewers = _condition(i + 1) if i % 2 else None
    about = {"viewers": viewers, "candidates": _condition(i), "effect": dict(effect), "priority": 1 + i}
    return {"id": f"rule-{i}", "type": kind, **_common(f"Rule {i}"), **about}


def _segment(i: int) -> dict[str, Any]:
    said = {k: v for k, v in _common(f"Segment {i}").items() if not k.endswith("_at")}
    return {"key": f"segment-{i}", "of": "member", "condition": _condition(i), **said}


def _flag(i: int, surface: str) -> dict[str, Any]:
    kind = {"type": "boolean", "on": True, "off": False, "percentage": 50.0, "salt": f"salt-{i}"}
    who = {"segments": [f"segment-{i % 5}"] if i % 2 else [], "allow": [], "surface": surface}
    return {"key": f"{surface}-{i}", **kind, **who, "overrides": {"diversity": 0.1}, "priority": 1 + i,
            **_common(f"Flag {i}")}  # fmt: skip


def _experiment(i: int, surface: str) -> dict[str, Any]:
    variants = [
        {"key": "control", "name": "As it is", "weight": 0.5, "overrides": {}},
        {"key": "other", "name": "Other", "weight": 0.5, "overrides": dict([TURNED[i % len(TURNED)]])},
    ]
    return {
        "key": f"{surface}-{i}", "surface": surface, "hypothesis": "It costs little.", "metric": "matches",
        "guardrails": ["reports"], "unit": "member", "layer": f"{surface}-{i}", "layer_range": [0.0, 1.0],
        "salt": f"{surface}-{i}", "phase": 1, "coverage": 1.0, "audience": None, "variants": variants,
        "stop_rule": "fixed_horizon", **_common(f"Experiment {i}"),
    }  # fmt: skip
