"""What the refresh reads of Postgres, in bulk: fixed-width columns by binary COPY, straight into numpy.

Everything of one refresh is read at one consistent point (`consistent_reading`), so that a member erased or
a like undone meanwhile is in all of it or in none. Rows are numbers, never ids.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from django.db import connection, transaction

from apps.common.copy_out import Columns, many_columns_of
from apps.pipeline.contracts import I32

# Two who matched decided one after the other: each at their own like, not at the match.
_DECISIONS = """
SELECT r.actor, r.target, r.state <> 'passed' AS liked,
    floor(extract(epoch FROM coalesce(own.liked_at, r.decided_at)))::bigint AS at
FROM interactions_relationship r LEFT JOIN LATERAL (
    SELECT max(f.occurred_at) AS liked_at FROM interactions_keptfact f
    WHERE f.a = least(r.actor, r.target) AND f.b = greatest(r.actor, r.target) AND f.actor = r.actor
      AND f.kind = 'member' AND f.surface = r.surface AND f.type = 'like' AND f.occurred_at <= r.decided_at
) own ON r.state IN ('matched', 'unmatched')
WHERE r.surface = %(surface)s AND r.target_kind = %(kind)s
  AND r.state IN ('liked', 'matched', 'unmatched', 'passed', 'saved')
  AND r.decided_at <= %(until)s
"""
_IMPRESSIONS = """
SELECT actor, target, max(floor(extract(epoch FROM occurred_at)))::bigint AS at
FROM interactions_event
WHERE type = 'impression' AND target_kind = 'place' AND surface = %(surface)s
  AND occurred_at BETWEEN %(until)s - interval '90 days' AND %(until)s
GROUP BY actor, target
"""
_ACTIVITY = """
SELECT actor, max(floor(extract(epoch FROM occurred_at) / 3600))::int AS hour
FROM interactions_event
WHERE occurred_at BETWEEN %(since)s AND %(until)s AND type <> 'impression' GROUP BY actor
"""
_VISITS = """
SELECT target, count(*)::int AS visits FROM interactions_event
WHERE type = 'visit' AND target_kind = 'place'
  AND occurred_at BETWEEN %(until)s - interval '90 days' AND %(until)s GROUP BY target
"""
_VISITORS = """
SELECT DISTINCT actor, target FROM interactions_event
WHERE type = 'visit' AND target_kind = 'place'
  AND occurred_at BETWEEN %(until)s - interval '90 days' AND %(until)s
"""
_SAVES = """
SELECT actor, target FROM interactions_relationship
WHERE target_kind = 'place' AND state = 'saved' AND decided_at <= %(until)s
"""
# A row per match of the last 90 days that stands since 72 hours or more; answered: a reply within 72 hours.
_ANSWERS = """
SELECT m.actor, m.target, count(e.id) > 0 AS replied, floor(extract(epoch FROM m.decided_at))::bigint AS at
FROM interactions_relationship m LEFT JOIN interactions_event e
  ON e.type = 'reply' AND e.target_kind = 'member' AND e.surface = %(surface)s
  AND e.occurred_at BETWEEN %(until)s - interval '90 days' AND %(until)s
  AND least(e.actor, e.target) = m.actor AND greatest(e.actor, e.target) = m.target
  AND e.occurred_at BETWEEN m.decided_at AND m.decided_at + interval '72 hours'
WHERE m.state = 'matched' AND m.target_kind = 'member' AND m.surface = %(surface)s AND m.actor < m.target
  AND m.decided_at BETWEEN %(until)s - interval '90 days' AND %(until)s - interval '72 hours'
GROUP BY m.actor, m.target, m.decided_at
"""
_ACTIVE_DAYS = """
SELECT DISTINCT actor, floor(extract(epoch FROM occurred_at) / 86400)::int AS day FROM interactions_event
WHERE type <> 'impression' AND occurred_at BETWEEN %(until)s - interval '90 days' AND %(until)s
"""
_LOGGED = """FROM interactions_delivery d
WHERE d.features IS NOT NULL AND d.surface = %(surface)s
    AND d.served_at BETWEEN %(until)s - interval '90 days' AND %(until)s"""
_LAYOUTS = f"SELECT d.feature_names {_LOGGED} GROUP BY 1 ORDER BY max(d.served_at) DESC"
# A pair's features as the latest list logged them: of members who were decided about within a day of it, of
# places that were in it.
_SERVED = f"""
SELECT DISTINCT ON (d.viewer, one.number) d.viewer, one.number,
    floor(extract(epoch FROM d.served_at))::bigint,
    substr(d.features, (one.place::int - 1) * %(width)s + 1, %(width)s)
FROM (SELECT d.* {_LOGGED} AND d.feature_names = %(names)s) d
CROSS JOIN LATERAL unnest(d.feature_numbers) WITH ORDINALITY AS one(number, place)
WHERE one.number > 0 AND CASE %(kind)s WHEN 'place' THEN one.number = ANY(d.candidates) ELSE EXISTS (
    SELECT FROM interactions_relationship r WHERE r.actor = d.viewer AND r.target = one.number
        AND r.target_kind = 'member' AND r.surface = d.surface
        AND r.state IN ('liked', 'matched', 'unmatched', 'passed')
        AND r.decided_at BETWEEN d.served_at AND least(d.served_at + interval '1 day', %(until)s)
) END
ORDER BY d.viewer, one.number, d.served_at DESC
"""
_CONNECTIONS = "SELECT a_id, b_id FROM members_connection WHERE visible AND kind <> 'contact'"
_MATCHES = """
SELECT actor, target FROM interactions_relationship
WHERE state = 'matched' AND target_kind = 'member' AND surface = %(surface)s AND decided_at <= %(until)s
"""
_BLOCKS = """
SELECT actor, target FROM interactions_relationship
WHERE state IN ('blocked', 'reported') AND target_kind = 'member'
"""
_IDS = {
    "member": "SELECT number, external_id FROM members_member",
    "place": "SELECT number, external_id FROM places_place",
}
# Asked a second time, in other words than the table was, to check the snapshot against.
_SHOWN = {
    "member": """
        SELECT number FROM members_member
        WHERE status = 'active' AND visibility <> 'hidden' AND stopped_at IS NULL
        AND age(%(today)s::date, birth_date) >= interval '18 years'
    """,
    "place": "SELECT number FROM places_place WHERE NOT (visibility = 'hidden' OR stopped_at IS NOT NULL)",
}


LONGEST = timedelta(days=90)  # of events that are read


@contextmanager
def consistent_reading() -> Iterator[None]:
    """One view of Postgres for all that is read inside. A transaction that is already open is kept."""
    if connection.in_atomic_block:
        yield
        return
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def decisions_on(surface: str, kind: str, until: datetime) -> Columns:
    """actor, target, liked, at (seconds): the present state of every pair with a like, a pass or a save."""
    columns = {"actor": "int", "target": "int", "liked": "boolean", "at": "bigint"}
    given = {"surface": surface, "kind": kind, "until": until}
    return _in_order(many_columns_of(_DECISIONS, columns, given))


def impressions_on(surface: str, until: datetime) -> Columns:
    """actor, target, at (seconds): places shown in the last 90 days."""
    columns = {"actor": "int", "target": "int", "at": "bigint"}
    return _in_order(many_columns_of(_IMPRESSIONS, columns, {"surface": surface, "until": until}))


def served_on(surface: str, kind: str, until: datetime) -> Columns:
    """actor, target, at (seconds), and by logged name the features of pairs as they were served (float32).

    Of members those decided about within a day, of places those shown; each pair as its latest list had it.
    """
    given: dict[str, Any] = {"surface": surface, "kind": kind, "until": until}
    parts = []
    with connection.cursor() as cursor:
        cursor.execute(_LAYOUTS, given)
        for (names,) in cursor.fetchall():  # a build that declares other features logs others
            cursor.execute(_SERVED, given | {"names": names, "width": 4 * len(names)})
            parts.append((names, cursor.fetchall()))
    return _together([part for part in parts if part[1]])


def _together(parts: Sequence[tuple[Sequence[str], Sequence[tuple[int, int, int, bytes]]]]) -> Columns:
    """Rows of several lay-outs as columns; NaN where one does not have a name."""
    rows = [row for _, some in parts for row in some]
    found: Columns = {
        name: np.array([row[i] for row in rows], dtype)
        for i, (name, dtype) in enumerate((("actor", "i4"), ("target", "i4"), ("at", "i8")))
    }
    found |= {name: np.full(len(rows), np.nan, "f4") for names, _ in parts for name in names}
    start = 0
    for names, some in parts:
        values = np.frombuffer(b"".join(row[3] for row in some), "<f4").reshape(len(some), len(names))
        for name, column in zip(names, values.T, strict=True):
            found[name][start : start + len(some)] = column
        start += len(some)
    return found


def last_activity(since: datetime, until: datetime) -> Columns:
    """actor, hour (since 1970): of the last thing each member did between the two."""
    return many_columns_of(_ACTIVITY, {"actor": "int", "hour": "int"}, {"since": since, "until": until})


def place_visits(until: datetime) -> Columns:
    """target, visits: of the last 90 days."""
    return many_columns_of(_VISITS, {"target": "int", "visits": "int"}, {"until": until})


def visitors(until: datetime) -> tuple[I32, I32]:
    """Who visited which place in the last 90 days, each pair once."""
    found = many_columns_of(_VISITORS, {"actor": "int", "target": "int"}, {"until": until})
    return found["actor"], found["target"]


def saves(until: datetime) -> tuple[I32, I32]:
    """Who has saved which place, on any surface."""
    found = many_columns_of(_SAVES, {"actor": "int", "target": "int"}, {"until": until})
    return found["actor"], found["target"]


def visible_connections() -> tuple[I32, I32]:
    """Both ends of every edge that both sides let others see; contacts left out."""
    found = many_columns_of(_CONNECTIONS, {"a_id": "int", "b_id": "int"}, {})
    return found["a_id"], found["b_id"]


def matches_on(surface: str, until: datetime) -> tuple[I32, I32]:
    """Both ends of every match that stands, in both directions."""
    found = many_columns_of(_MATCHES, {"actor": "int", "target": "int"}, {"surface": surface, "until": until})
    return found["actor"], found["target"]


def answers_on(surface: str, until: datetime) -> Columns:
    """actor, target, replied, at (seconds): matches 72 hours old, and whether the two talked in time.

    Whoever unmatched since is left out.
    """
    columns = {"actor": "int", "target": "int", "replied": "boolean", "at": "bigint"}
    return many_columns_of(_ANSWERS, columns, {"surface": surface, "until": until})


def active_days(until: datetime) -> Columns:
    """actor, day (since 1970, UTC): each day of the last 90 on which a member did anything."""
    return many_columns_of(_ACTIVE_DAYS, {"actor": "int", "day": "int"}, {"until": until})


def blocks() -> tuple[I32, I32]:
    """Who blocked or reported whom."""
    found = many_columns_of(_BLOCKS, {"actor": "int", "target": "int"}, {})
    return found["actor"], found["target"]


def shown_numbers(kind: str, today: Any) -> I32:
    """Sorted numbers of who or what may be shown."""
    numbers: I32 = np.sort(many_columns_of(_SHOWN[kind], {"number": "int"}, {"today": today})["number"])
    return numbers


def ids_of(kind: str) -> tuple[Sequence[int], Sequence[str]]:
    """Numbers and the app's ids of all members or places."""
    with connection.cursor() as cursor:
        cursor.execute(_IDS[kind])
        rows = cursor.fetchall()
    return [row[0] for row in rows], [row[1] for row in rows]


def _in_order(found: Columns) -> Columns:
    """By actor, then target: what is learnt from them doesn't depend on how Postgres lays rows."""
    order = np.lexsort((found["target"], found["actor"]))
    return {name: column[order] for name, column in found.items()}
