"""The one door for every change of places and curated lists.

Each call writes its rows and their Changes in one transaction, in sets; then, before it returns, makes sure
that nothing is shown that may not be.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from django.contrib.auth.models import User
from django.db import connection, transaction

from apps.common import clock
from apps.common.audit import must_have, record
from apps.common.bodies import RowResult
from apps.common.changes import record_changes
from apps.common.errors import NotFound, Problem, Unprocessable
from apps.places.bodies import ListBody, PlaceBody
from apps.places.models import CuratedList, CuratedListItem, Place
from apps.places.selectors import deleted_lately, numbers_of, shown_states, unknown_place
from apps.surfaces.selectors import Whereabouts

_COLUMNS = {
    "external_id": "text", "name": "text", "photo_url": "text", "market_id": "int", "cell": "int",
    "category": "text", "tags": "text[]", "price_band": "int", "is_open": "bool", "visibility": "text",
    "opens_on": "date", "open_months": "smallint[]", "best_months": "smallint[]",
}  # fmt: skip
_UPSERT = f"""
INSERT INTO places_place ({", ".join(_COLUMNS)}, updated_at)
SELECT {", ".join(_COLUMNS)}, now()
FROM jsonb_to_recordset(%s::jsonb) AS r({", ".join(f"{name} {kind}" for name, kind in _COLUMNS.items())})
ORDER BY external_id
ON CONFLICT (external_id) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in _COLUMNS)},
    updated_at = now()
RETURNING external_id, number, xmax = 0
"""


def put_place(external_id: str, body: PlaceBody) -> bool:
    """Saves a whole place; whether it is new. Raises Problem."""
    (result,) = save_places([(external_id, body)])
    if result.status == "rejected":
        raise Unprocessable(result.detail or "", code=result.code, field=result.field)
    return result.status == "created"


def save_places(rows: Sequence[tuple[str, PlaceBody]]) -> list[RowResult]:
    """Saves whole places; one result per row. Of rows with the same id the last one stays."""
    where = Whereabouts()
    values: dict[str, dict[str, Any]] = {}
    rejected: list[RowResult | None] = []
    for external_id, body in rows:
        try:
            values[external_id] = _row(external_id, body, where)
            rejected.append(None)
        except Problem as problem:
            rejected.append(RowResult(external_id, "rejected", problem.code, problem.field, problem.detail))
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM places_place WHERE external_id = ANY(%s) ORDER BY number FOR NO KEY UPDATE",
            [list(values)],
        )
        cursor.execute(_UPSERT, [orjson.dumps(list(values.values())).decode()])
        saved = {external_id: (number, new) for external_id, number, new in cursor.fetchall()}
        record_changes("place.saved", (number for number, _ in saved.values()))
    _publish(saved)
    return [
        refusal or RowResult(external_id, "created" if saved[external_id][1] else "updated")
        for (external_id, _), refusal in zip(rows, rejected, strict=True)
    ]


def stop_place(external_id: str, *, actor: User | None = None, reason: str = "") -> None:
    """By trust and safety: shown nowhere from the moment this returns. Raises NotFound, Denied."""
    _stop(external_id, stopped=True, actor=actor, reason=reason)


def unstop_place(external_id: str, *, actor: User | None = None, reason: str = "") -> None:
    """Raises NotFound, Denied."""
    _stop(external_id, stopped=False, actor=actor, reason=reason)


def delete_place(external_id: str) -> None:
    """Raises NotFound. Events about the place keep its number.

    When it returns, or says that there is no such place, whatever was deleted is shown nowhere.
    """
    from apps.common.gone import FOR_GOOD, publish_gone

    with transaction.atomic():
        place = Place.objects.select_for_update().filter(external_id=external_id).first()
        if place is not None:
            numbers = [place.number]
            place.delete()
            record_changes("place.deleted", numbers)
    if place is None:  # perhaps deleted by a call that ended, or still is, before it told the guard
        numbers = deleted_lately()
    publish_gone("place", dict.fromkeys(numbers, FOR_GOOD))
    if place is None:
        raise unknown_place()


def put_list(external_id: str, body: ListBody) -> bool:
    """Saves a whole curated list; whether it is new. Raises Problem: unknown_market, unknown_place."""
    if body.id not in (None, external_id):
        raise Unprocessable("The id in the body is another one.", code="id_mismatch", field="id")
    market = Whereabouts().named(body.market) if body.market else None
    with transaction.atomic():
        numbers = numbers_of(body.places)
        unknown = [i for i, place in enumerate(body.places) if place not in numbers]
        if unknown:
            raise Unprocessable("There is no such place.", code="unknown_place", field=f"places.{unknown[0]}")
        values = body.model_dump(include={"title", "owner", "starts_on", "ends_on"})
        curated, new = CuratedList.objects.update_or_create(
            external_id=external_id, defaults={**values, "market": market}
        )
        before = curated.items.values_list("place_id", flat=True)
        record_changes("place.saved", sorted({*before, *numbers.values()}))
        curated.items.all().delete()
        CuratedListItem.objects.bulk_create(
            CuratedListItem(curated_list=curated, place_id=numbers[place], position=position)
            for position, place in enumerate(body.places, start=1)
        )
    return new


def delete_list(external_id: str) -> None:
    """Raises NotFound."""
    with transaction.atomic():
        curated = CuratedList.objects.select_for_update().filter(external_id=external_id).first()
        if curated is None:
            raise NotFound("There is no such list.", code="unknown_list")
        record_changes("place.saved", list(curated.items.values_list("place_id", flat=True)))
        curated.delete()


def _stop(external_id: str, *, stopped: bool, actor: User | None, reason: str) -> None:
    must_have(actor, "places.stop_place", "Only trust and safety may stop a place, or lift a stop.")
    with transaction.atomic():
        place = Place.objects.select_for_update().filter(external_id=external_id).first()
        if place is None:
            raise unknown_place()
        place.stopped_at = (place.stopped_at or clock.now()) if stopped else None
        place.save(update_fields=["stopped_at", "updated_at"])
        record_changes("place.saved", [place.number])
        action = "place.stopped" if stopped else "place.stop_lifted"
        record(actor, action, f"place {place.number}", None, {"reason": reason} if reason else None)
    _publish({external_id: (place.number, False)})


def _row(external_id: str, body: PlaceBody, where: Whereabouts) -> dict[str, Any]:
    if body.id not in (None, external_id):
        raise Unprocessable("The id in the body is another one.", code="id_mismatch", field="id")
    try:
        market = where.market_of(body.location)
    except Problem as problem:
        problem.field = "location.market"
        raise
    if market is None:
        raise Unprocessable(
            "No market is within 100 km of this place.", code="no_market_near", field="location"
        )
    return {
        **body.model_dump(exclude={"id", "location"}),
        "external_id": external_id,
        "market_id": market.id,
        "cell": body.location.cell,
    }


def _publish(saved: dict[str, tuple[int, bool]]) -> None:
    """What may not be shown is gone before this returns; what may again, is back; by versions, as members."""
    from apps.common.gone import FOR_GOOD, publish_back, publish_gone

    numbers = {number for number, _ in saved.values()}
    states = shown_states(numbers)
    gone = {number: version for number, (version, shown) in states.items() if not shown}
    gone |= dict.fromkeys(numbers - states.keys(), FOR_GOOD)  # deleted meanwhile
    publish_gone("place", gone)
    # Nobody was ever told that new places are gone.
    known = {number for number, new in saved.values() if not new}
    if gone and known:  # what was brought back meanwhile may have been overtaken by this "gone"
        states = shown_states(known)
    shown_again = {n: version for n, (version, shown) in states.items() if shown and n in known}
    publish_back("place", shown_again)
