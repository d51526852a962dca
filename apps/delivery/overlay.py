"""What changed since the snapshot: who joined, who may not be shown or look any more, who travels.

Takes numbers from the change feed; gives small tables and sets that requests read beside the snapshot. An
optimisation, never the guard: whoever is gone is also refused by the reserve script.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
from django.db import connection

from apps.common import clock
from apps.common.changes import Position, changes_after, latest_position
from apps.pipeline.snapshot import Snapshot, Table, empty_table

I32 = npt.NDArray[np.int32]
MOST_NEWCOMERS = 5000  # beyond, the oldest wait for the next refresh
OVERLAP = timedelta(minutes=10)  # a transaction that began before the data cut-off may have ended after it


@dataclass(frozen=True)
class Overlay:
    """One consistent picture of the changes up to `position`."""

    position: Position = field(default_factory=Position)
    newcomers: Mapping[str, Table] = field(default_factory=dict)  # by surface: unknown candidates
    viewers: Mapping[str, Table] = field(default_factory=dict)  # by surface: unknown viewers
    gone: Mapping[str, frozenset[int]] = field(default_factory=dict)  # by kind
    gone_sorted: Mapping[str, I32] = field(default_factory=dict)
    barred: frozenset[int] = frozenset()  # known, but may not look: not active, stopped or under age
    erased: frozenset[int] = frozenset()
    numbers: Mapping[str, Mapping[str, int]] = field(default_factory=dict)  # by kind: the app's id to number
    ids: Mapping[str, Mapping[int, str]] = field(default_factory=dict)
    away: Mapping[int, int] = field(default_factory=dict)  # viewer to index of the market they travel in

    def viewer_row(self, surface: str, number: int) -> Table | None:
        """The one-row table of a viewer whom the snapshot does not know."""
        table = self.viewers.get(surface)
        rows = np.flatnonzero(table["number"] == number) if table is not None else ()
        return table.gather(np.asarray(rows[:1])) if table is not None and len(rows) else None


def first_overlay(snapshot: Snapshot) -> Overlay:
    """Everything that changed since the snapshot's data cut-off."""
    position = latest_position()
    since = datetime.fromtimestamp(snapshot.created_at, UTC) - OVERLAP
    sql = "SELECT DISTINCT split_part(kind, '.', 1), number FROM common_change WHERE created_at > %s"
    changed = _by_kind(_rows(sql, [since]))
    return replace(with_changes(Overlay(), snapshot, changed), position=position)


def followed(overlay: Overlay, snapshot: Snapshot) -> Overlay:
    """The overlay with the changes that were committed since."""
    changes = changes_after(overlay.position)
    if not changes:
        return overlay
    last = Position(changes[-1].transaction, changes[-1].id)
    changed = _by_kind((change.kind.partition(".")[0], change.number) for change in changes)
    return replace(with_changes(overlay, snapshot, changed), position=last)


def with_changes(overlay: Overlay, snapshot: Snapshot, changed: Mapping[str, set[int]]) -> Overlay:
    """The overlay after these members and places were read again."""
    for kind in ("member", "place"):
        numbers = changed.get(kind, set())
        if numbers:
            overlay = _reread(overlay, snapshot, kind, numbers)
    return overlay


def travellers(snapshot: Snapshot) -> dict[int, int]:
    """Who draws from another market today: a trip, else the current market."""
    index = {market.get("id"): i for i, market in enumerate(snapshot.markets)}
    current = _rows(
        "SELECT number, current_market_id FROM members_member "
        "WHERE current_market_id IS NOT NULL AND current_market_id IS DISTINCT FROM home_market_id",
        [],
    )
    trips = _rows(
        "SELECT member_id, market_id FROM members_trip WHERE %s BETWEEN starts_on AND ends_on",
        [clock.today()],
    )
    return {number: index[market] for number, market in (*current, *trips) if market in index}


def _reread(overlay: Overlay, snapshot: Snapshot, kind: str, numbers: set[int]) -> Overlay:
    ids = _ids(kind, numbers)
    shown = _numbers_of(_table(snapshot, kind, numbers, who="shown"))
    overlay = _with_ids(overlay, kind, ids)
    gone = (overlay.gone.get(kind, frozenset()) - numbers) | (numbers - shown)
    overlay = replace(
        overlay,
        gone={**overlay.gone, kind: gone},
        gone_sorted={**overlay.gone_sorted, kind: np.array(sorted(gone), "i4")},
        newcomers=_newcomers(overlay, snapshot, kind, numbers, shown),
    )
    if kind == "place":
        return overlay
    active = _table(snapshot, kind, numbers, who="active")
    return replace(
        overlay,
        viewers=_viewers(overlay, snapshot, numbers, active),
        barred=(overlay.barred - numbers) | (numbers - _numbers_of(active)),
        erased=(overlay.erased - numbers) | (numbers - ids.keys()),
    )


def _newcomers(
    overlay: Overlay, snapshot: Snapshot, kind: str, numbers: set[int], shown: set[int]
) -> dict[str, Table]:
    result = dict(overlay.newcomers)
    table = _table(snapshot, kind, shown, who="shown")
    for key, data in snapshot.surfaces.items():
        if data.kind == kind:
            fresh = table.gather(np.flatnonzero(_unknown(data.row_of, table["number"])))
            result[key] = _merged(result.get(key), numbers, _embedded(snapshot, key, fresh))
    return result


def _viewers(overlay: Overlay, snapshot: Snapshot, numbers: set[int], active: Table) -> dict[str, Table]:
    result = dict(overlay.viewers)
    for key, data in snapshot.surfaces.items():
        fresh = active.gather(np.flatnonzero(_unknown(data.viewer_row_of, active["number"])))
        result[key] = _merged(result.get(key), numbers, _embedded(snapshot, key, fresh))
    return result


def _merged(before: Table | None, changed: set[int], fresh: Table) -> Table:
    if before is None or not len(before):
        merged = fresh
    else:
        stays = np.flatnonzero(~np.isin(before["number"], list(changed)))
        merged = before.gather(stays).concat(fresh)
    if len(merged) <= MOST_NEWCOMERS:
        return merged
    return merged.gather(np.sort(np.argsort(merged["number"])[-MOST_NEWCOMERS:]))


def _table(snapshot: Snapshot, kind: str, numbers: Iterable[int], *, who: str) -> Table:
    from apps.refresh.columns import member_table, place_table

    wanted = list(numbers)
    if not wanted:
        return empty_table(kind)
    given: dict[str, Any] = {"markets": snapshot.markets, "vocabulary": snapshot.vocabulary}
    return member_table(wanted, who=who, **given) if kind == "member" else place_table(wanted, **given)


def _embedded(snapshot: Snapshot, surface: str, table: Table) -> Table:
    from apps.pipeline.features.tower import embed

    today = int(clock.today().strftime("%Y%m%d"))
    return embed(table, surface=surface, content=snapshot.content, today=today)


def _unknown(row_of: I32, numbers: I32) -> npt.NDArray[np.bool_]:
    known = numbers < len(row_of)
    known[known] = row_of[numbers[known]] >= 0
    return ~known


def _with_ids(overlay: Overlay, kind: str, ids: Mapping[int, str]) -> Overlay:
    numbers = {external_id: number for number, external_id in ids.items()}
    return replace(
        overlay,
        ids={**overlay.ids, kind: {**overlay.ids.get(kind, {}), **ids}},
        numbers={**overlay.numbers, kind: {**overlay.numbers.get(kind, {}), **numbers}},
    )


def _ids(kind: str, numbers: Iterable[int]) -> dict[int, str]:
    table = {"member": "members_member", "place": "places_place"}[kind]
    return dict(_rows(f"SELECT number, external_id FROM {table} WHERE number = ANY(%s)", [list(numbers)]))


def _numbers_of(table: Table) -> set[int]:
    return set(table["number"].tolist())


def _by_kind(rows: Iterable[tuple[str, int]]) -> dict[str, set[int]]:
    changed: dict[str, set[int]] = {}
    for kind, number in rows:
        changed.setdefault(kind, set()).add(number)
    return changed


def _rows(sql: str, parameters: list[Any]) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())
