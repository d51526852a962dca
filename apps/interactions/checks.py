"""Whether an event may be stored: who and what it names exist, its time is acceptable, its id is its own.

`look_up` reads what a batch names; `judge` decides one event without I/O. Whether an id was used before is
found when it is stored: `Repeats` then answers for what was not new.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Literal, NamedTuple
from uuid import UUID

import orjson

from apps.common.prepared import rows_of
from apps.interactions.arrays import literal, texts
from apps.interactions.bodies import EventBody
from apps.interactions.delivery_ids import belongs_to
from apps.interactions.models import EventType, TargetKind
from apps.interactions.relationships import UNDOABLE
from apps.interactions.windows import Window
from apps.places import selectors as places

_NAMED = """
SELECT external_id, number, NULL FROM members_member WHERE external_id = ANY(%s::text[])
UNION ALL SELECT key, NULL, kind FROM surfaces_surface WHERE is_active
"""
_TO_UNDO = """
SELECT id, actor, type FROM interactions_keptfact WHERE id = ANY(%s::uuid[])
UNION ALL
SELECT e.id, e.actor, e.type FROM interactions_eventkey k
JOIN interactions_event e ON e.id = k.id AND e.occurred_at = k.occurred_at
WHERE k.id = ANY(%s::uuid[])
"""


@dataclass(slots=True)
class EventResult:
    """What became of one event."""

    id: str
    status: Literal["accepted", "duplicate", "rejected"]
    code: str | None = None
    field: str | None = None
    detail: str | None = None


class Row(NamedTuple):
    """An event with numbers in the place of ids."""

    body: EventBody
    actor: int
    target: int | None  # none for an undo
    kind: str
    digest: bytes
    context: str
    at: str  # occurred_at as it is digested
    of: UUID | None  # what an undo takes back


@dataclass(frozen=True)
class Known:
    """What Postgres knows of all that a batch names."""

    members: dict[str, int]
    places: dict[str, int]
    surfaces: dict[str, str]  # active ones: key -> kind
    undone: dict[UUID, tuple[int, str]]  # events to take back: actor, type


def look_up(bodies: Sequence[EventBody]) -> Known:
    """Inside the transaction that stores them."""
    people = {body.actor for body in bodies} | _targets(bodies, TargetKind.MEMBER)
    spots = _targets(bodies, TargetKind.PLACE)
    named = rows_of(_NAMED, [texts(people)])
    return Known(
        members={key: number for key, number, _ in named if number is not None},
        places=places.numbers_of(spots) if spots else {},
        surfaces={key: kind for key, _, kind in named if kind is not None},
        undone=_events_to_undo([UUID(target) for target in _targets(bodies, TargetKind.EVENT)]),
    )


def digests_of(ids: Sequence[UUID]) -> dict[UUID, bytes]:
    """Of those that are stored; another batch may have just committed the same id."""
    found = rows_of("SELECT id, digest FROM interactions_eventkey WHERE id = ANY(%s::uuid[])", [literal(ids)])
    return {key: bytes(digest) for key, digest in found}


def judge(body: EventBody, known: Known, window: Window) -> Row | EventResult:
    """The row to store, or why there is none."""
    if not window.holds(body.occurred_at):
        return _untimely(body, window)
    actor, kind = known.members.get(body.actor), body.target_kind or TargetKind.MEMBER
    if actor is None:
        return rejected(body, "unknown_actor", "actor", "There is no such member.")
    refusal = _surface_refusal(body, known) if body.surface is not None else None
    if refusal is None and body.delivery is not None and not belongs_to(body.delivery, actor):
        refusal = rejected(body, "unknown_delivery", "delivery", "There is no such delivery for this member.")
    if refusal is not None:
        return refusal
    if kind == TargetKind.EVENT:
        return _undo(body, actor, known)
    target = (known.places if kind == TargetKind.PLACE else known.members).get(body.target)
    if target is None:
        return rejected(body, "unknown_target", "target", f"There is no such {kind.value}.")
    return _row(body, actor, target, kind)


class Repeats:
    """Answers for events whose id is not new: the same content again, or another one under a used id."""

    def __init__(self, rows: Mapping[int, Row], new: Set[UUID], others: Sequence[EventBody]) -> None:
        self._here = {row.body.id: (i, row.digest) for i, row in rows.items() if row.body.id in new}
        ids = {body.id for body in others} - set(self._here)
        self._before = digests_of(list(ids)) if ids else {}

    def answer(self, i: int, body: EventBody) -> EventResult | None:
        """Of the event at place `i` of the batch; None when nothing with its id came before it."""
        at, digest = self._here.get(body.id, (-1, self._before.get(body.id)))
        if digest is None or at >= i:
            return None
        if digest == digest_of(body, context_of(body), body.occurred_at.isoformat()):
            return EventResult(str(body.id), "duplicate")
        return rejected(body, "id_reused", "id", "Another event has this id.")


def context_of(body: EventBody) -> bytes:
    if not body.context.model_fields_set:
        return b"{}"
    said = {key: value for key, value in body.context.__dict__.items() if value is not None}
    return orjson.dumps(said, option=orjson.OPT_SORT_KEYS)


def digest_of(body: EventBody, context: bytes, at: str) -> bytes:
    """16 bytes that differ when anything that was sent differs."""
    said = (
        body.type, body.actor, body.target, body.target_kind, body.surface,
        body.delivery and str(body.delivery), body.position, at,
    )  # fmt: skip
    return hashlib.blake2b(orjson.dumps(said) + context, digest_size=16).digest()


def rejected(body: EventBody, code: str, field: str, detail: str) -> EventResult:
    return EventResult(str(body.id), "rejected", code, field, detail)


def _row(body: EventBody, actor: int, target: int | None, kind: TargetKind, of: UUID | None = None) -> Row:
    context, at = context_of(body), body.occurred_at.isoformat()
    return Row(body, actor, target, kind.value, digest_of(body, context, at), context.decode(), at, of)


def _untimely(body: EventBody, window: Window) -> EventResult:
    if body.occurred_at > window.last:
        return rejected(body, "in_future", "occurred_at", "This is more than 5 minutes in the future.")
    return rejected(
        body, "too_old", "occurred_at", f"Events from before {window.first:%Y-%m-%d} are not taken here."
    )


def _surface_refusal(body: EventBody, known: Known) -> EventResult | None:
    shown = known.surfaces.get(body.surface or "")
    if shown is None:
        return rejected(body, "unknown_surface", "surface", "There is no such active surface.")
    if shown != body.target_kind and body.target_kind != TargetKind.EVENT:
        return rejected(body, "kind_mismatch", "surface", "This surface shows another kind.")
    return None


def _undo(body: EventBody, actor: int, known: Known) -> Row | EventResult:
    """An event that isn't here yet may still come; then only its own actor's undo counts."""
    of = UUID(body.target)
    by, event_type = known.undone.get(of, (actor, EventType.FEEDBACK))
    if by != actor:
        return rejected(body, "unknown_target", "target", "There is no such event of this member.")
    if event_type not in UNDOABLE and event_type != EventType.FEEDBACK:
        return rejected(body, "not_undoable", "target", f"A {event_type} can't be undone.")
    return _row(body, actor, None, TargetKind.EVENT, of)


def _targets(bodies: Sequence[EventBody], kind: TargetKind) -> set[str]:
    return {body.target for body in bodies if body.target_kind == kind}


def _events_to_undo(ids: Sequence[UUID]) -> dict[UUID, tuple[int, str]]:
    """Kept facts, and other events as long as their month is there."""
    found = rows_of(_TO_UNDO, [literal(ids)] * 2) if ids else []
    return {key: (actor, event_type) for key, actor, event_type in found}
