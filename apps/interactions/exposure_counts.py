"""What the exposure counters must be, from Postgres alone: the definition that the ledger is held against.

A delivery that the ledger counted exposes each of its candidates once, in the hour of `served_at`. It counts
while it waits (until `served_at`, in whole seconds, plus the hold, at least 10 minutes), and for good when an
impression of its viewer says so, about that candidate on that surface:
  one that names the delivery, whenever it arrives, or
  one that names none and was received after the grant.
The phone's clock may be a day behind for the first, 5 minutes for the second. A list answered without the
ledger counts nobody: it shows only who has no cap. An erased viewer's exposures go with their deliveries.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from apps.common import online
from apps.common.copy_out import columns_of
from apps.interactions.exposures import CLOCKS_DIFFER_SECONDS, LEAST_WAIT_SECONDS, NAMED_BEHIND_SECONDS

HOUR = 3600
COUNTED_HOURS = 24  # besides the present one

_EXPOSURES = """
WITH named AS (
    SELECT delivery, target, surface, extract(epoch FROM max(occurred_at)) + %(named)s AS until
    FROM interactions_event
    WHERE type = 'impression' AND delivery IS NOT NULL
        AND occurred_at >= to_timestamp(%(oldest)s - %(named)s)
    GROUP BY delivery, target, surface
), unnamed AS (
    SELECT actor, target, surface,
        max(least(extract(epoch FROM received_at), extract(epoch FROM occurred_at) + %(apart)s)) AS until
    FROM interactions_event
    WHERE type = 'impression' AND delivery IS NULL AND occurred_at >= to_timestamp(%(oldest)s - %(apart)s)
    GROUP BY actor, target, surface
), shown AS (
    SELECT id, surface, array_position(%(surfaces)s::text[], surface::text) - 1 AS place, viewer, candidates,
        floor(extract(epoch FROM served_at))::bigint AS granted, greatest(hold_seconds, %(wait)s) AS wait,
        substring(uuid_send(id) FROM 9) AS tag
    FROM interactions_delivery
    WHERE served_at >= to_timestamp(%(oldest)s) AND counted AND surface = ANY(%(surfaces)s::text[])
)
SELECT s.place, s.viewer, candidate, s.granted, s.granted + s.wait AS due, s.tag,
    coalesce(named.until >= s.granted, false) OR coalesce(unnamed.until >= s.granted, false) AS seen
FROM shown s CROSS JOIN unnest(s.candidates) AS candidate
LEFT JOIN named ON named.delivery = s.id AND named.target = candidate AND named.surface = s.surface
LEFT JOIN unnamed ON unnamed.actor = s.viewer AND unnamed.target = candidate AND unnamed.surface = s.surface
WHERE candidate > 0
"""
_COLUMNS = {
    "surface": "int", "viewer": "int", "candidate": "int", "granted": "bigint", "due": "bigint",
    "tag": "half", "seen": "boolean",
}  # fmt: skip


@dataclass(frozen=True)
class Exposures:
    """Every exposure of the hours that count, as columns. `surface` is an index into `surfaces`."""

    surfaces: Sequence[str]
    now: int
    surface: npt.NDArray[np.int32]
    viewer: npt.NDArray[np.int32]
    candidate: npt.NDArray[np.int32]
    granted: npt.NDArray[np.int64]
    due: npt.NDArray[np.int64]
    tag: npt.NDArray[np.uint64]
    seen: npt.NDArray[np.uint8]

    @property
    def counts(self) -> npt.NDArray[np.bool_]:
        """[n] which are counted now."""
        return np.asarray((self.seen > 0) | (self.due > self.now))


def read_exposures(surfaces: Sequence[str], now: float) -> Exposures:
    """What Postgres says, with one query."""
    oldest = (int(now) // HOUR - COUNTED_HOURS) * HOUR
    given = {
        "surfaces": list(surfaces),
        "oldest": oldest,
        "apart": CLOCKS_DIFFER_SECONDS,
        "named": NAMED_BEHIND_SECONDS,
        "wait": LEAST_WAIT_SECONDS,
    }
    return Exposures(surfaces, int(now), **columns_of(_EXPOSURES, _COLUMNS, given))


def counters_of(found: Exposures) -> dict[str, dict[int, bytes]]:
    """By surface, the field of every candidate as the reserve script keeps it."""
    packed: dict[str, dict[int, bytes]] = {}
    field = np.dtype([("hour", "<u4"), ("count", "<u2")])
    for place, surface in enumerate(found.surfaces):
        rows = np.flatnonzero(found.counts & (found.surface == place))
        key = found.candidate[rows].astype("i8") << 32 | found.granted[rows] // HOUR
        unique, counts = np.unique(key, return_counts=True)
        hours = np.empty(len(unique), field)
        hours["hour"], hours["count"] = unique & 0xFFFFFFFF, np.minimum(counts, 65_535)
        numbers, starts = np.unique(unique >> 32, return_index=True)
        data, size = hours.tobytes(), field.itemsize
        bounds = [*starts.tolist(), len(unique)]
        packed[surface] = {
            number: data[start * size : end * size]
            for number, start, end in zip(numbers.tolist(), bounds, bounds[1:], strict=False)
        }
    return packed


def records_of(found: Exposures, place: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[Any]]:
    """Viewers and online.EXPOSURE records of those without an impression on one surface, by viewer."""
    rows = np.flatnonzero((found.seen == 0) & (found.surface == place))
    rows = rows[np.argsort(found.viewer[rows], kind="stable")]
    records = np.empty(len(rows), online.EXPOSURE)
    for name, column in (("number", found.candidate), ("granted", found.granted), ("due", found.due)):
        records[name] = column[rows]
    records["released"], records["tag"] = found.due[rows] <= found.now, found.tag[rows]
    return found.viewer[rows], records
