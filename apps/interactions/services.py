"""The one door for events, and for erasing a member altogether.

`record_events` stores a batch once, derives relationships in the same transaction, and tells the online state
before it returns. Relationships never depend on the order in which events arrive (relationships.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from apps.common import clock
from apps.common.bodies import Rejected
from apps.common.metrics import STORED
from apps.common.prepared import rows_of
from apps.interactions.bodies import EventBody
from apps.interactions.bonds import ERASING, Lock, bonds_of_events, locks_of, settle
from apps.interactions.checks import EventResult, Known, Repeats, Row, judge, look_up
from apps.interactions.erasure import erase_member
from apps.interactions.models import EventType
from apps.interactions.online import Effect
from apps.interactions.partitions import ensure_partitions
from apps.interactions.relationships import DECISIVE, UNDOABLE, Bond, bond_of
from apps.interactions.signals import Deed
from apps.interactions.storing import store
from apps.interactions.telling import deeds_of, tell
from apps.interactions.windows import Window, window_of

__all__ = ["EventResult", "erase_member", "record_events"]

_BEGIN = """
SELECT statement_timestamp(), set_config('synchronous_commit', 'on', true), pg_advisory_xact_lock_shared(%s)
"""
CLOCKS_DIFFER = timedelta(days=1)  # months are made before it is known what the time is
Rows = dict[int, Row]  # by their place in the batch


def record_events(
    bodies: Sequence[EventBody | Rejected], *, now: datetime, backfill: bool = False
) -> list[EventResult]:
    """Stores each event once; a result per event, in order. `backfill` also takes what is over 30 days old.

    When it returns, all accepted events are durable and nobody is shown whom they exclude. `now` is put right
    by Postgres's clock: what was seen after a grant was also received after it, whichever machines did what.
    """
    events = [body for body in bodies if isinstance(body, EventBody)]
    near = Window(window_of(now - CLOCKS_DIFFER, backfill=backfill).first, now + CLOCKS_DIFFER)
    ensure_partitions(
        "interactions_event", {body.occurred_at for body in events if near.holds(body.occurred_at)}
    )
    with transaction.atomic():
        # Durable when committed, and never beside the erasure of a member that was just looked up.
        asked_at = clock.now()
        ((theirs, *_),) = rows_of(_BEGIN, [ERASING])
        now += clock.behind(theirs, asked_at=asked_at, answered_at=clock.now())
        results, rows = _judge_all(bodies, look_up(events), window_of(now, backfill=backfill))
        given = list(rows.values())
        held, locks = _locks(given, whole=len(given) == len(events))
        new, untold = store(given, now, locks)
        kept = given if len(new) == len(given) else [row for row in given if row.body.id in new]
        repeated = _answer_repeats(results, bodies, rows, new)
        effects = _settle(kept, repeated, held)
        deeds = [_deed(row, now) for row in kept] + deeds_of({body.id for body in repeated} - new)
    STORED.inc(len(kept))
    tell(effects, deeds, untold)
    return results


def _judge_all(
    bodies: Sequence[EventBody | Rejected], known: Known, window: Window
) -> tuple[list[EventResult], Rows]:
    """Results in order (of what may be stored: accepted), and the rows; of each id the first."""
    results: list[EventResult] = []
    rows: Rows = {}
    ids: set[UUID] = set()
    for i, body in enumerate(bodies):
        if isinstance(body, Rejected):
            results.append(EventResult(body.id, "rejected", body.code, body.field, body.detail))
            continue
        found = judge(body, known, window)
        if isinstance(found, Row):
            if body.id not in ids:
                ids.add(body.id)
                rows[i] = found
            found = EventResult(str(body.id), "accepted")
        results.append(found)
    return results, rows


def _answer_repeats(
    results: list[EventResult], bodies: Sequence[EventBody | Rejected], rows: Rows, new: Set[UUID]
) -> list[EventBody]:
    """Puts in place what is answered to ids that are not new; gives the duplicates."""
    if len(new) == len(bodies):
        return []
    others = {
        i: body
        for i, body in enumerate(bodies)
        if isinstance(body, EventBody) and not (i in rows and body.id in new)
    }
    repeats = Repeats(rows, new, list(others.values()))
    for i, body in others.items():
        results[i] = repeats.answer(i, body) or results[i]
    return [body for i, body in others.items() if results[i].status == "duplicate"]


def _locks(rows: Sequence[Row], *, whole: bool) -> tuple[set[Bond], list[Lock]]:
    """What is locked as the rows are stored, and the bonds that can be decided with that.

    Which bonds an undo is about is known once it has its own lock: then none of them is locked before. So it
    is where a body is no row (not `whole`): it may repeat what is stored, and that is decided anew, too.
    """
    undone = [row.of for row in rows if row.of is not None]
    takeable = [row.body.id for row in rows if row.body.type in UNDOABLE]
    bonds = _touched(rows, DECISIVE) if whole and not undone else set()
    return bonds, locks_of(bonds, undone=undone, events=takeable)


def _settle(kept: Sequence[Row], repeated: Sequence[EventBody], held: Set[Bond]) -> list[Effect]:
    """What is repeated is told again, so that sending an event once more heals a write that was lost."""
    undone = {row.of for row in kept if row.of is not None}
    again = {body.id for body in repeated if body.type in DECISIVE}
    again |= {UUID(body.target) for body in repeated if body.type == EventType.UNDO}
    lifted = bonds_of_events(undone | again) | _touched(kept, {EventType.UNBLOCK})
    return settle(_touched(kept, DECISIVE) | lifted, lifted, held=held)


def _touched(rows: Iterable[Row], types: Set[str]) -> set[Bond]:
    return {
        bond_of(row.body.type, row.actor, row.target, row.kind, row.body.surface or "")
        for row in rows
        if row.target is not None and row.body.type in types
    }


def _deed(row: Row, now: datetime) -> Deed:
    body = row.body
    surface, reason = body.surface or "", body.context.reason or ""
    about = (body.type, row.actor, row.target, row.kind, surface, body.occurred_at, body.id)
    return Deed(*about, reason, row.of, body.delivery, now)
