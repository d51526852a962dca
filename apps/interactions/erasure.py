"""Erases a member altogether. Services; the one door for it, called by the API and the admin.

What goes: the member's row, trips and edges; every event and kept fact of what they did or was done to them;
their relationships, both ways; deliveries to them. In deliveries to others their number becomes 0 (nobody),
so that the columns still agree, and what was computed of them becomes zeros. What stays: event ids without
content (an id is never used twice), and the number with the time of the erasure, which masks old snapshots.
Others' packed viewer states may hold the number, which is nobody's; those that hold a newcomer's row go.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models.functions import Now

from apps.common import clock
from apps.common.errors import NotFound
from apps.interactions.bonds import ERASING
from apps.interactions.models import Delivery
from apps.interactions.served import NOBODY, without
from apps.members.models import Erasure
from apps.members.selectors import numbers_of, unknown_member
from apps.members.services import remove_member
from apps.surfaces.models import Surface

Naming = tuple[UUID, datetime]  # a delivery, and when it was served
OVERLAP = timedelta(hours=1)  # longer than the first masking takes
_EVENTS = """
DELETE FROM interactions_event
WHERE actor = %(number)s OR (target = %(number)s AND target_kind = 'member') RETURNING id
"""
_STATEMENTS = (
    "UPDATE interactions_eventkey SET digest = '' WHERE id = ANY(%(events)s)",
    "DELETE FROM interactions_undone WHERE actor = %(number)s OR event = ANY(%(events)s)",
    "DELETE FROM interactions_keptfact WHERE (kind = 'member' AND %(number)s IN (a, b)) "
    "OR (kind = 'place' AND a = %(number)s)",
    "DELETE FROM interactions_relationship "
    "WHERE actor = %(number)s OR (target = %(number)s AND target_kind = 'member')",
    "DELETE FROM interactions_delivery WHERE viewer = %(number)s",
)
_ROW = "4 * cardinality(feature_names)"  # bytes of one candidate's features
_NAMING = """
SELECT id, served_at FROM interactions_delivery
WHERE served_at >= %(since)s
    AND (%(number)s = ANY(candidates) OR inputs -> 'newcomers' @> to_jsonb(%(number)s::integer)
        OR %(number)s = ANY(feature_numbers))
    AND surface IN (SELECT key FROM surfaces_surface WHERE kind = 'member')
"""
_MASK = f"""
UPDATE interactions_delivery SET candidates = array_replace(candidates, %(number)s, {NOBODY}),
    viewer_state = CASE WHEN inputs -> 'newcomers' @> to_jsonb(%(number)s::integer) THEN NULL
        ELSE viewer_state END,
    features = CASE WHEN %(number)s = ANY(feature_numbers) THEN overlay(features
        PLACING decode(repeat('00', {_ROW}), 'hex')
        FROM {_ROW} * (array_position(feature_numbers, %(number)s) - 1) + 1) ELSE features END,
    feature_numbers = array_replace(feature_numbers, %(number)s, {NOBODY})
WHERE (served_at, id) IN (SELECT * FROM unnest(%(moments)s::timestamptz[], %(ids)s::uuid[]))
"""
MASKED_AT_ONCE = 500  # deliveries
LATELY = timedelta(days=1)  # no answer that may be given again, and no last list, is kept for longer


def erase_member(external_id: str) -> None:
    """Leaves nothing of this member but their number. Raises NotFound `unknown_member`.

    When it returns, or says that there is no such member, whoever was erased is shown nowhere. Snapshots
    follow by the change feed.
    """
    try:
        number = _erase(external_id)
    except NotFound:
        # Perhaps erased by a call that ended, or still is, between its commit and what has to be told of it.
        _tell(list(Erasure.objects.filter(erased_at__gt=Now() - LATELY).values_list("number", flat=True)))
        raise
    _tell([number])


def _erase(external_id: str) -> int:
    """The number of whom it erased, committed and not yet told. Raises NotFound."""
    number = numbers_of([external_id]).get(external_id)
    if number is None:
        raise unknown_member()
    # The long scan first, without holding up events; then once more over what came meanwhile. Every process
    # follows changes only up to the oldest transaction that writes, so that none may write for long.
    named = _naming(number, "-infinity")
    for start in range(0, len(named), MASKED_AT_ONCE):
        with transaction.atomic():
            _mask(number, named[start : start + MASKED_AT_ONCE])
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [ERASING])
        named = _naming(number, clock.now() - OVERLAP)
        number = remove_member(external_id)
        erase_interactions(number, named)
    return number


def _tell(numbers: Sequence[int]) -> None:
    """The guard first, then what is kept for them as viewers. Safe to repeat."""
    from apps.common.gone import FOR_GOOD, publish_gone
    from apps.interactions import online

    publish_gone("member", dict.fromkeys(numbers, FOR_GOOD))
    for number in numbers:
        online.erase(number)


def erase_interactions(number: int, named: Sequence[Naming]) -> None:
    """All that happened by, to and for this member. `named`: the latest deliveries to others that name them.
    Inside a transaction that keeps events out."""
    with connection.cursor() as cursor:
        cursor.execute(_EVENTS, {"number": number})
        given: Any = {"number": number, "events": [key for (key,) in cursor.fetchall()]}
        for statement in _STATEMENTS:
            cursor.execute(statement, given)
    _mask(number, named)


def _naming(number: int, since: datetime | str) -> list[Naming]:
    """The deliveries from then on that name a member. It writes nothing."""
    with connection.cursor() as cursor:
        cursor.execute(_NAMING, {"number": number, "since": since})
        return list(cursor.fetchall())


def _mask(number: int, named: Sequence[Naming]) -> None:
    if named:
        ids, moments = zip(*named, strict=True)
        with connection.cursor() as cursor:
            cursor.execute(_MASK, {"number": number, "ids": list(ids), "moments": list(moments)})


def without_erased(deliveries: Sequence[Delivery]) -> list[Delivery]:
    """Deliveries that were on their way at an erasure, as it would have left them. In a transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock_shared(%s)", [ERASING])
    numbers = {number for row in deliveries for number in _named_in(row)}
    erased = set(Erasure.objects.filter(number__in=numbers).values_list("number", flat=True))
    if not erased:
        return list(deliveries)
    of_places = set(Surface.objects.filter(kind="place").values_list("key", flat=True))
    kept = [row for row in deliveries if row.viewer not in erased]
    for row in kept:
        if row.surface not in of_places:
            row.candidates = [NOBODY if number in erased else number for number in row.candidates]
            without(row, erased)
            if erased.intersection(_new_in(row)):
                row.viewer_state = None
    return kept


def _named_in(row: Delivery) -> list[int]:
    return [row.viewer, *row.candidates, *_new_in(row), *(row.feature_numbers or [])]


def _new_in(row: Delivery) -> list[int]:
    """Members whose rows stand in the packed state, because no snapshot had them yet."""
    return list(row.inputs.get("newcomers", []))
