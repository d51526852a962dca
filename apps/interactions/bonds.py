"""Bonds in Postgres: locked, decided anew from all their events, written, and said as effects.

A bond's state is recomputed under its lock, after the events are written: of two likes that cross, the second
one to get the lock sees both. What is decided carries a version taken under that lock: whoever tells the
online state may come late or twice, for the higher version wins there. Locks are numbered slots taken in
rising order, so batches can't deadlock.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence, Set
from uuid import UUID

from apps.common import clock
from apps.common.changes import record_changes
from apps.common.prepared import rows_of
from apps.interactions.arrays import columns, literal, optional
from apps.interactions.models import EventType
from apps.interactions.online import Effect
from apps.interactions.relationships import Bond, Decision, Fact, decide

SLOTS = 512  # more would not fit into Postgres's lock table when many large batches meet
WRITING, UNDOING, ERASING = 7_302_001, 7_302_003, 7_302_004  # of advisory locks

_LOCK = """
SELECT CASE WHEN kind > 0 THEN pg_advisory_xact_lock(kind, slot)
    ELSE pg_advisory_xact_lock_shared(-kind, slot) END FROM unnest(%s::int[], %s::int[]) AS l(kind, slot)
"""
_FACTS = """
SELECT p.i, f.occurred_at, f.id, f.type, f.actor, f.said_at
FROM unnest(%s::int[], %s::int[], %s::text[], %s::text[]) WITH ORDINALITY AS p(a, b, kind, surface, i)
JOIN interactions_keptfact f ON f.a = p.a AND f.b = p.b AND f.kind = p.kind AND f.surface = p.surface
WHERE f.type = ANY(ARRAY['block', 'unblock', 'report'])
    OR NOT EXISTS (SELECT 1 FROM interactions_undone u WHERE u.event = f.id AND u.actor = f.actor)
"""
_WRITE = """
WITH v AS MATERIALIZED (SELECT nextval('interactions_version') AS version), given AS (
    SELECT * FROM unnest(
        %s::int[], %s::int[], %s::text[], %s::text[], %s::text[], %s::timestamptz[], %s::uuid[])
    AS g(actor, target, kind, surface, state, at, by)
), ended AS (
    DELETE FROM interactions_relationship r USING given g WHERE g.state = ''
    AND r.actor = g.actor AND r.target = g.target AND r.target_kind = g.kind AND r.surface = g.surface
), kept AS (
    INSERT INTO interactions_relationship
        (actor, target, target_kind, surface, state, decided_at, decided_by, version, updated_at)
    SELECT g.*, version, now() FROM given g, v WHERE g.state <> ''
    ON CONFLICT (actor, target, target_kind, surface) DO UPDATE
    SET state = excluded.state, decided_at = excluded.decided_at, decided_by = excluded.decided_by,
        version = excluded.version, updated_at = now()
    WHERE (interactions_relationship.state, interactions_relationship.decided_by)
        IS DISTINCT FROM (excluded.state, excluded.decided_by)
)
SELECT version FROM v
"""
_OF_EVENTS = "SELECT a, b, kind, surface FROM interactions_keptfact WHERE id = ANY(%s::uuid[])"

Sides = dict[tuple[int, int], Decision | None]  # by (actor, target); None: nothing, or nothing any more
Lock = tuple[int, int]  # kind and slot; a kind below 0 is shared


def bonds_of_events(ids: Collection[UUID]) -> set[Bond]:
    """The bonds that these stored events belong to."""
    return {Bond(*row) for row in rows_of(_OF_EVENTS, [literal(ids)])} if ids else set()


def locks_of(
    bonds: Iterable[Bond], *, undone: Collection[UUID] = (), events: Collection[UUID] = ()
) -> list[Lock]:
    """What to lock, and in which order, to decide these bonds alone.

    An undo and the event that it names may come at once in two batches: the second sees the first. `undone`:
    events that this batch takes back; `events`: those of it that an undo could name.
    """
    alone = {event.int % SLOTS for event in undone}
    shared = {event.int % SLOTS for event in events} - alone
    undoing = [(UNDOING if slot in alone else -UNDOING, slot) for slot in sorted(alone | shared)]
    return undoing + [(WRITING, slot) for slot in _slots(bonds)]


def settle(bonds: Iterable[Bond], lifted: Set[Bond], *, held: Set[Bond] = frozenset()) -> list[Effect]:
    """Decides these bonds anew, writes their states, and says what the online state has to be told.

    Inside a transaction, after the events' rows. Of the `lifted` bonds also where there is nothing any more.
    `held`: those whose locks it has; either all of the bonds or none, for locks are taken in one order.
    """
    ordered = sorted(set(bonds))
    if not ordered:
        return []
    if not held >= set(ordered):
        rows_of(_LOCK, columns(locks_of(ordered), 2))
    facts = _facts(ordered)
    decided = {bond: _sides(bond, facts[bond], alone=bond not in lifted) for bond in ordered}
    version = _write(decided)
    everywhere = {number for bond in ordered if not bond.surface for number in (bond.a, bond.b)}
    record_changes("relationship.global", sorted(everywhere))
    return [
        effect
        for bond, sides in decided.items()
        for effect in _effects(bond, sides, version, lifted=bond in lifted, first=len(facts[bond]) == 1)
    ]


def _facts(bonds: Sequence[Bond]) -> dict[Bond, list[Fact]]:
    found: dict[Bond, list[Fact]] = defaultdict(list)
    for i, *fact in rows_of(_FACTS, columns(bonds, 4)):
        found[bonds[i - 1]].append(Fact(*fact))
    return found


def _sides(bond: Bond, facts: Sequence[Fact], *, alone: bool) -> Sides:
    """`alone`: nothing was taken back. Then a side has nothing to lose by the first word about a pair."""
    decisions = decide(bond, facts)
    if alone and len(facts) == 1:
        return dict(decisions)
    pairs = ((bond.a, bond.b),) if bond.kind == "place" else ((bond.a, bond.b), (bond.b, bond.a))
    return {pair: decisions.get(pair) for pair in pairs}


def _write(decided: dict[Bond, Sides]) -> int:
    """The version under which these states are told."""
    rows = [
        (*pair, bond.kind, bond.surface, *(decision or ("", None, None)))
        for bond, sides in decided.items()
        for pair, decision in sides.items()
    ]
    *said, moments, events = zip(*rows, strict=True)
    ((version,),) = rows_of(_WRITE, [*map(literal, said), optional(moments), optional(events)])
    return int(version)


def _effects(bond: Bond, sides: Sides, version: int, *, lifted: bool, first: bool) -> Iterator[Effect]:
    """Of each side that decided; of a lifted bond also of a side that takes back whatever it was."""
    over = EventType.UNDO if bond.surface else EventType.UNBLOCK
    for (actor, target), decision in sides.items():
        if decision or lifted:
            state, at = (decision.state, decision.at) if decision else ("", clock.now())
            yield Effect(
                _TYPES.get(state, over.value), state, actor, target, bond.kind, bond.surface, at, version,
                first=first and not lifted, answered=sides.get((target, actor)) is not None,
            )  # fmt: skip


_TYPES = {
    "liked": "like", "passed": "pass", "matched": "match", "unmatched": "unmatch", "saved": "save",
    "blocked": "block", "reported": "report",
}  # fmt: skip


def _slots(bonds: Iterable[Bond]) -> list[int]:
    return sorted({zlib.crc32(f"{a},{b},{kind},{surface}".encode()) % SLOTS for a, b, kind, surface in bonds})
