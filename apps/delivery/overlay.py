"""What changed since the snapshot: who joined, changed, travels, or may not be shown or look any more.

Takes numbers from the change feed; gives small tables and sets that requests read beside the snapshot:
whoever changed in what eligibility or ranking reads has a row here, and the snapshot's is not read any more.
An optimisation, never the guard: whoever is gone is also refused by the reserve script.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
from django.db import connection

from apps.common import clock
from apps.common.changes import Position, changes_after, latest_position
from apps.delivery.coming import ComingTrips, coming_of
from apps.delivery.ties import ends_of_lost_ties, matches_of
from apps.pipeline.contracts import NOBODY
from apps.pipeline.sets import is_in, union
from apps.pipeline.snapshot import Snapshot, rows_in
from apps.pipeline.table import OF_REFRESH, Table, as_refreshed, empty_table
from apps.refresh.columns import member_table, place_table, shown_among
from apps.refresh.whereabouts import coming_trips, moved_by_the_date, placed, travellers

log = logging.getLogger(__name__)

I32 = npt.NDArray[np.int32]
MOST_ROWS = 20_000  # of a table; beyond, the oldest members are not shown until the next refresh
OVERLAP = timedelta(minutes=10)  # how long before the data cut-off a write may have begun that ended after it


@dataclass(frozen=True)
class Overlay:
    """One consistent picture of the changes up to `position`, and of who travels on `day`."""

    position: Position = field(default_factory=Position)
    day: date = field(default_factory=clock.today)
    # By surface, by number: candidates, and viewers, whom the snapshot doesn't know or knows otherwise.
    newcomers: Mapping[str, Table] = field(default_factory=dict)
    viewers: Mapping[str, Table] = field(default_factory=dict)
    waiting: Mapping[str, I32] = field(
        default_factory=dict
    )  # by surface, sorted: not in `viewers` for lack of room
    stale: Mapping[str, I32] = field(default_factory=dict)  # by surface, sorted: known otherwise
    gone: Mapping[str, frozenset[int]] = field(default_factory=dict)  # by kind
    gone_sorted: Mapping[str, I32] = field(default_factory=dict)
    barred: frozenset[int] = frozenset()  # known, but may not look: not active, stopped or under age
    erased: frozenset[int] = frozenset()
    untied: I32 = field(default_factory=lambda: NOBODY)  # sorted: may have lost a tie that the snapshot knows
    matched: I32 = field(default_factory=lambda: NOBODY)  # sorted: whom a match ties to one of these
    trips: ComingTrips = field(default_factory=ComingTrips)  # after `day`, of everybody
    numbers: Mapping[str, Mapping[str, int]] = field(default_factory=dict)  # by kind: the app's id to number
    ids: Mapping[str, Mapping[int, str]] = field(default_factory=dict)

    def untied_for(self, viewer: int) -> I32:
        """With a viewer whose walks may go over a match to one of the untied."""
        if not len(self.matched) or not is_in(also := np.array([viewer], "i4"), self.matched)[0]:
            return self.untied
        return union(self.untied, also)

    def viewer_row(self, surface: str, number: int) -> Table | None:
        """The one-row table of a viewer whom the snapshot doesn't know, or knows otherwise."""
        at = self.viewer_at(surface, number)
        return self.viewers[surface].gather(np.array([at])) if at >= 0 else None

    def waits(self, surface: str, number: int) -> bool:
        """Whether the viewer changed but has no row here: the snapshot's is not theirs any more."""
        return bool(is_in(np.array([number]), self.waiting.get(surface, NOBODY))[0])

    def viewer_at(self, surface: str, number: int) -> int:
        """Their row in `viewers`; -1: they have none."""
        table = self.viewers.get(surface)
        if table is None or not len(table):
            return -1
        at = int(np.searchsorted(table["number"], number))
        return at if at < len(table) and table["number"][at] == number else -1


def first_overlay(snapshot: Snapshot) -> Overlay:
    """Everything that changed since the snapshot was read, by the feed and by the date."""
    position, today = latest_position(), clock.today()
    cut_off = datetime.fromtimestamp(snapshot.created_at, UTC)
    read = snapshot.manifest.get("position")
    if read is not None and read <= position.transaction:
        since, value = "transaction > %s", read
    else:  # of a snapshot from before, or of another server's transactions
        since, value = "created_at > %s", cut_off - OVERLAP
    sql = f"SELECT DISTINCT split_part(kind, '.', 1), number FROM common_change WHERE {since}"
    changed = _with_moved(_by_kind(_rows(sql, [value])), cut_off.date(), today)
    overlay = Overlay(trips=coming_of(coming_trips(snapshot.markets, today)))
    return replace(with_changes(overlay, snapshot, changed), position=position, day=today)


def followed(overlay: Overlay, snapshot: Snapshot) -> Overlay:
    """The overlay with the changes that were committed since, and with trips that the date began or ended."""
    changes, today = changes_after(overlay.position), clock.today()
    if not changes and overlay.day == today:
        return overlay
    changed = _by_kind((change.kind.partition(".")[0], change.number) for change in changes)
    last = Position(changes[-1].transaction, changes[-1].id) if changes else overlay.position
    changed = _with_moved(changed, overlay.day, today)
    if overlay.day != today:  # others come into sight, and some have begun
        overlay = replace(overlay, trips=coming_of(coming_trips(snapshot.markets, today)))
    return replace(with_changes(overlay, snapshot, changed), position=last, day=today)


def with_changes(overlay: Overlay, snapshot: Snapshot, changed: Mapping[str, set[int]]) -> Overlay:
    """The overlay after these members, places and ties were read again."""
    for kind in ("member", "place"):
        numbers = changed.get(kind, set())
        if numbers:
            overlay = _reread(overlay, snapshot, kind, numbers)
    return _with_lost_ties(
        overlay, snapshot, changed.get("connection", set()), changed.get("relationship", set())
    )


def _with_moved(changed: dict[str, set[int]], since: date, today: date) -> dict[str, set[int]]:
    if since != today:  # a clock may have been set back
        changed.setdefault("member", set()).update(moved_by_the_date(*sorted((since, today))))
    return changed


def _reread(overlay: Overlay, snapshot: Snapshot, kind: str, numbers: set[int]) -> Overlay:
    ids = _ids(kind, numbers)
    table = _table(snapshot, kind, numbers)  # who may look; places that may be shown
    shown = table if kind == "place" else table.gather(_positions(table, shown_among(numbers)))
    overlay = _with_ids(overlay, kind, ids)
    gone = (overlay.gone.get(kind, frozenset()) - numbers) | (numbers - _numbers_of(shown))
    overlay = replace(
        overlay,
        gone={**overlay.gone, kind: gone},
        gone_sorted={**overlay.gone_sorted, kind: np.array(sorted(gone), "i4")},
    )
    overlay = _with_candidates(overlay, snapshot, kind, numbers, shown)
    if kind == "place":
        return overlay
    overlay = _with_viewers(overlay, snapshot, numbers, table)
    trips = coming_of(coming_trips(snapshot.markets, clock.today(), numbers))
    return replace(
        overlay,
        trips=overlay.trips.reread(numbers, trips),
        barred=(overlay.barred - numbers) | (numbers - _numbers_of(table)),
        erased=(overlay.erased - numbers) | (numbers - ids.keys()),
    )


def _with_lost_ties(overlay: Overlay, snapshot: Snapshot, connected: set[int], related: set[int]) -> Overlay:
    """Who blocked, reported or met it is untied without a look at their ties: they are few."""
    untied = related | ends_of_lost_ties(snapshot.connections, connected)
    if not untied:
        return overlay
    return replace(
        overlay,
        untied=np.union1d(overlay.untied, sorted(untied)).astype("i4"),
        matched=np.union1d(overlay.matched, matches_of(untied)).astype("i4"),
    )


def _with_candidates(
    overlay: Overlay, snapshot: Snapshot, kind: str, numbers: set[int], shown: Table
) -> Overlay:
    """Of too many the highest numbers stay: who joined last is in no snapshot."""
    newcomers, stale = dict(overlay.newcomers), dict(overlay.stale)
    for key, data in snapshot.surfaces.items():
        if data.kind == kind:
            fresh = _fresh(snapshot, key, data.candidates, data.row_of, shown)
            known = fresh["number"][rows_in(data.row_of, fresh["number"]) >= 0]
            merged = _merged(newcomers.get(key), numbers, fresh)
            if len(merged) > MOST_ROWS:
                log.warning("%d of the changed wait for the next refresh", len(merged) - MOST_ROWS)
            newcomers[key] = merged.gather(np.arange(len(merged))[-MOST_ROWS:])
            stale[key] = np.union1d(_others(stale.get(key), numbers), known).astype("i4")
    return replace(overlay, newcomers=newcomers, stale=stale)


def _with_viewers(overlay: Overlay, snapshot: Snapshot, numbers: set[int], active: Table) -> Overlay:
    """Of too many the latest stay: a viewer who waits is read again when they ask (see World.viewer_row)."""
    viewers, waiting = dict(overlay.viewers), dict(overlay.waiting)
    for key, data in snapshot.surfaces.items():
        merged = _merged(
            viewers.get(key), numbers, _fresh(snapshot, key, data.viewers, data.viewer_row_of, active)
        )
        kept = np.sort(np.argsort(np.isin(merged["number"], list(numbers)), kind="stable")[-MOST_ROWS:])
        viewers[key] = merged.gather(kept)
        known = np.append(_others(waiting.get(key), numbers), merged["number"])
        waiting[key] = np.setdiff1d(known, viewers[key]["number"]).astype("i4")
    return replace(overlay, viewers=viewers, waiting=waiting)


def _fresh(snapshot: Snapshot, surface: str, known: Table, row_of: I32, table: Table) -> Table:
    """Of these rows those whom the snapshot doesn't know, and those who are not any more as it knows them.

    The latter keep what only a refresh learns: taste, looks, appeal and the like.
    """
    rows = rows_in(row_of, table["number"])
    at = np.flatnonzero(rows >= 0)
    before = known.gather(rows[at])
    changed = np.zeros(len(at), "?")
    for name, column in table.columns.items():
        if name not in (*OF_REFRESH, "active_hour"):
            changed |= column[at] != before[name]
    edited = as_refreshed(table.gather(at[changed]), before.gather(np.flatnonzero(changed)))
    return _embedded(snapshot, surface, table.gather(np.flatnonzero(rows < 0))).concat(edited)


def _merged(before: Table | None, changed: set[int], fresh: Table) -> Table:
    """By number."""
    if before is not None and len(before):
        fresh = before.gather(np.flatnonzero(~np.isin(before["number"], list(changed)))).concat(fresh)
    return fresh.gather(np.argsort(fresh["number"], kind="stable"))


def _others(before: I32 | None, changed: set[int]) -> I32:
    return NOBODY if before is None else before[~np.isin(before, list(changed))]


def _positions(table: Table, numbers: set[int]) -> npt.NDArray[np.intp]:
    return np.flatnonzero(np.isin(table["number"], list(numbers)))


def _table(snapshot: Snapshot, kind: str, numbers: Iterable[int]) -> Table:
    wanted = list(numbers)
    if not wanted:
        return empty_table(kind)
    given: dict[str, Any] = {"markets": snapshot.markets, "vocabulary": snapshot.vocabulary}
    if kind == "place":
        return place_table(wanted, **given)
    away = travellers(snapshot.markets, clock.today(), wanted)
    return placed(member_table(wanted, who="active", **given), away)


def _embedded(snapshot: Snapshot, surface: str, table: Table) -> Table:
    from apps.pipeline.features.tower import embed

    today = int(clock.today().strftime("%Y%m%d"))
    return embed(table, surface=surface, content=snapshot.content, today=today)


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


def _rows(sql: str, parameters: list[Any] | dict[str, Any]) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())
