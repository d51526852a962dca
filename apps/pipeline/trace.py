"""What every stage received, kept and changed.

Live traces hold totals; details are opt-in for explain and replay.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class StageTrace(NamedTuple):
    """One stage's totals, and what it wants to say of itself (counts by source, by reason ...)."""

    stage: str
    received: int
    kept: int
    detail: Mapping[str, Any]


@dataclass
class Trace:
    """The stages in the order they ran. With `detailed`, stages add per-candidate numbers to `detail`."""

    detailed: bool = False
    stages: list[StageTrace] = field(default_factory=list)

    def add(self, stage: str, received: int, kept: int, **detail: Any) -> None:
        self.stages.append(StageTrace(stage, received, kept, detail))

    def as_json(self) -> list[dict[str, Any]]:
        return [{"stage": s.stage, "received": s.received, "kept": s.kept, **s.detail} for s in self.stages]
