"""Signals from Postgres: viewers' latest decisions, what they asked less of, who was active, unread likes.

Gives what apps.interactions.signals writes batch by batch; whatever is written meanwhile is merged. Runs
after the likes received are there: unread likes are counted from them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import cast

import numpy as np
import redis
from django.db import connection

from apps.common import online
from apps.common.copy_out import columns_of
from apps.interactions import signals
from apps.interactions.online import CODES, IN_SESSION, State
from apps.interactions.refill import latest, write_in_turn
from apps.interactions.signals import Deed, Told

BATCH = 20_000
_DECIDED = """
SELECT (CASE state %(cases)s END)::int AS state, actor, target,
    array_position(%%(surfaces)s::text[], surface::text) AS place,
    extract(epoch FROM decided_at)::float8 AS at, version::float8 AS version
FROM interactions_relationship
WHERE decided_at > now() - make_interval(secs => %%(seconds)s) AND surface = ANY(%%(surfaces)s::text[])
    AND state = ANY(%%(states)s::text[])
"""
_DEEDS = f"""
SELECT type, actor, target, target_kind, surface, occurred_at, id, coalesce(context->>'reason', '')
FROM interactions_event e
WHERE target IS NOT NULL AND (
    (type = 'like_read' AND occurred_at > now() - make_interval(secs => {signals.READ_SECONDS}))
    OR (type = 'feedback' AND occurred_at > now() - make_interval(secs => {signals.LESS_SECONDS})
        AND NOT EXISTS (SELECT 1 FROM interactions_undone u WHERE u.event = e.id AND u.actor = e.actor)))
"""
_ACTIVE = f"""
SELECT number, max(hour) FROM (
    SELECT actor AS number, floor(extract(epoch FROM max(least(occurred_at, now()))) / 3600)::int AS hour
    FROM interactions_event WHERE occurred_at > now() - make_interval(secs => {signals.ACTIVE_SECONDS})
    GROUP BY actor
    UNION ALL
    SELECT viewer, floor(extract(epoch FROM max(served_at)) / 3600)::int
    FROM interactions_delivery WHERE served_at > now() - make_interval(secs => {signals.ACTIVE_SECONDS})
    GROUP BY viewer
) active GROUP BY number
"""


def write_signals(client: redis.Redis, surfaces: Sequence[str]) -> None:
    """All of them. Raises RedisError, DatabaseError."""
    _write_decisions(client, surfaces)
    with connection.cursor() as cursor:
        cursor.execute(_DEEDS)
        while rows := cursor.fetchmany(BATCH):
            told = signals.told_of_deeds(Deed(*row) for row in rows)
            told.active.clear()  # read below, of all events
            _write(client, told)
        cursor.execute(_ACTIVE)
        while rows := cursor.fetchmany(BATCH):
            _write(client, Told(active=dict(rows)))
    for surface in surfaces:
        signals.count_unread(client, surface)


def _write_decisions(client: redis.Redis, surfaces: Sequence[str]) -> None:
    codes = {state.value: CODES[state] for state in State if CODES.get(state) in IN_SESSION}
    cases = " ".join(f"WHEN '{state}' THEN {code}" for state, code in codes.items())
    types = {
        "state": "int",
        "actor": "int",
        "target": "int",
        "place": "int",
        "at": "float",
        "version": "float",
    }
    given = {"surfaces": list(surfaces), "states": list(codes), "seconds": signals.SESSION_SECONDS}
    rows = columns_of(_DECIDED % {"cases": cases}, types, given)
    for place, surface in enumerate(surfaces, 1):
        here = {name: column[rows["place"] == place] for name, column in rows.items()}
        records = np.zeros(len(here["actor"]), online.DECISION)
        records["number"], records["state"] = here["target"], here["state"]
        records["at"], records["version"] = here["at"], here["version"]
        owners, records = latest(here["actor"], records, signals.MOST_SESSION)
        key = partial(online.session_key, surface)
        for there in write_in_turn(client, key, owners, records, signals.SESSION_SECONDS):
            _write(client, Told(session=cast(signals.Session, there)))


def _write(client: redis.Redis, told: Told) -> None:
    for part in signals.in_parts(told):
        signals.write(client, part)
