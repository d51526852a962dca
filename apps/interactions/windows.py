"""When an event may have happened to be taken: lately, or as a back-fill as far back as months are kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from apps.interactions.retention import kept_since

AHEAD = timedelta(minutes=5)  # clocks differ
BEHIND = timedelta(days=30)  # older ones only as a back-fill; retention keeps more than this


@dataclass(frozen=True)
class Window:
    first: datetime
    last: datetime

    def holds(self, moment: datetime) -> bool:
        return self.first <= moment <= self.last


def window_of(now: datetime, *, backfill: bool) -> Window:
    """An id from before the kept months may have been forgotten: nothing from there is taken by any way."""
    return Window(kept_since("interactions_event") if backfill else now - BEHIND, now + AHEAD)
