"""The online state, rebuilt from Postgres: after a flush, a restart of Valkey, or a write that it missed.

One process at a time, under a lock; should the lock be lost, in its turn (turns.py). From its first step
until it is believed again, the reserve script refuses. Whatever is written meanwhile is merged, not
overwritten: the later fact wins.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
import redis
from django.db import connection

from apps.common import gone, online
from apps.common.prepared import rows_of
from apps.common.valkey import background_client
from apps.interactions import refill, refill_signals
from apps.interactions.copier import copy_all
from apps.interactions.exposure_counts import read_exposures
from apps.interactions.grants import settle_grants
from apps.interactions.telling import forget_all, tell_untold
from apps.interactions.turns import Turn, TurnIsOver
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
# The moment, by Postgres's clock, before which everything is in.
BUILT = "o:built"
MOST_TRIES = 10  # to be believed, while writes go on being missed

_TABLES = {"member": "members_member", "place": "places_place"}
_MAY_BE_SHOWN = {
    "member": """status = 'active' AND visibility = 'visible' AND stopped_at IS NULL
        AND birth_date <= current_date - interval '18 years'""",
    "place": "visibility = 'visible' AND stopped_at IS NULL",
}
_LEFT = {
    "member": "SELECT number FROM members_erasure",
    "place": "SELECT number FROM common_change WHERE kind = 'place.deleted'",
}
# No commit takes longer than that minute.
_BUILT = "SELECT extract(epoch FROM clock_timestamp() - interval '1 minute')::float8"


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
    is_this = belief.run_id == _run_id(client) and belief.generation == online.marker(client)
    return not (belief.trusted and is_this) or online.has_evicted(client)


def rebuild() -> bool:
    """Rebuilds all online state; False when another process is at it or a write was missed meanwhile."""
    with _lock() as mine:
        return mine and _rebuild(background_client())


def _can_catch_up(client: redis.Redis) -> bool:
    """The same server, that lost nothing since it was whole, and all that it missed is told again."""
    belief = online.current_belief()
    is_whole = online.marker(client) >= max(belief.lost_at, 1) and not online.has_evicted(client)
    return is_whole and belief.run_id == _run_id(client)


def _catch_up(client: redis.Redis) -> bool:
    """Tells what Valkey missed, from Postgres; False when it missed something that nobody tells again."""
    started, run_id = online.current_belief().generation, _run_id(client)
    believed = _tell_until_believed(client, started, run_id)
    log.info("Valkey was told what it missed: %s", _said(believed))
    return believed


def _rebuild(client: redis.Redis) -> bool:
    try:
        return _rebuild_in(Turn(client), client)
    except TurnIsOver:
        log.warning("Another rebuild began, or Valkey was emptied: this one stops")
        return False


def _rebuild_in(turn: Turn, client: redis.Redis) -> bool:
    generation = _start()
    started = time.monotonic()
    turn.begin()  # the reserve script refuses from here on; only a rebuild ends this
    run_id = _run_id(client)
    forget_all()
    _clear(turn)
    turn.set(online.EVICTIONS, online.evictions(client))
    turn.set(BUILT, 0)
    # Then no process answers any more with what it was granted before: grants are in the stream or in files.
    time.sleep(max(online.LEASE_SECONDS + online.MARGIN_SECONDS - (time.monotonic() - started), 0))
    copy_all()
    settle_grants(everything=True)
    _write_all(client, turn)
    # What ended while it was being written is not brought back by it: all that was told since is told again.
    believed = _tell_until_believed(turn, generation, run_id)
    log.info(
        "Online state rebuilt in %.1f s as generation %d: %s",
        time.monotonic() - started, generation, _said(believed),
    )  # fmt: skip
    return believed


def _tell_until_believed(client: redis.Redis, whole: int, run_id: str) -> bool:
    """Tells what is untold and believes; again, when meanwhile Valkey missed what is told again.

    `whole`: the generation since which nothing may have been lost that nobody tells again. False when
    something was, when the server is another one, was emptied or evicts, or when it goes on missing writes.
    """
    for _ in range(MOST_TRIES):
        belief = online.current_belief()
        if belief.lost_at > whole:
            return False
        _write_held_without_valkey(client)
        tell_untold(all_rows=True)
        client.set(online.MARKER, belief.generation)
        # Looked at after the marker is there: whoever empties Valkey from here on takes the marker, too.
        if _run_id(client) != run_id or online.has_evicted(client):
            return False
        if _believe(belief.generation, run_id):
            return True
    return False


def _write_held_without_valkey(client: redis.Redis) -> None:
    """Lists that were answered without Valkey since it was whole hold people back, too."""
    ((now,),) = rows_of(_BUILT)
    since = float(cast("bytes | None", client.get(BUILT)) or 0)
    refill.write_held(client, _surfaces(), uncounted_since=since)
    client.set(BUILT, now, xx=True)


def _said(believed: bool) -> str:
    return "believed" if believed else "again"


def _write_all(client: redis.Redis, turn: redis.Redis) -> None:
    """Part after part, and while one is written the next one is read.

    What waits and counts overwrites, so that it needs the turn; all else is merged, and the later fact wins.
    """
    surfaces = _surfaces()
    parts = _read_ahead(
        lambda: (refill.read_relationships(surfaces), refill.read_reads(surfaces)),
        lambda: (refill.read_connections(), refill.read_impressions(surfaces)),
        refill_signals.read_active,
        lambda: read_exposures(surfaces, online.current_belief().now().timestamp()),
    )
    pairs, reads = next(parts)
    refill.write_relationships(client, surfaces, pairs)
    refill.write_received(client, surfaces, pairs, reads)
    refill_signals.write_decisions(client, surfaces, pairs)
    del pairs, reads
    connections, impressions = next(parts)
    refill.write_connections(client, connections)
    refill.write_seen(client, surfaces, impressions)
    del connections, impressions
    _write_gone(client)
    refill.write_erased(client, np.array(rows_of("SELECT number FROM members_erasure"), "i4").reshape(-1))
    ((now,),) = rows_of(_BUILT)
    refill.write_held(client, surfaces)
    client.set(BUILT, now, xx=True)
    refill_signals.write_feedback(client)
    refill_signals.write_active(client, next(parts))
    refill.write_exposures(turn, next(parts))


def _read_ahead(*reads: Callable[[], Any]) -> Iterator[Any]:
    """What each gives, in turn. Each is begun, on a thread with a connection of its own, when the one before
    is taken; within a transaction, which no other connection sees, when it is asked for itself."""
    if connection.in_atomic_block:
        yield from (read() for read in reads)
        return

    def closing(read: Callable[[], Any]) -> Any:
        try:
            return read()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(closing, reads[0])
        for read in reads[1:]:
            found, coming = coming.result(), reader.submit(closing, read)
            yield found
        yield coming.result()


def _surfaces() -> list[str]:
    return list(Surface.objects.order_by("key").values_list("key", flat=True))


def _write_gone(client: redis.Redis) -> None:
    """Who may not be shown; and back is whoever may since, whose "back" may have come before this "gone"."""
    for kind, table in _TABLES.items():
        may = _MAY_BE_SHOWN[kind]
        for rows in _batches(f"SELECT number, version FROM {table} WHERE ({may}) IS NOT TRUE"):
            gone.say_gone(client, kind, dict(rows))
            since = f"SELECT number, version FROM {table} WHERE number = ANY(%s) AND {may}"
            gone.say_back(client, kind, dict(rows_of(since, [[number for number, _ in rows]])))
        for rows in _batches(_LEFT[kind]):
            gone.say_gone(client, kind, dict.fromkeys((number for (number,) in rows), gone.FOR_GOOD))


def _batches(sql: str) -> Iterator[Sequence[Any]]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        while rows := cursor.fetchmany(BATCH):
            yield rows


def _clear(turn: redis.Redis) -> None:
    """One walk over the keys, whatever they are."""
    keys = [key for key in turn.scan_iter("o:*", count=10_000) if key.startswith(DERIVED)]
    for start in range(0, len(keys), 5000):
        turn.unlink(*keys[start : start + 5000])


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
