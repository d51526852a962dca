"""What happened, as the serve path reads it: relations, likes received, seen; as packed records per viewer.

Takes the effects of committed events and writes them to Valkey before the events are acknowledged. It decides
nothing: states come from apps.interactions.services, policy lies with the reader. rebuild.py writes all anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import redis

from apps.common import clock, online
from apps.common.online import Rows
from apps.interactions import signals
from apps.interactions.exposures import Impression, confirming, count_late
from apps.interactions.models import Relationship
from apps.interactions.signals import Deed, Told

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
WAITING, ANSWERED = 1, 2  # states of a like received
IN_SESSION = frozenset(
    {CODES[state] for state in ("", State.LIKED, State.PASSED, State.MATCHED, State.SAVED)}
)
SEEN = timedelta(days=90)  # longer than any cool-down
MOST_SEEN = 4000


class Effect(NamedTuple):
    """What one committed event left behind.

    `state` is the pair's state now as its actor made it (a Relationship.State), or empty. `at` is the moment
    of the event that decided; `version` orders what is told of a pair, whoever tells it. A `surface` that is
    empty means everywhere (block, unblock, report, and their undo). `first`: nothing was told of this pair
    before, so that nothing has to be taken back.
    """

    type: str
    state: str
    actor: int
    target: int
    target_kind: str
    surface: str
    at: datetime
    version: int = 0
    delivery: UUID | None = None  # of an impression that names one
    received_at: datetime | None = None  # of an impression
    first: bool = False
    answered: bool = False  # of a like: the other side has decided too


def apply(effects: Sequence[Effect], deeds: Sequence[Deed] = ()) -> bool:
    """Writes the effects for both sides; whether Valkey has them. If not, nobody believes Valkey any more.

    Raises Unavailable when neither store can be told. Safe to repeat, in any order.
    """
    facts, seen = rows_of(effects)
    told = signals.told_of_deeds(deeds, told_of(effects))
    safety = any(_is_safety(effect) for effect in effects)

    def write(client: redis.Redis) -> None:
        confirmed = list(confirming(impressions_of(effects)))
        merged = online.merging(((facts, 0), (seen, MOST_SEEN)))
        calls = [*confirmed, *merged, *map(signals.writing, signals.in_parts(told))]
        count_late(online.run_together(client, calls)[: len(confirmed)])

    if not (facts or seen or told):
        return True
    return online.write_safely("events", write, safety=safety, told_again=True)


def rebuild() -> bool:
    """All of it anew from Postgres; False when that has to be tried again."""
    from apps.interactions.rebuild import rebuild as rebuild_all

    return rebuild_all()


def erase(number: int) -> None:
    """Forgets a viewer's own keys. Records about them in others' keys are harmless: they are gone.

    That they were erased stays: a process that still knows them must not think that nobody blocked them.
    """
    from apps.surfaces.models import Surface

    surfaces = list(Surface.objects.values_list("key", flat=True))
    erased = online.packed([(0, online.ERASED, 1, 0.0)])

    def forget(client: redis.Redis) -> None:
        client.set(online.global_key(number), erased)
        client.unlink(*_keys_on_surfaces(number, surfaces))
        signals.forget(client, number, surfaces)

    online.write_safely("erase", forget, safety=False)


def _keys_on_surfaces(number: int, surfaces: Sequence[str]) -> Iterator[str]:
    for surface in surfaces:
        keys = (online.acted_key, online.received_key, online.seen_key, online.held_key, online.last_key)
        yield from (key(surface, number) for key in (*keys, online.exposures_key))


def rows_of(effects: Sequence[Effect]) -> tuple[Rows, Rows]:
    """Records by key: facts to keep for good, and who was seen on which day."""
    facts: Rows = {}
    seen: Rows = {}
    for effect in effects:
        if effect.type == "impression":
            at = effect.at.timestamp()
            once_a_day = (effect.target, int(at // 86_400) % 256, 1, at)
            _add(seen, online.seen_key(effect.surface, effect.actor), once_a_day)
        elif _is_global(effect):
            _add_global(facts, effect)
        elif effect.state in CODES:
            _add_on_surface(facts, effect)
    return facts, seen


def told_of(effects: Sequence[Effect]) -> Told:
    """The decisions among the effects: likes as received, and each actor's own of late."""
    told, oldest = Told(), clock.now().timestamp() - signals.SESSION_SECONDS
    for effect in effects:
        if effect.type == "impression" or _is_global(effect) or effect.state not in CODES:
            continue
        like = (ANSWERED if effect.answered else WAITING) if effect.state == State.LIKED else 0
        if effect.target_kind == "member" and (like or not effect.first):
            received = told.received.setdefault((effect.surface, effect.target), [])
            received.append((effect.actor, 0, like, effect.version))
        at, code = effect.at.timestamp(), CODES[effect.state]
        lately = at >= oldest
        if lately or not effect.first:  # an undo may leave a decision of long ago
            decision = (effect.target, 0, code if lately and code in IN_SESSION else 0, effect.version, at)
            told.session.setdefault(online.session_key(effect.surface, effect.actor), []).append(decision)
    return told


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
    mine = (effect.target, online.BLOCKED_BY_VIEWER, state, effect.version)
    theirs = (effect.actor, online.BLOCKED_BY_OTHER, state, effect.version)
    _add(facts, online.global_key(effect.actor), mine)
    _add(facts, online.global_key(effect.target), theirs)


def _add_on_surface(facts: Rows, effect: Effect) -> None:
    code, version = CODES[effect.state], effect.version
    _add(facts, online.acted_key(effect.surface, effect.actor), (effect.target, BY_VIEWER, code, version))
    if effect.target_kind != "member":
        return
    # What else the other side did concerns nobody but them; it only takes the place of a match that was.
    both = code if effect.state in (State.MATCHED, State.UNMATCHED) else 0
    if both or not effect.first:
        record = (effect.actor, BY_OTHER, both, version)
        _add(facts, online.acted_key(effect.surface, effect.target), record)


def _add(rows: Rows, key: str, record: tuple[int, int, int, float]) -> None:
    rows.setdefault(key, []).append(record)


def _is_global(effect: Effect) -> bool:
    return effect.type in GLOBAL_TYPES or effect.state in GLOBAL_STATES or not effect.surface


def _is_safety(effect: Effect) -> bool:
    return _is_global(effect) and effect.state in GLOBAL_STATES
