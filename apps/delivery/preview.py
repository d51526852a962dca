"""What a member's list would be: under another content, at another time, without staff's rules. Nothing is
kept.

Takes contents and a member, gives lists as REST answers them, all drawn with the same seed: where two of them
differ, the content made the difference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from apps.delivery.question import Question
from apps.delivery.runtime import runtime
from apps.delivery.serve import serve

Content = Mapping[str, Any]
LIMIT = 20


@dataclass(frozen=True)
class Place:
    """One candidate of a list, and where they stood before; None: not in the list."""

    id: str
    rank: int
    before: int | None
    score: float
    reasons: list[str]

    @property
    def moved(self) -> int | None:
        """Places up (above 0) or down."""
        return None if self.before is None else self.before - self.rank


def preview_list(
    *,
    surface: str,
    member: str,
    content: Content | None = None,
    at: float | None = None,
    seed: int,
    rules_off: bool = False,
    limit: int = LIMIT,
) -> dict[str, Any]:
    """One list by a dry run; `content` None: the member's own release. Raises NotFound, Problem."""
    question = Question(
        surface=surface, member=member, limit=limit, dry_run=True, content=content, at=at, seed=seed,
        rules_off=rules_off,
    )  # fmt: skip
    return serve(runtime(), question)


def compared(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Place]:
    """The later list, each with the place they had in the earlier one."""
    ranks = {item["id"]: item["rank"] for item in before["items"]}
    return [
        Place(item["id"], item["rank"], ranks.get(item["id"]), item["score"], list(item["reasons"]))
        for item in after["items"]
    ]


def lost(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Who is in the earlier list alone."""
    kept = {item["id"] for item in after["items"]}
    return [item["id"] for item in before["items"] if item["id"] not in kept]
