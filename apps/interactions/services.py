"""The one door for events, and for erasing a member altogether.

`record_events` stores a batch once, derives relationships in the same transaction, and tells the online state
before it returns. Relationships never depend on the order in which events arrive (relationships.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from datetime import datetime
from uuid import UUID

from django.db import connection, transaction

from apps.common.bodies import Rejected
from apps.common.metrics import STORED
from apps.interactions.arrays import columns
from apps.interactions.bodies import EventBody
from apps.interactions.bonds import ERASING, UNDOING, bonds_of_events, settle, telling
from apps.interactions.checks import (
    EventResult,
    Known,
    Row,
    digests_of,
    is_timely,
    judge,
    look_up,
    repeated,
)
from apps.interactions.erasure import erase_member
from apps.interactions.models import EventType
from apps.interactions.online import Effect
from apps.interactions.partitions import ensure_partitions
from apps.interactions.relationships import DECISIVE, UNDOABLE, Bond, bond_of
from apps.interactions.signals import Deed

__all__ = ["EventResult", "erase_member", "record_events"]

_KEYS = """
INSERT INTO interactions_eventkey (id, digest, occurred_at)
SELECT id, decode(digest, 'hex'), at
FROM unnest(%s::uuid[], %s::text[], %s::timestamptz[]) AS k(id, digest, at) ORDER BY 1
ON CONFLICT (id) DO NOTHING RETURNING id
"""
_UNDONE = """
INSERT INTO interactions_undone (event, actor, undone_by, occurred_at)
SELECT * FROM unnest(%s::uuid[], %s::int[], %s::uuid[], %s::timestamptz[]) ORDER BY 1, 2
ON CONFLICT (event, actor) DO NOTHING
"""
_EVENTS = """
COPY interactions_event (id, type, actor, target, target_kind, surface, delivery, position, occurred_at,
    received_at, context) FROM STDIN
"""


def record_events(
    bodies: Sequence[EventBody | Rejected], *, now: datetime, from_file: bool = False
) -> list[EventResult]:
    """Stores each event once; a result per event, in order. `from_file` also takes what is over 30 days old.

    When it returns, all accepted events are durable and nobody is shown whom they exclude.
    """
    events = [body for body in bodies if isinstance(body, EventBody)]
    timely = [body.occurred_at for body in events if is_timely(body, now=now, from_file=from_file)]
    ensure_partitions("interactions_event", timely)
    with transaction.atomic():
        _begin()
        known = look_up(events)
        results, rows = _judge_all(bodies, known, now=now, from_file=from_file)
        rows = _store(rows, results, now)
        bonds = _touched(rows, DECISIVE)
        _lock_undos(rows)
        undone = bonds_of_events([UUID(row.body.target) for row in rows.values() if row.target is None])
        settle(bonds | undone)
    STORED.inc(len(rows))
    lifted = undone | _touched(rows, {EventType.UNBLOCK}) | _repeated_bonds(bodies, results)
    _tell(bonds | lifted, lifted, rows.values(), now)
    return results


def _begin() -> None:
    """Durable when committed, and never beside the erasure of a member that was just looked up."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('synchronous_commit', 'on', true), pg_advisory_xact_lock_shared(%s)", [ERASING]
        )


def _judge_all(
    bodies: Sequence[EventBody | Rejected], known: Known, *, now: datetime, from_file: bool
) -> tuple[list[EventResult], dict[int, Row]]:
    """Results in order (of rows still to be stored: accepted), and the rows by their place in the batch."""
    results: list[EventResult] = []
    rows: dict[int, Row] = {}
    for i, body in enumerate(bodies):
        if isinstance(body, Rejected):
            results.append(EventResult(body.id, "rejected", body.code, body.field, body.detail))
            continue
        found = judge(body, known, now=now, from_file=from_file)
        if isinstance(found, Row):
            known.digests[body.id] = found.digest  # the same id again in this batch
            rows[i] = found
            found = EventResult(str(body.id), "accepted")
        results.append(found)
    return results, rows


def _store(rows: dict[int, Row], results: list[EventResult], now: datetime) -> dict[int, Row]:
    """Writes keys, events, undos; the rows that are new. What another batch wrote meanwhile is repeated."""
    new = _store_keys(rows.values())
    lost = {i: row for i, row in rows.items() if row.body.id not in new}
    if lost:
        digests = digests_of([row.body.id for row in lost.values()])
        for i, row in lost.items():
            results[i] = repeated(row.body, digests.get(row.body.id) == row.digest)
    kept = {i: row for i, row in rows.items() if i not in lost}
    if kept:
        _store_events(kept.values(), now)
    _store_undos([row for row in kept.values() if row.body.type == EventType.UNDO])
    return kept


def _store_keys(rows: Iterable[Row]) -> set[UUID]:
    keys = [(row.body.id, row.digest.hex(), row.body.occurred_at) for row in rows]
    if not keys:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(_KEYS, columns(keys, 3))
        return {key for (key,) in cursor.fetchall()}


def _store_events(rows: Iterable[Row], now: datetime) -> None:
    with connection.cursor() as cursor, cursor.copy(_EVENTS) as copy:
        for row in rows:
            body = row.body
            copy.write_row(
                (
                    body.id,
                    body.type.value,
                    row.actor,
                    row.target,
                    row.kind,
                    body.surface or "",
                    body.delivery,
                    body.position,
                    body.occurred_at,
                    now,
                    row.context,
                )
            )


def _store_undos(rows: Sequence[Row]) -> None:
    if rows:
        undos = [(UUID(row.body.target), row.actor, row.body.id, row.body.occurred_at) for row in rows]
        with connection.cursor() as cursor:
            cursor.execute(_UNDONE, columns(undos, 4))


def _lock_undos(rows: dict[int, Row]) -> None:
    """An undo and the event that it names may come at once in two batches: the second sees the first."""
    types = {row.body.type for row in rows.values()}
    with connection.cursor() as cursor:
        if EventType.UNDO in types:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [UNDOING])
        elif types & UNDOABLE:
            cursor.execute("SELECT pg_advisory_xact_lock_shared(%s)", [UNDOING])


def _touched(rows: dict[int, Row], types: Set[str]) -> set[Bond]:
    return {
        bond_of(row.body.type, row.actor, row.target, row.kind, row.body.surface or "")
        for row in rows.values()
        if row.target is not None and row.body.type in types
    }


def _repeated_bonds(bodies: Sequence[EventBody | Rejected], results: Sequence[EventResult]) -> set[Bond]:
    """Told again, so that sending an event once more heals a write that was lost after its commit."""
    again: list[UUID] = []
    for body, result in zip(bodies, results, strict=True):
        if result.status == "duplicate" and isinstance(body, EventBody):
            again += [body.id] if body.type in DECISIVE else []
            again += [UUID(body.target)] if body.type == EventType.UNDO else []
    return bonds_of_events(again)


def _tell(bonds: set[Bond], lifted: set[Bond], rows: Iterable[Row], now: datetime) -> None:
    from apps.interactions.online import apply

    rows = list(rows)
    seen = [
        Effect(
            "impression",
            "",
            row.actor,
            row.target,
            row.kind,
            row.body.surface or "",
            row.body.occurred_at,
            row.body.delivery,
            now,
        )
        for row in rows
        if row.body.type == EventType.IMPRESSION and row.target is not None
    ]
    deeds = [_deed(row) for row in rows]
    with telling(bonds, lifted) as effects:
        if effects or deeds:
            apply([*effects, *seen], deeds)


def _deed(row: Row) -> Deed:
    body = row.body
    of = UUID(body.target) if row.target is None else None
    reason = body.context.reason or ""
    return Deed(
        body.type.value,
        row.actor,
        row.target,
        row.kind,
        body.surface or "",
        body.occurred_at,
        body.id,
        reason,
        of,
    )
