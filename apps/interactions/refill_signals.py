"""Signals from Postgres: viewers' latest decisions, what they asked less of, who was active.

Gives what apps.interactions.signals writes batch by batch; whatever is written meanwhile is merged.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import cast

import numpy as np
import redis
from django.db import connection

from apps.common import clock, online
from apps.common.copy_out import Columns, many_columns_of
from apps.interactions import signals
from apps.interactions.online import IN_SESSION
from apps.interactions.refill import fill_array, in_seconds, latest, write_in_turn
from apps.interactions.signals import Deed, Told

BATCH = 20_000
_FEEDBACK = f"""
SELECT type, actor, target, target_kind, surface, occurred_at, id, coalesce(context->>'reason', '')
FROM interactions_event e
WHERE type = 'feedback' AND occurred_at > now() - make_interval(secs => {signals.LESS_SECONDS})
    AND target IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM interactions_undone u WHERE u.event = e.id AND u.actor = e.actor)
"""
_ACTIVE = f"""
SELECT number, max(hour) AS hour FROM (
    SELECT actor AS number, floor(extract(epoch FROM max(least(occurred_at, now()))) / 3600)::int AS hour
    FROM interactions_event WHERE occurred_at > now() - make_interval(secs => {signals.ACTIVE_SECONDS})
    GROUP BY actor
    UNION ALL
    SELECT viewer, floor(extract(epoch FROM max(served_at)) / 3600)::int
    FROM interactions_delivery WHERE served_at > now() - make_interval(secs => {signals.ACTIVE_SECONDS})
    GROUP BY viewer
) active GROUP BY number
"""


def write_decisions(client: redis.Redis, surfaces: Sequence[str], rows: Columns) -> None:
    """Each viewer's own of late. `rows`: of refill.read_relationships."""
    since = (clock.now().timestamp() - signals.SESSION_SECONDS) * 1e6
    lately = (rows["decided_at"] > since) & np.isin(rows["state"], list(IN_SESSION))
    for place, surface in enumerate(surfaces, 1):
        here = {name: column[lately & (rows["place"] == place)] for name, column in rows.items()}
        records = np.zeros(len(here["actor"]), online.DECISION)
        records["number"], records["state"] = here["target"], here["state"]
        records["at"], records["version"] = in_seconds(here["decided_at"]), here["at"]
        owners, records = latest(here["actor"], records, signals.MOST_SESSION)
        key = partial(online.session_key, surface)
        for there in write_in_turn(client, key, owners, records, signals.SESSION_SECONDS):
            _write(client, Told(session=cast(signals.Session, there)))


def write_feedback(client: redis.Redis) -> None:
    """What viewers asked less of."""
    with connection.cursor() as cursor:
        cursor.execute(_FEEDBACK)
        while rows := cursor.fetchmany(BATCH):
            told = signals.told_of_deeds(Deed(*row) for row in rows)
            told.active.clear()  # of all events, below
            _write(client, told)


def read_active() -> Columns:
    """In which hour each member did something last: number, hour."""
    return many_columns_of(_ACTIVE, {"number": "int", "hour": "int"}, {})


def write_active(client: redis.Redis, rows: Columns) -> None:
    hours = np.zeros(rows["number"].max(initial=-1) + 1, "<i4")
    hours[rows["number"]] = rows["hour"]
    fill_array(client, online.ACTIVE, hours)


def _write(client: redis.Redis, told: Told) -> None:
    for part in signals.in_parts(told):
        signals.write(client, part)
