"""The pacer's prices as requests read them: from the rows of Postgres to apps.pipeline.rules.Pacing."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from apps.common.prepared import rows_of
from apps.delivery.models import PacingPrices
from apps.pipeline.rules import Pacing

# One candidate of a floor. `rule` is the place of its key among the floors' sorted keys. `count` is decayed;
# `integral` and `correction` are in spreads, up is positive.
FLOOR = np.dtype(
    [("rule", "<u2"), ("number", "<i4"), ("count", "<f4"), ("integral", "<f4"), ("correction", "<f4")]
)
# A newcomer who was shown, and how often since they joined, as far as it was counted.
SHOWN = np.dtype([("number", "<i4"), ("times", "<u4")])


def prices_of(row: PacingPrices) -> Pacing:
    """Corrections in Phi's units; a lift is a negative price."""
    shares = {key: -said["correction"] for key, said in row.rules.items() if said["kind"] == "share_target"}
    keys = sorted(key for key, said in row.rules.items() if said["kind"] == "floor")
    records = np.frombuffer(bytes(row.floors), FLOOR)
    floors = {}
    for place, key in enumerate(keys):
        mine = records[records["rule"] == place]
        mine = mine[np.argsort(mine["number"])]
        floors[key] = (mine["number"].astype("i4"), -mine["correction"].astype("f8") * row.spread)
    shown = np.frombuffer(bytes(row.newcomers), SHOWN)
    return Pacing(row.pk, shares, floors, (shown["number"].astype("i4"), shown["times"].astype("f8")))


def newer_prices(known: Mapping[str, Pacing]) -> Mapping[str, Pacing]:
    """The latest prices by surface; what is known already is not read again. Raises DatabaseError."""
    latest = dict(rows_of("SELECT surface, max(id) FROM delivery_pacingprices GROUP BY surface"))
    if {surface: pacing.version for surface, pacing in known.items()} == latest:
        return known
    kept = {surface: pacing for surface, pacing in known.items() if latest.get(surface) == pacing.version}
    new = [pk for surface, pk in latest.items() if surface not in kept]
    return kept | {row.surface: prices_of(row) for row in PacingPrices.objects.filter(pk__in=new)}
