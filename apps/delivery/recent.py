"""What the latest lists were made of, counted in the background: the traces of thousands of deliveries are
too much to read while somebody waits for a page.

Takes deliveries, gives a RecentFigure row per surface. Counting again corrects it, so it is safe to repeat.
"""

from __future__ import annotations

from datetime import timedelta

from apps.common import clock
from apps.delivery.rule_effects import flag_effects, rule_effects
from apps.interactions.models import RecentFigure
from apps.interactions.score_shares import score_shares
from apps.surfaces.models import Surface

MEASURED = timedelta(days=7)  # that what rules did is looked for


def count_recent() -> int:
    """Counts the latest lists of every surface; how many surfaces those were."""
    surfaces = list(Surface.objects.values_list("key", flat=True))
    for surface in surfaces:
        at = clock.now()
        found = {
            "shares": score_shares(surface),
            "effects": rule_effects(surface, at - MEASURED),
            "flags": flag_effects(surface, at - MEASURED),
        }
        RecentFigure.objects.update_or_create(surface=surface, defaults=found | {"counted_at": at})
    return len(surfaces)


def recent_of(surface: str) -> RecentFigure | None:
    """What was counted last; None before the first time."""
    return RecentFigure.objects.filter(surface=surface).first()
