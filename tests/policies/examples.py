"""One valid rule, segment, flag and experiment, to be changed by a test in what it is about."""

from __future__ import annotations

from typing import Any

START, END = "2026-06-01T00:00:00Z", "2026-07-01T00:00:00Z"
NOW = 1_780_315_200.0  # 2026-06-01 12:00 UTC
OWNED = {"owner": "growth", "reason": "to see"}


def rule(**values: Any) -> dict[str, Any]:
    return {
        "id": "newcomers", "name": "Newcomers", "type": "boost", "viewers": None, "candidates": None,
        "effect": {"factor": 1.5}, "priority": 100, "starts_at": START, "ends_at": END, **OWNED, **values,
    }  # fmt: skip


def segment(**values: Any) -> dict[str, Any]:
    condition = {"attribute": "age", "operator": "at_least", "value": 30}
    return {"key": "grown", "name": "Over 30", "of": "member", "condition": condition, **OWNED, **values}


def flag(**values: Any) -> dict[str, Any]:
    return {
        "key": "bolder", "name": "Bolder", "type": "boolean", "on": True, "off": False, "percentage": 10.0,
        "salt": "s", "segments": [], "allow": [], "surface": "dating", "overrides": {"diversity": 0.5},
        "priority": 100, "starts_at": START, "ends_at": END, **OWNED, **values,
    }  # fmt: skip


def experiment(**values: Any) -> dict[str, Any]:
    return {
        "key": "spread", "name": "More spread", "surface": "dating", "hypothesis": "Spread lists match more.",
        "metric": "matches", "guardrails": ["reports"], "unit": "member", "layer": "order",
        "layer_range": [0.0, 1.0], "salt": values.get("key", "spread"), "phase": 1, "coverage": 1.0,
        "audience": None,
        "variants": [
            {"key": "control", "name": "As it is", "weight": 0.5, "overrides": {}},
            {"key": "spread", "name": "Spread", "weight": 0.5, "overrides": {"diversity": 0.4}},
        ],
        "starts_at": START, "ends_at": END, "stop_rule": "fixed_horizon", **OWNED, **values,
    }  # fmt: skip
