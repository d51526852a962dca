"""What happened, as the serve path reads it: relations, likes received, seen; as packed records per viewer.

Takes the effects of committed events and writes them to Valkey before the events are acknowledged. It decides
nothing: states come from apps.interactions.services, policy lies with the reader. rebuild.py writes all anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import redis

from apps.common import online
from apps.common.online import Rows
from apps.interactions.exposures import Impression, confirm
from apps.interactions.models import Relationship

State = Relationship.State
# How a pair's state is stored on a surface; 0: nothing any more.
CODES: dict[str, int] = {
    "": 0,
    State.LIKED: 1,
    State.PASSED: 2,
    State.MATCHED: 3,
    State.UNMATCHED: 4,
    State.SAVED: 5,
}
GLOBAL_STATES = frozenset({State.BLOCKED, State.REPORTED})
GLOBAL_TYPES = frozenset({"block", "unblock", "report"})
BY_VIEWER, BY_OTHER = 0, 1  # slots of the acted key
MOST_SEEN, MOST_RECEIVED = 4000, 2000


@dataclass(frozen=True)
class Effect:
    """What one committed event left behind.

    `state` is the pair's state now as its actor made it (a Relationship.State), or empty.
    `at` orders effects on a pair: the moment of the event that decided (of the undo itself, for an undo).
    A `surface` that is empty means everywhere (block, unblock, report, and their undo).
    """

    type: str
    state: str
    actor: int
    target: int
    target_kind: str
    surface: str
    at: datetime
    delivery: UUID | None = None  # of an impression that names one
    received_at: datetime | None = None  # of an impression


def apply(effects: Sequence[Effect]) -> None:
    """Writes the effects for both sides. Returns once Valkey has them, or nobody believes Valkey any more.

    Raises Unavailable when neither store can be told. Safe to repeat, in any order.
    """
    facts, received, seen = rows_of(effects)
    safety = any(_is_safety(effect) for effect in effects)

    def write(client: redis.Redis) -> None:
        for rows, keep in ((facts, 0), (received, MOST_RECEIVED), (seen, MOST_SEEN)):
            if rows:
                online.merge(client, rows, keep)
        confirm(client, impressions_of(effects))

    if facts or received or seen:
        online.write_safely("events", write, safety=safety)


def rebuild() -> bool:
    """All of it anew from Postgres; False when that has to be tried again."""
    from apps.interactions.rebuild import rebuild as rebuild_all

    return rebuild_all()


def erase(number: int) -> None:
    """Forgets a viewer's own keys. Records about them in others' keys are harmless: they are gone."""
    keys = [online.global_key(number), *_keys_on_surfaces(number)]
    online.write_safely("erase", lambda client: client.unlink(*keys), safety=False)


def _keys_on_surfaces(number: int) -> Iterator[str]:
    from apps.surfaces.models import Surface

    for surface in Surface.objects.values_list("key", flat=True):
        keys = (online.acted_key, online.received_key, online.seen_key, online.held_key, online.last_key)
        yield from (key(surface, number) for key in (*keys, online.exposures_key))


def rows_of(effects: Sequence[Effect]) -> tuple[Rows, Rows, Rows]:
    """Records by key: facts to keep for good, likes received, seen."""
    facts: Rows = {}
    received: Rows = {}
    seen: Rows = {}
    for effect in effects:
        if effect.type == "impression":
            _add(seen, online.seen_key(effect.surface, effect.actor), (effect.target, 0, 1), effect.at)
        elif _is_global(effect):
            _add_global(facts, effect)
        elif effect.state in CODES:
            _add_on_surface(facts, received, effect)
    return facts, received, seen


def impressions_of(effects: Sequence[Effect]) -> list[Impression]:
    """What was seen, for the exposures that wait for it."""
    return [
        Impression(
            effect.surface,
            effect.actor,
            effect.target,
            effect.delivery,
            effect.at.timestamp(),
            (effect.received_at or effect.at).timestamp(),
        )
        for effect in effects
        if effect.type == "impression"
    ]


def _add_global(facts: Rows, effect: Effect) -> None:
    state = int(effect.state in GLOBAL_STATES)
    mine = (effect.target, online.BLOCKED_BY_VIEWER, state)
    theirs = (effect.actor, online.BLOCKED_BY_OTHER, state)
    _add(facts, online.global_key(effect.actor), mine, effect.at)
    _add(facts, online.global_key(effect.target), theirs, effect.at)


def _add_on_surface(facts: Rows, received: Rows, effect: Effect) -> None:
    code = CODES[effect.state]
    _add(facts, online.acted_key(effect.surface, effect.actor), (effect.target, BY_VIEWER, code), effect.at)
    if effect.target_kind != "member":
        return
    liked = int(effect.state == State.LIKED)
    _add(received, online.received_key(effect.surface, effect.target), (effect.actor, 0, liked), effect.at)
    # What else the other side did concerns nobody but them; it only takes the place of a match that was.
    both = code if effect.state in (State.MATCHED, State.UNMATCHED) else 0
    theirs = (effect.actor, BY_OTHER, both)
    _add(facts, online.acted_key(effect.surface, effect.target), theirs, effect.at)


def _add(rows: Rows, key: str, fact: tuple[int, int, int], at: datetime) -> None:
    rows.setdefault(key, []).append((*fact, at.timestamp()))


def _is_global(effect: Effect) -> bool:
    return effect.type in GLOBAL_TYPES or effect.state in GLOBAL_STATES or not effect.surface


def _is_safety(effect: Effect) -> bool:
    return _is_global(effect) and effect.state in GLOBAL_STATES
