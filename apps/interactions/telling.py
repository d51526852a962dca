"""Tells the online state what was committed, at once or later: nothing that was stored is left untold.

Each batch leaves a row in Postgres that says which events it stored. The row goes once Valkey has their
effects. What is left (a process that died, a Valkey that was away) is told again from the events themselves.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from datetime import timedelta
from uuid import UUID

from django.db import connection, transaction

from apps.common.prepared import rows_of
from apps.interactions.arrays import literal
from apps.interactions.bonds import bonds_of_events, settle
from apps.interactions.models import EventType
from apps.interactions.online import SEEN, Effect, apply
from apps.interactions.signals import Deed

log = logging.getLogger(__name__)

AT_ONCE = 50  # batches per step of catching up
IN_FLIGHT = timedelta(seconds=5)  # younger rows are most likely being told by whoever wrote them
FORGET_SECONDS = 0.25
# While Valkey is not believed, it may be written anew at this moment from what was read before: rows stay.
# A row may come again after a crash, which does no harm: nobody waits for this commit.
_FORGET = """
WITH told AS (
    DELETE FROM interactions_untold WHERE id = ANY(%s::bigint[])
    AND (%s OR (SELECT trusted FROM common_onlinestate WHERE id = 1))
) SELECT set_config('synchronous_commit', 'off', true)
"""
_UNTOLD = """
SELECT id, events FROM interactions_untold
WHERE (%s OR created_at <= statement_timestamp() - %s::interval) AND id > %s AND id <= %s
ORDER BY id LIMIT %s
"""
_NEWEST = "SELECT coalesce(max(id), 0) FROM interactions_untold"
_DEEDS = """
SELECT e.type, e.actor, e.target, e.target_kind, e.surface, e.occurred_at, e.id,
    coalesce(e.context->>'reason', ''), u.event, e.delivery, e.received_at
FROM interactions_eventkey k JOIN interactions_event e ON e.id = k.id AND e.occurred_at = k.occurred_at
LEFT JOIN interactions_undone u ON u.undone_by = e.id AND e.type = 'undo'
WHERE k.id = ANY(%s::uuid[])
"""

_told: deque[int] | None = None  # rows that `forget_told` deletes; None: each batch's goes at once


def tell(effects: Sequence[Effect], deeds: Sequence[Deed], untold: int) -> None:
    """Call after the commit. Returns once Valkey has them, or nobody believes Valkey any more.

    Raises Unavailable when neither store can be told.
    """
    if apply([*effects, *seen_of(deeds)], deeds) and untold:
        if _told is None:
            rows_of(_FORGET, [literal([untold]), False])
        else:
            _told.append(untold)


def forget_together() -> None:
    """From now on this process deletes the rows of what it told four times a second: a transaction for many
    batches instead of one for each. If it dies in between, they are told twice."""
    global _told
    _told = deque()
    threading.Thread(target=_forget_on, name="forget-told", daemon=True).start()


def forget_told() -> None:
    """Deletes the rows of what was told by now. If that fails, they wait for the next time."""
    told = _told or deque()
    numbers = [told.popleft() for _ in range(len(told))]
    if not numbers:
        return
    try:
        rows_of(_FORGET, [literal(numbers), False])
    except Exception:
        told.extend(numbers)
        raise


def _forget_on() -> None:
    while True:
        time.sleep(FORGET_SECONDS)
        try:
            forget_told()
        except Exception:  # without this thread every batch would be told twice
            log.exception("What was told could not be forgotten")
            with suppress(Exception):
                connection.close()


def seen_of(deeds: Iterable[Deed]) -> list[Effect]:
    """Of impressions; what was seen long before it was received (history) keeps nobody back."""
    return [
        Effect(
            deed.type, "", deed.actor, deed.target, deed.target_kind, deed.surface, deed.at,
            delivery=deed.delivery, received_at=deed.received_at,
        )
        for deed in deeds
        if deed.type == EventType.IMPRESSION
        and deed.target is not None
        and (deed.received_at is None or deed.received_at - deed.at < SEEN)
    ]  # fmt: skip


def deeds_of(ids: Collection[UUID]) -> list[Deed]:
    """What stored events say, as they were received."""
    return [Deed(*row) for row in rows_of(_DEEDS, [literal(ids)])] if ids else []


def tell_untold(*, all_rows: bool = False) -> int:
    """Tells what was left; how many batches. Stops when Valkey does not take it. Raises DatabaseError.

    `all_rows`: also those that somebody may be telling now, for whoever is about to believe Valkey again.
    """
    done, last = 0, 0
    ((newest,),) = rows_of(_NEWEST)
    while rows := rows_of(_UNTOLD, [all_rows, IN_FLIGHT, last, newest, AT_ONCE]):
        effects, deeds = _again([event for _, ids in rows for event in ids])
        if not apply([*effects, *seen_of(deeds)], deeds):
            break
        rows_of(_FORGET, [literal([number for number, _ in rows]), all_rows])
        done, last = done + len(rows), rows[-1][0]
    return done


def forget_all() -> None:
    """For a rebuild, before it reads: what is committed by now is in what it will read."""
    rows_of("DELETE FROM interactions_untold")


def _again(ids: Sequence[UUID]) -> tuple[list[Effect], list[Deed]]:
    """As they are now: bonds may have been decided anew since."""
    deeds = deeds_of(ids)
    with transaction.atomic():
        bonds = bonds_of_events([*ids, *(deed.of for deed in deeds if deed.of is not None)])
        return settle(bonds, bonds), deeds
