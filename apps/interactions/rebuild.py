"""The online state, rebuilt from Postgres: after a flush, a restart of Valkey, or a write that it missed.

One process at a time, under a lock. From its first step until it is believed again, the reserve script
refuses. Whatever is written meanwhile is merged, not overwritten: the later fact wins.
"""

from __future__ import annotations

import logging
import struct
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import redis
from django.db import connection

from apps.common import online
from apps.common.valkey import background_client
from apps.interactions.copier import copy_all
from apps.interactions.online import MOST_RECEIVED, MOST_SEEN, Effect, rows_of

log = logging.getLogger(__name__)
LOCK = 7_301_001  # of this work, among Postgres's advisory locks
BATCH = 20_000
DERIVED = ("o:g:*", "o:a:*", "o:l:*", "o:s:*", "o:c:*", "o:capped:*", "o:gone:*")
SEEN_DAYS = 90
HOLD_MINUTES = 30

_RELATIONSHIPS = """
SELECT '', state, actor, target, target_kind, surface, decided_at
FROM interactions_relationship ORDER BY actor
"""
_IMPRESSIONS = f"""
SELECT 'impression', '', actor, target, target_kind, surface, max(occurred_at) FROM interactions_event
WHERE type = 'impression' AND occurred_at > now() - interval '{SEEN_DAYS} days' AND target IS NOT NULL
GROUP BY actor, target, target_kind, surface ORDER BY actor
"""
_CONNECTIONS = "SELECT a_id, b_id, created_at FROM members_connection"
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
_EXPOSURES = """
SELECT surface, candidate, extract(epoch FROM date_trunc('hour', served_at))::bigint / 3600 AS hour, count(*)
FROM interactions_delivery, unnest(candidates) AS candidate
WHERE served_at > now() - interval '25 hours' 
GROUP BY surface, candidate, hour ORDER BY surface, candidate, hour
"""
_HELD = f"""
SELECT surface, viewer, candidate, extract(epoch FROM max(served_at))::float + {HOLD_MINUTES * 60}
FROM interactions_delivery, unnest(candidates) AS candidate
WHERE served_at > now() - interval '{HOLD_MINUTES} minutes' GROUP BY surface, viewer, candidate
"""


def rebuild_when_needed(*, wait: bool = False) -> bool:
    """Rebuilds when Valkey may not be believed; whether it did. Raises RedisError, DatabaseError.

    `wait`: for another process that is at it, so that afterwards the state is believed.
    """
    client = background_client()
    if not _is_needed(client):
        return False
    with _lock(wait=wait) as mine:
        return mine and _is_needed(client) and _rebuild(client)


def _is_needed(client: redis.Redis) -> bool:
    belief = online.current_belief()
    return not (belief.trusted and belief.run_id == _run_id(client) and _marker(client) == belief.generation)


def rebuild() -> bool:
    """Rebuilds all online state; False when another process is at it or a write was missed meanwhile."""
    with _lock() as mine:
        return mine and _rebuild(background_client())


def _rebuild(client: redis.Redis) -> bool:
    generation = _start()
    client.delete(online.MARKER)  # the reserve script refuses from here on
    run_id = _run_id(client)
    _clear(client)
    copy_all()  # counters are read from Postgres: bring there what is still on its way
    _write_effects(client, _RELATIONSHIPS)
    _write_effects(client, _IMPRESSIONS)
    _write_connections(client)
    _write_gone(client)
    _write_counters(client)
    _write_held(client)
    client.set(online.MARKER, generation)
    believed = _believe(generation, run_id if _run_id(client) == run_id else "")
    log.info("Online state rebuilt as generation %d: %s", generation, "believed" if believed else "again")
    return believed


def _write_effects(client: redis.Redis, sql: str) -> None:
    for rows in _batches(sql):
        facts, received, seen = rows_of([Effect(*row) for row in rows])
        for found, keep in ((facts, 0), (received, MOST_RECEIVED), (seen, MOST_SEEN)):
            online.merge(client, found, keep)


def _write_connections(client: redis.Redis) -> None:
    for rows in _batches(_CONNECTIONS):
        online.merge(client, online.connection_records([(a, b, True, at.timestamp()) for a, b, at in rows]))


def _write_gone(client: redis.Redis) -> None:
    for kind, sql in _GONE.items():
        for rows in _batches(sql):
            client.sadd(online.GONE[kind], *(number for (number,) in rows))


def _write_counters(client: redis.Redis) -> None:
    for rows in _batches(_EXPOSURES):
        fields: dict[str, dict[int, bytes]] = defaultdict(lambda: defaultdict(bytes))
        for surface, candidate, hour, count in rows:
            fields[surface][candidate] += struct.pack("<IH", hour, min(count, 65535))
        for surface, counters in fields.items():
            _add_counters(client, online.counters_key(surface), counters)


def _add_counters(client: redis.Redis, key: str, counters: dict[int, bytes]) -> None:
    """A candidate's hours may span two batches: what an earlier one wrote comes first."""
    before = cast("list[bytes | None]", client.hmget(key, [str(number) for number in counters]))
    known = zip(counters.items(), before, strict=True)
    client.hset(key, mapping={str(number): (old or b"") + new for (number, new), old in known})


def _write_held(client: redis.Redis) -> None:
    for rows in _batches(_HELD):
        held: dict[str, list[tuple[int, int, int, float]]] = defaultdict(list)
        for surface, viewer, candidate, until in rows:
            held[online.held_key(surface, viewer)].append((candidate, 0, 1, until))
        online.merge(client, held)


def _batches(sql: str) -> Iterator[Sequence[Any]]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        while rows := cursor.fetchmany(BATCH):
            yield rows


def _clear(client: redis.Redis) -> None:
    for pattern in DERIVED:
        keys = list(client.scan_iter(pattern, count=5000))
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
