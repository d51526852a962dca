"""Bonds in Postgres: locked, decided anew from all their events, written, and told to the online state.

A bond's state is recomputed under its lock, after the events are written: of two likes that cross, the second
one to get the lock sees both. Locks are numbered slots taken in rising order, so batches can't deadlock.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence, Set
from contextlib import contextmanager
from uuid import UUID

from django.db import connection

from apps.common import clock
from apps.common.changes import record_changes
from apps.interactions.arrays import columns, literal
from apps.interactions.models import EventType
from apps.interactions.online import Effect
from apps.interactions.relationships import DECISIVE, GLOBAL, UNDOABLE, Bond, Fact, bond_of, decide

SLOTS = 512  # more would not fit into Postgres's lock table when many large batches meet
WRITING, TELLING, UNDOING, ERASING = 7_302_001, 7_302_002, 7_302_003, 7_302_004  # of advisory locks

_DECISIVE = ", ".join(f"'{t.value}'" for t in EventType if t in DECISIVE)
_GLOBAL = ", ".join(f"'{t.value}'" for t in EventType if t in GLOBAL)
_UNDOABLE = ", ".join(f"'{t.value}'" for t in EventType if t in UNDOABLE)
_FACTS = f"""
SELECT p.i, e.occurred_at, e.id, e.type, p.actor
FROM unnest(%s::int[], %s::int[], %s::int[], %s::text[], %s::text[]) AS p(i, actor, target, kind, surface)
CROSS JOIN LATERAL (
    SELECT id, type, occurred_at FROM interactions_event
    WHERE actor = p.actor AND target = p.target AND target_kind = p.kind AND type IN ({_DECISIVE})
        AND CASE WHEN p.surface = '' THEN type IN ({_GLOBAL})
            ELSE surface = p.surface AND type NOT IN ({_GLOBAL}) END
    OFFSET 0
) e
WHERE e.type NOT IN ({_UNDOABLE}) OR NOT EXISTS (
    SELECT 1 FROM interactions_undone u WHERE u.event = e.id AND u.actor = p.actor)
"""
_UPSERT = """
INSERT INTO interactions_relationship
    (actor, target, target_kind, surface, state, decided_at, decided_by, updated_at)
SELECT *, now() FROM unnest(
    %s::int[], %s::int[], %s::text[], %s::text[], %s::text[], %s::timestamptz[], %s::uuid[])
ON CONFLICT (actor, target, target_kind, surface) DO UPDATE
SET state = excluded.state, decided_at = excluded.decided_at, decided_by = excluded.decided_by,
    updated_at = now()
WHERE (interactions_relationship.state, interactions_relationship.decided_by)
    IS DISTINCT FROM (excluded.state, excluded.decided_by)
"""
_DELETE = """
DELETE FROM interactions_relationship r
USING unnest(%s::int[], %s::int[], %s::text[], %s::text[]) AS p(actor, target, kind, surface)
WHERE r.actor = p.actor AND r.target = p.target AND r.target_kind = p.kind AND r.surface = p.surface
"""
_STATES = """
SELECT p.actor, p.target, p.kind, p.surface, coalesce(r.state, ''), r.decided_at
FROM unnest(%s::int[], %s::int[], %s::text[], %s::text[]) WITH ORDINALITY
    AS p(actor, target, kind, surface, i)
LEFT JOIN interactions_relationship r
    ON r.actor = p.actor AND r.target = p.target AND r.target_kind = p.kind AND r.surface = p.surface
ORDER BY p.i
"""
_OF_EVENTS = f"""
SELECT e.type, e.actor, e.target, e.target_kind, e.surface FROM interactions_eventkey k
JOIN interactions_event e ON e.id = k.id AND e.occurred_at = k.occurred_at
WHERE k.id = ANY(%s::uuid[]) AND e.type IN ({_DECISIVE})
"""


def bonds_of_events(ids: Sequence[UUID]) -> set[Bond]:
    """The bonds that these stored events belong to."""
    if not ids:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(_OF_EVENTS, [literal(ids)])
        return {bond_of(*row) for row in cursor.fetchall()}


def settle(bonds: Iterable[Bond]) -> None:
    """Decides these bonds anew and writes their states. Inside a transaction, after the events' rows."""
    ordered = sorted(set(bonds))
    if not ordered:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(%s, slot) FROM unnest(%s::int[]) AS slot",
            [WRITING, literal(_slots(ordered))],
        )
    _write(ordered, _facts(ordered))
    everywhere = {number for bond in ordered if not bond.surface for number in (bond.a, bond.b)}
    record_changes("relationship.global", sorted(everywhere))


@contextmanager
def telling(bonds: Iterable[Bond], lifted: Set[Bond]) -> Iterator[list[Effect]]:
    """The effects to tell the online state of, after the commit. Nobody else tells of these bonds meanwhile.

    Of the `lifted` ones also where there is nothing any more. What is told last is what Postgres holds: a
    late "unblocked" can't overtake a newer "blocked". The lock is the session's, since a transaction left
    open here would hide a missed write from other processes.
    """
    ordered = sorted(set(bonds))
    if not ordered:
        yield []
        return
    slots = literal(_slots(ordered))
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s, slot) FROM unnest(%s::int[]) AS slot", [TELLING, slots])
    try:
        yield _effects(ordered, lifted)
    finally:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_advisory_unlock(%s, slot) FROM unnest(%s::int[]) AS slot", [TELLING, slots]
            )


def _facts(bonds: Sequence[Bond]) -> dict[Bond, list[Fact]]:
    sides = [
        (i, actor, target, bond.kind, bond.surface)
        for i, bond in enumerate(bonds)
        for actor, target in _sides(bond)
    ]
    found: dict[Bond, list[Fact]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(_FACTS, columns(sides, 5))
        for i, *fact in cursor.fetchall():
            found[bonds[i]].append(Fact(*fact))
    return found


def _write(bonds: Sequence[Bond], facts: dict[Bond, list[Fact]]) -> None:
    rows, ended = [], []
    for bond in bonds:
        decisions = decide(bond, facts.get(bond, ()))
        rows += [(*pair, bond.kind, bond.surface, *decision) for pair, decision in decisions.items()]
        ended += [(*pair, bond.kind, bond.surface) for pair in _sides(bond) if pair not in decisions]
    with connection.cursor() as cursor:
        if rows:
            cursor.execute(_UPSERT, columns(rows, 7))
        if ended:
            cursor.execute(_DELETE, columns(ended, 4))


def _effects(bonds: Sequence[Bond], lifted: Set[Bond]) -> list[Effect]:
    """`at` is this moment, under the lock: it orders what is told, not what happened."""
    now = clock.now()
    rows = [bond for bond in bonds for _ in _sides(bond)]
    keys = [(*pair, bond.kind, bond.surface) for bond in bonds for pair in _sides(bond)]
    with connection.cursor() as cursor:
        cursor.execute(_STATES, columns(keys, 4))
        found = cursor.fetchall()
    decided = {row[:4] for row in found if row[4]}
    return [
        Effect(
            _type_of(state, surface), state, actor, target, kind, surface, now,
            decided_at=decided_at, answered=(target, actor, kind, surface) in decided,
        )
        for bond, (actor, target, kind, surface, state, decided_at) in zip(rows, found, strict=True)
        if state or bond in lifted
    ]  # fmt: skip


def _type_of(state: str, surface: str) -> str:
    if surface:
        return _TYPES.get(state, EventType.UNDO.value)
    return _TYPES.get(state, EventType.UNBLOCK.value)


_TYPES = {
    "liked": "like", "passed": "pass", "matched": "match", "unmatched": "unmatch", "saved": "save",
    "blocked": "block", "reported": "report",
}  # fmt: skip


def _sides(bond: Bond) -> tuple[tuple[int, int], ...]:
    return ((bond.a, bond.b),) if bond.kind == "place" else ((bond.a, bond.b), (bond.b, bond.a))


def _slots(bonds: Iterable[Bond]) -> list[int]:
    return sorted({zlib.crc32(f"{a},{b},{kind},{surface}".encode()) % SLOTS for a, b, kind, surface in bonds})
