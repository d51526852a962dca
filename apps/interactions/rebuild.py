"""The online state, rebuilt from Postgres: after a flush, a restart of Valkey, or a write that it missed.

One process at a time, under a lock. From its first step until it is believed again, the reserve script
refuses. Whatever is written meanwhile is merged, not overwritten: the later fact wins.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import redis
from django.db import connection

from apps.common import clock, online
from apps.common.prepared import rows_of
from apps.common.valkey import background_client
from apps.interactions import refill, refill_signals
from apps.interactions.copier import copy_all
from apps.interactions.exposures import NAMED_BEHIND_SECONDS, Impression, confirm
from apps.interactions.grants import settle_grants
from apps.interactions.telling import forget_all, tell_untold
from apps.surfaces.models import Surface

log = logging.getLogger(__name__)
LOCK = 7_301_001  # of this work, among Postgres's advisory locks
BATCH = 20_000
DERIVED = (
    b"o:g:",
    b"o:a:",
    b"o:l:",
    b"o:s:",
    b"o:c:",
    b"o:e:",
    b"o:due:",
    b"o:capped:",
    b"o:gone:",
    b"o:t:",
    b"o:f:",
    b"o:unread:",
    b"o:active",
    b"o:moved",
)
BUILT = "o:built"  # the moment, by Postgres's clock, before which everything is in
LONGEST_BATCH_SECONDS = 600  # between the moment that a batch of events was received and its commit

_GONE = {
    "member": """
        SELECT number FROM members_member
        WHERE (status = 'active' AND visibility = 'visible' AND stopped_at IS NULL
            AND birth_date <= current_date - interval '18 years') IS NOT TRUE
        UNION ALL SELECT number FROM members_erasure""",
    "place": """
        SELECT number FROM places_place WHERE visibility <> 'visible' OR stopped_at IS NOT NULL
        UNION ALL SELECT number FROM common_change WHERE kind = 'place.deleted'""",
}
# Impressions that somebody committed, or told Valkey of, while the exposures were read and written.
_LATELY = """
SELECT surface, actor, target, delivery, extract(epoch FROM occurred_at)::float8,
    extract(epoch FROM received_at)::float8
FROM interactions_event
WHERE type = 'impression' AND target IS NOT NULL AND received_at >= to_timestamp(%s)
    AND occurred_at >= to_timestamp(%s)
"""


# No commit takes longer than that minute.
_BUILT = "SELECT extract(epoch FROM clock_timestamp() - interval '1 minute')::float8"
# Lists that were answered without Valkey hold people back; nobody but a rebuild says so there.
_WITHOUT_VALKEY = """
SELECT EXISTS (SELECT 1 FROM interactions_delivery WHERE NOT counted
    AND served_at > now() - interval '24 hours' AND copied_at > to_timestamp(%s))
"""


def rebuild_when_needed(*, wait: bool = False) -> bool:
    """Lets Valkey catch up, or rebuilds it, when it may not be believed; whether that came to its end.

    `wait`: for another process that is at it, so that afterwards the state is believed. Raises RedisError,
    DatabaseError.
    """
    client = background_client()
    if not _is_needed(client):
        return False
    with _lock(wait=wait) as mine:
        if not mine or not _is_needed(client):
            return False
        return _catch_up(client) if _can_catch_up(client) else _rebuild(client)


def _is_needed(client: redis.Redis) -> bool:
    belief = online.current_belief()
    return not (belief.trusted and belief.run_id == _run_id(client) and _marker(client) == belief.generation)


def rebuild() -> bool:
    """Rebuilds all online state; False when another process is at it or a write was missed meanwhile."""
    with _lock() as mine:
        return mine and _rebuild(background_client())


def _can_catch_up(client: redis.Redis) -> bool:
    """The same server, never emptied since it was whole, and all that it missed is told again."""
    belief = online.current_belief()
    if belief.run_id != _run_id(client) or _marker(client) < max(belief.lost_at, 1):
        return False
    ((held_elsewhere,),) = rows_of(_WITHOUT_VALKEY, [float(cast("bytes | None", client.get(BUILT)) or 0)])
    return not held_elsewhere


def _catch_up(client: redis.Redis) -> bool:
    """Tells what Valkey missed, from Postgres; False when it missed something else meanwhile."""
    generation, run_id = online.current_belief().generation, _run_id(client)
    batches = tell_untold(all_rows=True)
    client.set(online.MARKER, generation)
    believed = _believe(generation, run_id if _run_id(client) == run_id else "")
    log.info("Valkey was told %d batches of events that it missed: %s", batches, _said(believed))
    return believed


def _rebuild(client: redis.Redis) -> bool:
    generation = _start()
    started = time.monotonic()
    client.delete(online.MARKER)  # the reserve script refuses from here on; only a rebuild ends this
    run_id = _run_id(client)
    ((built,),) = rows_of(_BUILT)
    client.set(BUILT, built)
    forget_all()
    _clear(client)
    # Then no process answers any more with what it was granted before: grants are in the stream or in files.
    time.sleep(max(online.LEASE_SECONDS + online.MARGIN_SECONDS - (time.monotonic() - started), 0))
    copy_all()
    settle_grants(everything=True)
    _write_all(client)
    tell_untold(all_rows=True)  # what ended while it was being written is not brought back by it
    client.set(online.MARKER, generation)
    believed = _believe(generation, run_id if _run_id(client) == run_id else "")
    log.info("Online state rebuilt as generation %d: %s", generation, _said(believed))
    return believed


def _said(believed: bool) -> str:
    return "believed" if believed else "again"


def _write_all(client: redis.Redis) -> None:
    surfaces = list(Surface.objects.order_by("key").values_list("key", flat=True))
    now = clock.now().timestamp()
    refill.write_relationships(client, surfaces)
    refill.write_connections(client)
    refill.write_seen(client, surfaces)
    _write_gone(client)
    refill.write_held(client, surfaces)
    refill_signals.write_signals(client, surfaces)
    refill.write_exposures(client, surfaces, clock.now().timestamp())
    _confirm_since(client, now)


def _confirm_since(client: redis.Redis, since: float) -> None:
    """Again, what was seen meanwhile: whoever told Valkey before the exposures were there told it nothing."""
    with connection.cursor() as cursor:
        cursor.execute(_LATELY, [since - LONGEST_BATCH_SECONDS, since - 2 * NAMED_BEHIND_SECONDS])
        confirm(client, (Impression(*row) for row in cursor.fetchall()))


def _write_gone(client: redis.Redis) -> None:
    for kind, sql in _GONE.items():
        for rows in _batches(sql):
            client.sadd(online.GONE[kind], *(number for (number,) in rows))


def _batches(sql: str) -> Iterator[Sequence[Any]]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        while rows := cursor.fetchmany(BATCH):
            yield rows


def _clear(client: redis.Redis) -> None:
    """One walk over the keys, whatever they are."""
    keys = [key for key in client.scan_iter("o:*", count=10_000) if key.startswith(DERIVED)]
    for start in range(0, len(keys), 5000):
        client.unlink(*keys[start : start + 5000])


def _start() -> int:
    """Not believed from here on, under a generation of its own."""
    online.mark_missed("rebuilding")
    return online.current_belief().generation


def _believe(generation: int, run_id: str) -> bool:
    """Believed, unless a write was missed or the server changed since the start."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE common_onlinestate SET trusted = true, run_id = %s, reason = '', updated_at = now() "
            "WHERE id = 1 AND generation = %s AND %s <> ''",
            [run_id, generation, run_id],
        )
        return bool(cursor.rowcount == 1)


def _run_id(client: redis.Redis) -> str:
    return str(client.info("server")["run_id"])


def _marker(client: redis.Redis) -> int:
    return int(cast("bytes | None", client.get(online.MARKER)) or -1)


@contextmanager
def _lock(*, wait: bool = False) -> Iterator[bool]:
    question = "SELECT pg_advisory_lock(%s) IS NOT NULL" if wait else "SELECT pg_try_advisory_lock(%s)"
    with connection.cursor() as cursor:
        cursor.execute(question, [LOCK])
        mine = bool(cursor.fetchone()[0])
    try:
        yield mine
    finally:
        if mine:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])
