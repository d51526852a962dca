"""What the pacer did to one rule, and when it last ran: read from the rows that it keeps for two days."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import F
from django.db.models.fields.json import KeyTransform
from django.db.models.functions import Mod

from apps.common.clock import now
from apps.delivery.models import PacingPrices

WINDOW = timedelta(hours=24)
EVERY = 5  # minutes between two points of a history
LATE = timedelta(minutes=3)


@dataclass(frozen=True)
class LastStep:
    """The pacer's last step on a surface. `rules`: what each says, by id."""

    at: datetime
    age: timedelta
    rules: Mapping[str, Mapping[str, Any]]

    @property
    def is_late(self) -> bool:
        return self.age > LATE


def last_step(surface: str) -> LastStep | None:
    """None: the pacer took none within two days."""
    row = PacingPrices.objects.defer("floors").filter(surface=surface).first()
    return None if row is None else LastStep(row.created_at, now() - row.created_at, row.rules)


def history(surface: str, rule: str) -> list[tuple[datetime, Mapping[str, Any] | None]]:
    """The last 24 hours, every five minutes, oldest first; None where the pacer took no step for the rule."""
    last = int(now().timestamp() // 60) // EVERY * EVERY
    slots = range(last - int(WINDOW.total_seconds() // 60), last + 1, EVERY)
    found = (
        PacingPrices.objects.filter(surface=surface, slot__gte=slots[0])
        .annotate(after=Mod(F("slot"), EVERY), said=KeyTransform(rule, "rules"))
        .filter(after=0)
        .order_by()
    )
    said = dict(found.values_list("slot", "said"))
    return [(datetime.fromtimestamp(slot * 60, UTC), said.get(slot)) for slot in slots]


def share_within(steps: Sequence[tuple[datetime, Mapping[str, Any] | None]]) -> float | None:
    """How much of the time the rule was within its tolerance while it moved; None: it never moved."""
    moving = [said for _, said in steps if said is not None and not said["frozen"]]
    return sum(map(is_within, moving)) / len(moving) if moving else None


def is_within(said: Mapping[str, Any]) -> bool:
    """A share within so many points of its target; a floor is missed only from below, by so large a part."""
    if said["kind"] == "share_target":
        return bool(abs(said["actual"] - said["target"]) <= said["tolerance"])
    return bool(said["actual"] >= said["target"] * (1 - said["tolerance"]))
