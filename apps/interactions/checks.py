"""Whether an event may be stored: who and what it names exist, its time is acceptable, its id is its own.

`look_up` reads all that a batch needs, in a handful of queries; `judge` decides one event without I/O.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

import orjson
from django.db import connection

from apps.interactions.arrays import literal
from apps.interactions.bodies import EventBody
from apps.interactions.delivery_ids import belongs_to
from apps.interactions.models import EventType, TargetKind
from apps.interactions.relationships import UNDOABLE
from apps.members import selectors as members
from apps.places import selectors as places
from apps.surfaces.selectors import active_surfaces

AHEAD = timedelta(minutes=5)  # clocks differ
BEHIND = timedelta(days=30)  # older ones only by file


@dataclass(frozen=True)
class EventResult:
    """What became of one event."""

    id: str
    status: Literal["accepted", "duplicate", "rejected"]
    code: str | None = None
    field: str | None = None
    detail: str | None = None


@dataclass(frozen=True)
class Row:
    """An event with numbers in the place of ids."""

    body: EventBody
    actor: int
    target: int | None  # none for an undo
    kind: str
    digest: bytes
    context: str


@dataclass(frozen=True)
class Known:
    """What Postgres knows of all that a batch names."""

    members: dict[str, int]
    places: dict[str, int]
    surfaces: dict[str, str]  # active ones: key -> kind
    digests: dict[UUID, bytes]  # of ids stored before
    undone: dict[UUID, tuple[int, str]]  # events to take back: actor, type


def look_up(bodies: Sequence[EventBody]) -> Known:
    """Inside the transaction that stores them."""
    people = {body.actor for body in bodies} | _targets(bodies, TargetKind.MEMBER)
    spots = _targets(bodies, TargetKind.PLACE)
    return Known(
        members=members.numbers_of(people),
        places=places.numbers_of(spots) if spots else {},
        surfaces={key: surface.kind for key, surface in active_surfaces().items()},
        digests=digests_of([body.id for body in bodies]),
        undone=_events_to_undo([UUID(target) for target in _targets(bodies, TargetKind.EVENT)]),
    )


def digests_of(ids: Sequence[UUID]) -> dict[UUID, bytes]:
    """By which a repeated event is told from another one with the same id."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, digest FROM interactions_eventkey WHERE id = ANY(%s::uuid[])", [literal(ids)]
        )
        return {key: bytes(digest) for key, digest in cursor.fetchall()}


def is_timely(body: EventBody, *, now: datetime, from_file: bool) -> bool:
    return body.occurred_at <= now + AHEAD and (from_file or body.occurred_at >= now - BEHIND)


def judge(body: EventBody, known: Known, *, now: datetime, from_file: bool) -> Row | EventResult:
    """The row to store, or what to answer instead."""
    context = orjson.dumps(body.context.model_dump(exclude_none=True), option=orjson.OPT_SORT_KEYS)
    digest = digest_of(body, context)
    if body.id in known.digests:
        return repeated(body, known.digests[body.id] == digest)
    if not is_timely(body, now=now, from_file=from_file):
        return _untimely(body, now)
    actor = known.members.get(body.actor)
    if actor is None:
        return rejected(body, "unknown_actor", "actor", "There is no such member.")
    return (
        _surface_refusal(body, known)
        or _delivery_refusal(body, actor)
        or _undo_refusal(body, actor, known)
        or _row(body, known, actor, digest, context.decode())
    )


def digest_of(body: EventBody, context: bytes) -> bytes:
    """16 bytes that differ when anything that was sent differs."""
    said = (
        body.type, body.actor, body.target, body.target_kind, body.surface,
        body.delivery and str(body.delivery), body.position, body.occurred_at.isoformat(),
    )  # fmt: skip
    return hashlib.blake2b(orjson.dumps(said) + context, digest_size=16).digest()


def repeated(body: EventBody, same: bool) -> EventResult:
    if same:
        return EventResult(str(body.id), "duplicate")
    return rejected(body, "id_reused", "id", "Another event has this id.")


def rejected(body: EventBody, code: str, field: str, detail: str) -> EventResult:
    return EventResult(str(body.id), "rejected", code, field, detail)


def _row(body: EventBody, known: Known, actor: int, digest: bytes, context: str) -> Row | EventResult:
    kind = body.target_kind or TargetKind.MEMBER
    if kind == TargetKind.EVENT:
        return Row(body, actor, None, kind.value, digest, context)
    target = (known.places if kind == TargetKind.PLACE else known.members).get(body.target)
    if target is None:
        return rejected(body, "unknown_target", "target", f"There is no such {kind.value}.")
    return Row(body, actor, target, kind.value, digest, context)


def _untimely(body: EventBody, now: datetime) -> EventResult:
    if body.occurred_at > now:
        return rejected(body, "in_future", "occurred_at", "This is more than 5 minutes in the future.")
    return rejected(body, "too_old", "occurred_at", "Events older than 30 days are loaded from files.")


def _surface_refusal(body: EventBody, known: Known) -> EventResult | None:
    if body.surface is None:
        return None
    if body.surface not in known.surfaces:
        return rejected(body, "unknown_surface", "surface", "There is no such active surface.")
    if body.target_kind != TargetKind.EVENT and known.surfaces[body.surface] != body.target_kind:
        return rejected(body, "kind_mismatch", "surface", "This surface shows another kind.")
    return None


def _delivery_refusal(body: EventBody, actor: int) -> EventResult | None:
    if body.delivery is None or belongs_to(body.delivery, actor):
        return None
    return rejected(body, "unknown_delivery", "delivery", "There is no such delivery for this member.")


def _undo_refusal(body: EventBody, actor: int, known: Known) -> EventResult | None:
    """An event that isn't here yet may still come; then only its own actor's undo counts."""
    if body.target_kind != TargetKind.EVENT or UUID(body.target) not in known.undone:
        return None
    by, event_type = known.undone[UUID(body.target)]
    if by != actor:
        return rejected(body, "unknown_target", "target", "There is no such event of this member.")
    if event_type not in UNDOABLE and event_type != EventType.FEEDBACK:
        return rejected(body, "not_undoable", "target", f"A {event_type} can't be undone.")
    return None


def _targets(bodies: Sequence[EventBody], kind: TargetKind) -> set[str]:
    return {body.target for body in bodies if body.target_kind == kind}


def _events_to_undo(ids: Sequence[UUID]) -> dict[UUID, tuple[int, str]]:
    if not ids:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT e.id, e.actor, e.type FROM interactions_eventkey k JOIN interactions_event e "
            "ON e.id = k.id AND e.occurred_at = k.occurred_at WHERE k.id = ANY(%s::uuid[])",
            [literal(ids)],
        )
        return {key: (actor, event_type) for key, actor, event_type in cursor.fetchall()}
