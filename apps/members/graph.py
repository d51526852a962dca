"""The one door for edges between members: put, save in sets, delete. Services, split off.

Takes the app's own ids, stores each edge once (`a` below `b`), tells the online state before it returns.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.db import connection, transaction

from apps.common.bodies import RowResult
from apps.common.changes import record_changes
from apps.common.errors import NotFound, Unprocessable
from apps.common.prepared import rows_of
from apps.members.bodies import ConnectionBody
from apps.members.models import Connection
from apps.members.selectors import numbers_of, unknown_member

ConnectionRow = tuple[str, str, ConnectionBody]
_UPSERT = """
INSERT INTO members_connection (a_id, b_id, kind, visible)
SELECT * FROM unnest(%s::int[], %s::int[], %s::text[], %s::bool[]) ORDER BY 1, 2
ON CONFLICT (a_id, b_id) DO UPDATE SET kind = excluded.kind, visible = excluded.visible
RETURNING a_id, b_id, xmax = 0
"""
# Versions rise in the order of the commits, for they are taken once the pair's row is locked: whoever tells
# theirs late is not believed over whoever committed later.
_NUMBER = """
UPDATE members_connection c SET version = nextval('members_version')
FROM unnest(%s::int[], %s::int[]) AS p(a, b) WHERE c.a_id = p.a AND c.b_id = p.b
RETURNING c.a_id, c.b_id, c.version
"""
Versions = dict[tuple[int, int], int]  # by pair


def put_connection(a: str, b: str, body: ConnectionBody) -> bool:
    """Adds or changes an edge, whichever side is named first; whether it is new. Raises NotFound, Problem."""
    (result,) = save_connections([(a, b, body)])
    if result.code == "unknown_member":
        raise unknown_member(result.field)
    if result.status == "rejected":
        raise Unprocessable(result.detail or "", code=result.code, field=result.field)
    return result.status == "created"


def save_connections(rows: Sequence[ConnectionRow]) -> list[RowResult]:
    """Adds or changes edges; one result per row, named "a/b". Of rows on the same pair the last one stays."""
    with transaction.atomic():
        numbers = numbers_of({external_id for a, b, _ in rows for external_id in (a, b)})
        refusals = [_refusal(a, b, numbers) for a, b, _ in rows]
        edges = {
            _pair(numbers[a], numbers[b]): body
            for (a, b, body), refusal in zip(rows, refusals, strict=True)
            if refusal is None
        }
        new, versions = _write(edges)
        record_changes("connection.saved", sorted({number for pair in edges for number in pair}))
    _publish(versions, connected=True)
    return [
        refusal or RowResult(f"{a}/{b}", "created" if _pair(numbers[a], numbers[b]) in new else "updated")
        for (a, b, _), refusal in zip(rows, refusals, strict=True)
    ]


def delete_connection(a: str, b: str) -> None:
    """Raises NotFound `unknown_connection`."""
    numbers = numbers_of([a, b])
    with transaction.atomic():
        pair = _pair(numbers[a], numbers[b]) if a in numbers and b in numbers else (0, 0)
        deleted, _ = Connection.objects.filter(a=pair[0], b=pair[1]).delete()
        if not deleted:
            raise NotFound("There is no such connection.", code="unknown_connection")
        record_changes("connection.saved", pair)
        ((version,),) = rows_of("SELECT nextval('members_version')")
    _publish({pair: version}, connected=False)


def _write(edges: dict[tuple[int, int], ConnectionBody]) -> tuple[set[tuple[int, int]], Versions]:
    """The pairs that are new, and the versions of all."""
    with connection.cursor() as cursor:
        cursor.execute(
            _UPSERT,
            [
                [a for a, _ in edges],
                [b for _, b in edges],
                [body.kind.value for body in edges.values()],
                [body.visible for body in edges.values()],
            ],
        )
        added = {(a, b) for a, b, new in cursor.fetchall() if new}
        cursor.execute(_NUMBER, [[a for a, _ in edges], [b for _, b in edges]])
        return added, {(a, b): version for a, b, version in cursor.fetchall()}


def _refusal(a: str, b: str, numbers: dict[str, int]) -> RowResult | None:
    if a == b:
        return RowResult(
            f"{a}/{b}", "rejected", "self_connection", "b", "A member can't be tied to themselves."
        )
    for field, external_id in (("a", a), ("b", b)):
        if external_id not in numbers:
            return RowResult(f"{a}/{b}", "rejected", "unknown_member", field, "There is no such member.")
    return None


def _pair(a: int, b: int) -> tuple[int, int]:
    return (a, b) if a < b else (b, a)


def _publish(versions: Versions, *, connected: bool) -> None:
    from apps.common.online import publish_connections

    publish_connections(versions, connected=connected)
