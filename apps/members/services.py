"""The one door for every change of members: save, patch, stop, trips, and the member's part of an erasure.

Each writes its rows and their Changes in one transaction, in sets; then, before it returns, makes sure that
nobody is shown who may not be. Edges of the graph are in graph.py. Whole erasure is
apps.interactions.services.erase_member: events are not known here.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import orjson
from django.contrib.auth.models import User
from django.db import connection, transaction

from apps.common import clock
from apps.common.audit import must_have, record
from apps.common.bodies import RowResult, parse
from apps.common.changes import record_changes
from apps.common.errors import Problem, Unprocessable
from apps.members.bodies import MemberBody, TripBody
from apps.members.graph import delete_connection, put_connection, save_connections
from apps.members.models import Erasure, Member, Trip
from apps.members.selectors import (
    latest_adult_birth_date,
    member_body,
    member_by_id,
    numbers_of,
    shown_condition,
    shown_states,
    unknown_member,
)
from apps.surfaces.selectors import Whereabouts

__all__ = [
    "bring_back_grown_up", "delete_connection", "merge_patch", "patch_member", "put_connection",
    "put_member", "remove_member", "save_connections", "save_members", "save_trips", "set_trips",
    "stop_member", "unstop_member",
]  # fmt: skip

_COLUMNS = {
    "external_id": "text", "display_name": "text", "photo_url": "text", "status": "text",
    "visibility": "text", "birth_date": "date", "gender": "text", "seeking": "text[]", "intents": "text[]",
    "age_min": "int", "age_max": "int", "max_distance_km": "int",
    "home_market_id": "int", "home_cell": "int", "current_market_id": "int",
    "industries": "text[]", "crafts": "text[]", "skills": "text[]", "interests": "jsonb",
    "bio": "text", "last_active_at": "timestamptz",
}  # fmt: skip
_UPSERT = f"""
INSERT INTO members_member ({", ".join(_COLUMNS)}, joined_at, updated_at)
SELECT {", ".join(_COLUMNS)}, coalesce(joined_at, now()), now()
FROM jsonb_to_recordset(%s::jsonb)
    AS r({", ".join(f"{n} {t}" for n, t in _COLUMNS.items())}, joined_at timestamptz)
ORDER BY external_id
ON CONFLICT (external_id) DO UPDATE SET {", ".join(f"{n} = excluded.{n}" for n in _COLUMNS)},
    joined_at = CASE WHEN excluded.external_id = ANY(%s)
        THEN excluded.joined_at ELSE members_member.joined_at END,
    updated_at = now()
RETURNING external_id, number, xmax = 0
"""
GROWN_UP_WITHIN = timedelta(days=31)  # longer than refreshes fail for
AS_SAID = (
    "display_name", "photo_url", "status", "visibility", "birth_date", "seeking", "intents", "age_min",
    "age_max", "max_distance_km", "industries", "crafts", "skills", "interests", "bio", "joined_at",
    "last_active_at",
)  # fmt: skip


def put_member(external_id: str, body: MemberBody) -> bool:
    """Saves a whole member; whether they are new. Raises Problem."""
    (result,) = save_members([(external_id, body)])
    if result.status == "rejected":
        raise Unprocessable(result.detail or "", code=result.code, field=result.field)
    return result.status == "created"


def save_members(rows: Sequence[tuple[str, MemberBody]]) -> list[RowResult]:
    """Saves whole members, about 1,000 a call; one result per row. Of rows with one id the last one stays."""
    with transaction.atomic():
        saved, rejected = _save(rows)
    _publish(saved)
    return [
        _result(external_id, saved, refusal) for (external_id, _), refusal in zip(rows, rejected, strict=True)
    ]


def patch_member(external_id: str, patch: Any) -> Member:
    """Merges `patch` (RFC 7396) into the stored member. Raises NotFound, Problem."""
    with transaction.atomic():
        if not Member.objects.select_for_update().filter(external_id=external_id).exists():
            raise unknown_member()
        body = parse(MemberBody, merge_patch(member_body(member_by_id(external_id)), _lowered(patch)))
        saved, (refusal,) = _save([(external_id, body)])
        if refusal is not None:
            raise refusal
    _publish(saved)
    return member_by_id(external_id)


def stop_member(external_id: str, *, actor: User | None = None, reason: str = "") -> None:
    """By trust and safety: shown nowhere from the moment this returns. Raises NotFound, Denied."""
    _stop(external_id, stopped=True, actor=actor, reason=reason)


def unstop_member(external_id: str, *, actor: User | None = None, reason: str = "") -> None:
    """Raises NotFound, Denied."""
    _stop(external_id, stopped=False, actor=actor, reason=reason)


def bring_back_grown_up() -> None:
    """Whoever turned 18 of late may be shown: no save says so, the date alone does. Safe to repeat."""
    from apps.common.gone import publish_back

    adult_since = latest_adult_birth_date(clock.today())
    born = (adult_since - GROWN_UP_WITHIN, adult_since)
    rows = Member.objects.filter(shown_condition(), birth_date__range=born)
    publish_back("member", dict(rows.values_list("number", "version")))


def set_trips(external_id: str, trips: Sequence[TripBody]) -> None:
    """Replaces a member's trips. Raises NotFound, Problem `unknown_market`."""
    (result,) = save_trips([(external_id, trips)])
    if result.code == "unknown_member":
        raise unknown_member()
    if result.status == "rejected":
        raise Unprocessable(result.detail or "", code=result.code, field=result.field)


def save_trips(rows: Sequence[tuple[str, Sequence[TripBody]]]) -> list[RowResult]:
    """Replaces the trips of several members; one result per row. Of rows with one id the last one stays."""
    markets = Whereabouts().markets
    with transaction.atomic():
        numbers = numbers_of({external_id for external_id, _ in rows})
        results = [_trips_result(external_id, trips, numbers, markets) for external_id, trips in rows]
        good = {
            numbers[external_id]: trips
            for (external_id, trips), result in zip(rows, results, strict=True)
            if result.status != "rejected"
        }
        # Locked in one order, so that two calls for the same members replace one after the other.
        list(Member.objects.select_for_update().filter(number__in=good).order_by("number").values("number"))
        Trip.objects.filter(member__in=good).delete()
        Trip.objects.bulk_create(
            Trip(member_id=n, market=markets[t.market], starts_on=t.starts_on, ends_on=t.ends_on)
            for n, trips in good.items()
            for t in trips
        )
        record_changes("member.saved", good)
    return results


def remove_member(external_id: str) -> int:
    """The members' part of an erasure: row, trips and edges go, a number and a time stay. Raises NotFound.

    Call apps.interactions.services.erase_member, which also erases what happened and tells the online state.
    """
    with transaction.atomic():
        member = Member.objects.select_for_update().filter(external_id=external_id).first()
        if member is None:
            raise unknown_member()
        number = member.number
        member.delete()
        Erasure.objects.create(number=number)
        record_changes("member.erased", [number])
    return number


def merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7396: null removes, objects merge, everything else replaces."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged


def _save(rows: Sequence[tuple[str, MemberBody]]) -> tuple[dict[str, tuple[int, bool]], list[Problem | None]]:
    """Inside a transaction. Numbers and newness by id, and a refusal or none per row."""
    where = Whereabouts()
    values: dict[str, dict[str, Any]] = {}
    rejected: list[Problem | None] = []
    for external_id, body in rows:
        try:
            values[external_id] = _row(external_id, body, where)
            rejected.append(None)
        except Problem as problem:
            rejected.append(problem)
    said = [external_id for external_id, row in values.items() if row["joined_at"] is not None]
    with connection.cursor() as cursor:
        # Known rows in the order of their numbers, new ones in that of their ids: two calls can't deadlock.
        cursor.execute(
            "SELECT 1 FROM members_member WHERE external_id = ANY(%s) ORDER BY number FOR NO KEY UPDATE",
            [list(values)],
        )
        cursor.execute(_UPSERT, [orjson.dumps(list(values.values())).decode(), said])
        saved = {external_id: (number, new) for external_id, number, new in cursor.fetchall()}
    record_changes("member.saved", (number for number, _ in saved.values()))
    return saved, rejected


def _row(external_id: str, body: MemberBody, where: Whereabouts) -> dict[str, Any]:
    if body.id not in (None, external_id):
        raise Unprocessable("The id in the body is another one.", code="id_mismatch", field="id")
    try:
        market = where.market_of(body.home) if body.home else None
        current = where.named(body.current_market) if body.current_market else None
    except Problem as problem:
        problem.field = (
            "home.market" if body.home and body.home.market not in where.markets else "current_market"
        )
        raise
    return {
        **{name: getattr(body, name) for name in AS_SAID},
        "external_id": external_id,
        "gender": body.gender or "",
        # A home too far from every market is no home: there is no pool to draw from.
        "home_market_id": market and market.id,
        "home_cell": body.home.cell if body.home and market else None,
        "current_market_id": current and current.id,
    }


def _result(external_id: str, saved: dict[str, tuple[int, bool]], refusal: Problem | None) -> RowResult:
    if refusal is not None:
        return RowResult(external_id, "rejected", refusal.code, refusal.field, refusal.detail)
    return RowResult(external_id, "created" if saved[external_id][1] else "updated")


def _trips_result(
    external_id: str, trips: Sequence[TripBody], numbers: dict[str, int], markets: dict[str, Any]
) -> RowResult:
    if external_id not in numbers:
        return RowResult(external_id, "rejected", "unknown_member", "id", "There is no such member.")
    if any(trip.market not in markets for trip in trips):
        return RowResult(external_id, "rejected", "unknown_market", "trips", "There is no such market.")
    return RowResult(external_id, "updated")


def _stop(external_id: str, *, stopped: bool, actor: User | None, reason: str) -> None:
    must_have(actor, "members.stop_member", "Only trust and safety may stop a member, or lift a stop.")
    with transaction.atomic():
        member = Member.objects.select_for_update().filter(external_id=external_id).first()
        if member is None:
            raise unknown_member()
        member.stopped_at = (member.stopped_at or clock.now()) if stopped else None
        member.save(update_fields=["stopped_at", "updated_at"])
        record_changes("member.saved", [member.number])
        action = "member.stopped" if stopped else "member.stop_lifted"
        record(actor, action, f"member {member.number}", None, {"reason": reason} if reason else None)
    _publish({external_id: (member.number, False)})


def _publish(saved: dict[str, tuple[int, bool]]) -> None:
    """Who may not be shown is gone before this returns; who may again, is back.

    Both are said with the version of the row that says so: a later word stands, whenever it came.
    """
    from apps.common.gone import FOR_GOOD, publish_back, publish_gone

    numbers = {number for number, _ in saved.values()}
    states = shown_states(numbers)
    gone = {number: version for number, (version, shown) in states.items() if not shown}
    gone |= dict.fromkeys(numbers - states.keys(), FOR_GOOD)  # erased meanwhile
    publish_gone("member", gone)
    # Nobody was ever told that new members are gone.
    known = {number for number, new in saved.values() if not new}
    if gone and known:  # somebody brought back meanwhile may have been overtaken by this "gone"
        states = shown_states(known)
    shown_again = {n: version for n, (version, shown) in states.items() if shown and n in known}
    publish_back("member", shown_again)


def _lowered(patch: Any) -> Any:
    """Interests are kept in lower case, so that a null removes the right one."""
    interests = patch.get("interests") if isinstance(patch, dict) else None
    if not isinstance(interests, dict):
        return patch
    return {**patch, "interests": {str(name).strip().lower(): weight for name, weight in interests.items()}}
