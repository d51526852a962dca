"""The change feed: one row in each write's transaction, read by a position no slow commit can fall behind."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db import connection

from apps.common.prepared import rows_of

_INSERT = """
INSERT INTO common_change (kind, payload, number)
SELECT %s::text, %s::jsonb, number FROM unnest(%s::int[]) WITH ORDINALITY AS n(number, place) ORDER BY place
"""
_AFTER = """
SELECT transaction, id, kind, number FROM common_change
WHERE (transaction, id) > (%s::bigint, %s::bigint)
  AND transaction < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
ORDER BY transaction, id LIMIT %s
"""


@dataclass(frozen=True, order=True)
class Position:
    """How far a reader got: every row up to (transaction, id) was seen."""

    transaction: int = 0
    id: int = 0


class Entry(NamedTuple):
    """A row of the feed, as its readers follow it."""

    transaction: int
    id: int
    kind: str  # member.saved, place.saved, relationship, ...
    number: int  # of the member or place


def record_changes(kind: str, numbers: Iterable[int], payload: dict[str, Any] | None = None) -> None:
    """Appends one row per number, in one statement. Call inside the transaction of the write."""
    rows = list(numbers)
    if rows:
        rows_of(_INSERT, [kind, json.dumps(payload or {}), rows])


def changes_after(position: Position, *, limit: int = 5000) -> list[Entry]:
    """Rows after `position`, oldest first, that no running transaction can still precede."""
    return [Entry(*row) for row in rows_of(_AFTER, [position.transaction, position.id, limit])]


def latest_position() -> Position:
    """The position from which a reader that has just read everything in Postgres may follow."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint - 1")
        return Position(transaction=int(cursor.fetchone()[0]), id=2**62)
