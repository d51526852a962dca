"""Writes a batch in one statement: keys, events, kept facts, undos, and what the online state has to be told.

Of events that came twice, the key table lets one through. What is returned is new and not yet committed. The
locks of what is to be decided are taken once the keys are there: who asks for its facts afterwards sees all.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from apps.common.prepared import rows_of
from apps.interactions.arrays import columns, literal, optional, texts
from apps.interactions.bonds import Lock
from apps.interactions.checks import Row
from apps.interactions.models import EventType
from apps.interactions.relationships import DECISIVE, GLOBAL

_DECISIVE = ", ".join(f"'{t.value}'" for t in EventType if t in DECISIVE)
_GLOBAL = ", ".join(f"'{t.value}'" for t in EventType if t in GLOBAL)
# Keys in rising order, so that batches wait for each other in one direction only.
# No word counts as later than it came, by the one clock that all web processes share: a fast phone's unblock
# outlives no later block. What a fast phone said in one batch stays in the order in which it said so.
_STORE = f"""
WITH given AS (
    SELECT * FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::int[], %s::int[], %s::text[], %s::text[],
        %s::uuid[], %s::int2[], %s::timestamptz[], %s::jsonb[], %s::uuid[])
    AS g(id, digest, type, actor, target, kind, surface, delivery, position, at, context, undoes)
), new AS (
    INSERT INTO interactions_eventkey (id, digest, occurred_at)
    SELECT id, decode(digest, 'hex'), at FROM given ORDER BY id
    ON CONFLICT (id) DO NOTHING RETURNING id
), events AS (
    INSERT INTO interactions_event (id, type, actor, target, target_kind, surface, delivery, position,
        occurred_at, received_at, context)
    SELECT id, type, actor, target, kind, surface, delivery, position, at, %s::timestamptz, context
    FROM given JOIN new USING (id)
), facts AS (
    INSERT INTO interactions_keptfact (id, type, actor, a, b, kind, surface, occurred_at, said_at)
    SELECT id, type, actor, CASE kind WHEN 'place' THEN actor ELSE least(actor, target) END,
        CASE kind WHEN 'place' THEN target ELSE greatest(actor, target) END, kind,
        CASE WHEN type IN ({_GLOBAL}) THEN '' ELSE surface END, least(at, statement_timestamp()),
        CASE WHEN at > statement_timestamp() THEN at END
    FROM given JOIN new USING (id) WHERE type IN ({_DECISIVE})
), undos AS (
    INSERT INTO interactions_undone (event, actor, undone_by, occurred_at)
    SELECT undoes, actor, id, at FROM given JOIN new USING (id) WHERE undoes IS NOT NULL ORDER BY 1, 2
    ON CONFLICT (event, actor) DO NOTHING
), untold AS (
    INSERT INTO interactions_untold (events) SELECT array_agg(id) FROM new HAVING count(*) > 0 RETURNING id
), locked AS (
    SELECT CASE WHEN kind > 0 THEN pg_advisory_xact_lock(kind, slot)
        ELSE pg_advisory_xact_lock_shared(-kind, slot) END
    FROM unnest(%s::int[], %s::int[]) AS l(kind, slot) WHERE (SELECT count(*) FROM new) >= 0
)
SELECT id, NULL FROM given WHERE id NOT IN (SELECT id FROM new)
UNION ALL SELECT NULL, id FROM untold UNION ALL SELECT NULL, count(*) * 0 FROM locked
"""


def store(rows: Sequence[Row], now: datetime, locks: Sequence[Lock]) -> tuple[set[UUID], int]:
    """The ids that were new, and under which number they wait to be told (0: none was new)."""
    if not rows:
        return set(), 0
    bodies = [row.body for row in rows]
    found = rows_of(
        _STORE,
        [
            literal([body.id.hex for body in bodies]),
            literal([row.digest.hex() for row in rows]),
            literal([body.type.value for body in bodies]),
            literal([row.actor for row in rows]),
            optional([row.target for row in rows]),
            literal([row.kind for row in rows]),
            literal([body.surface or "" for body in bodies]),
            optional([body.delivery and body.delivery.hex for body in bodies]),
            optional([body.position for body in bodies]),
            literal([row.at for row in rows]),
            texts([row.context for row in rows]),
            optional([row.of and row.of.hex for row in rows]),
            now,
            *columns(locks, 2),
        ],
    )
    known = {key for key, _ in found if key is not None}
    return {body.id for body in bodies} - known, max(number for key, number in found if key is None)
