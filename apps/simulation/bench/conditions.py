"""How long a verdict on a condition takes: the dearest that is allowed, and floods that are not.

Gives medians in milliseconds of CPU. It needs no database.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from apps.policies.conditions import (
    MAX_NODES,
    ConditionInvalid,
    cost,
    nodes,
    parse_condition,
)

FLOOD = 1_000_000


@dataclass(frozen=True)
class Plan:
    """What to measure."""

    repeat: int = 5


def bench_conditions(plan: Plan, say: Callable[[str], object]) -> dict[str, float]:
    """Milliseconds by case; the verdict is said aloud."""
    found = {}
    for name, value in cases().items():
        times, said = [], ""
        for _ in range(plan.repeat):
            started = time.thread_time()
            said = verdict(value)
            times.append(1000 * (time.thread_time() - started))
        say(f"{name}: {said}")
        found[f"ms_{name.replace(' ', '_')}"] = statistics.median(times)
    return found


def cases() -> dict[str, Any]:
    """The widest and the dearest tree that is taken, one leaf more, and floods of depth, width and words."""
    leaf = {"attribute": "age", "operator": "at_least", "value": 30}
    wordy = {"attribute": "interests", "operator": "has_any", "value": [f"word {i}" for i in range(100)]}
    deep: Any = leaf
    for _ in range(100_000):
        deep = {"not": deep}
    return {
        "the widest": {"all": [leaf] * (MAX_NODES - 1)},
        "the dearest": {"any": [wordy] * 98},
        "one too dear": {"any": [wordy] * 100},
        "a flood of parts": {"all": [leaf] * FLOOD},
        "a flood of depth": deep,
        "a flood of words": {**wordy, "value": ["word"] * FLOOD},
    }


def verdict(value: Any) -> str:
    try:
        tree = parse_condition(value, "member")
    except ConditionInvalid as refusal:
        return f"refused: {refusal.detail}"
    return f"taken: {sum(1 for _ in nodes(tree))} nodes, {cost(tree):,} steps"
