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
from apps.common.copy_out import Columns, many_columns_of
from apps.interactions.exposures import CLOCKS_DIFFER_SECONDS, LEAST_WAIT_SECONDS, NAMED_BEHIND_SECONDS

I64 = npt.NDArray[np.int64]
HOUR, MICROSECONDS = 3600, 1_000_000
COUNTED_HOURS = 24  # besides the present one

_DELIVERIES = """
SELECT viewer, array_position(%(surfaces)s::text[], surface::text) - 1 AS place, served_at,
    greatest(hold_seconds, %(wait)s) AS wait, substring(uuid_send(id) FROM 9) AS tag, candidates
FROM interactions_delivery
WHERE served_at >= to_timestamp(%(oldest)s) AND counted AND surface = ANY(%(surfaces)s::text[])
"""
_SHOWN = {
    "viewer": "int", "place": "int", "served_at": "moment", "wait": "int", "tag": "half",
    "candidates": "ints",
}  # fmt: skip
_IMPRESSIONS = """
SELECT actor, target, array_position(%(surfaces)s::text[], surface::text) - 1 AS place,
    delivery IS NOT NULL AS named, coalesce(substring(uuid_send(delivery) FROM 9), int8send(0)) AS tag,
    occurred_at, received_at
FROM interactions_event
WHERE type = 'impression' AND target IS NOT NULL AND surface = ANY(%(surfaces)s::text[])
    AND occurred_at >= to_timestamp(%(oldest)s - CASE WHEN delivery IS NULL THEN %(apart)s ELSE %(named)s END)
"""
_SEEN = {
    "actor": "int", "target": "int", "place": "int", "named": "boolean", "tag": "half",
    "occurred_at": "moment", "received_at": "moment",
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
    """What Postgres says, with one query for the deliveries and, after it, one for the impressions."""
    oldest = (int(now) // HOUR - COUNTED_HOURS) * HOUR
    given = {
        "surfaces": list(surfaces),
        "oldest": oldest,
        "apart": CLOCKS_DIFFER_SECONDS,
        "named": NAMED_BEHIND_SECONDS,
        "wait": LEAST_WAIT_SECONDS,
    }
    lists = many_columns_of(_DELIVERIES, _SHOWN, given)
    impressions = many_columns_of(_IMPRESSIONS, _SEEN, given)
    rows = np.repeat(np.arange(len(lists["viewer"])), lists["candidates"])
    shown = {name: lists[name][rows] for name in ("place", "viewer", "served_at", "wait", "tag")}
    shown["candidate"] = lists["candidates.each"]
    shown = {name: column[shown["candidate"] > 0] for name, column in shown.items()}
    granted = shown["served_at"] // MICROSECONDS
    return Exposures(
        surfaces,
        int(now),
        surface=shown["place"],
        viewer=shown["viewer"],
        candidate=shown["candidate"],
        granted=granted,
        due=granted + shown["wait"],
        tag=shown["tag"],
        seen=_seen(shown, granted * MICROSECONDS, impressions, len(surfaces)).astype("u1"),
    )


def _seen(shown: Columns, granted: I64, impressions: Columns, surfaces: int) -> npt.NDArray[np.bool_]:
    """[n] whether an impression says that the candidate was seen. Moments in microseconds."""
    tags = np.unique(shown["tag"])
    is_known = np.isin(impressions["tag"], tags)
    names = {name: column[is_known & (impressions["named"] > 0)] for name, column in impressions.items()}
    others = {name: column[impressions["named"] == 0] for name, column in impressions.items()}
    until = names["occurred_at"] + NAMED_BEHIND_SECONDS * MICROSECONDS
    keys = _keys(np.searchsorted(tags, names["tag"]), names["place"], names["target"], surfaces)
    of_shown = _keys(np.searchsorted(tags, shown["tag"]), shown["place"], shown["candidate"], surfaces)
    by_name = _latest_of(of_shown, keys, until) >= granted
    until = np.minimum(others["received_at"], others["occurred_at"] + CLOCKS_DIFFER_SECONDS * MICROSECONDS)
    keys = _keys(others["actor"], others["place"], others["target"], surfaces)
    of_shown = _keys(shown["viewer"], shown["place"], shown["candidate"], surfaces)
    return np.asarray(by_name | (_latest_of(of_shown, keys, until) >= granted))


def _keys(who: Any, place: Any, number: Any, surfaces: int) -> I64:
    """Three numbers as one."""
    return np.asarray((who.astype("i8") * surfaces + place) << 32 | number)


def _latest_of(wanted: I64, keys: I64, moments: I64) -> I64:
    """[n] the latest of the moments that stand under each wanted key; -1: none does."""
    if not len(keys):
        return np.full(len(wanted), -1)
    order = np.lexsort((moments, keys))
    keys, moments = keys[order], moments[order]
    last = np.searchsorted(keys, wanted, side="right") - 1
    return np.asarray(np.where((last >= 0) & (keys[last] == wanted), moments[last], -1))


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
