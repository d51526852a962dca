"""Places and curated lists as look-ups, and their REST representation."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import orjson
from django.db.models import BooleanField, ExpressionWrapper, Q
from django.db.models.functions import Now

from apps.common.errors import NotFound
from apps.common.geo import centre_of
from apps.common.models import Change
from apps.common.prepared import rows_of
from apps.places.models import CuratedList, Place


def numbers_of(external_ids: Iterable[str]) -> dict[str, int]:
    """Numbers by the app's own ids; ids of nothing are left out."""
    sql = (
        "SELECT external_id, number FROM places_place "
        "WHERE external_id = ANY(ARRAY(SELECT jsonb_array_elements_text(%s::jsonb)))"
    )
    return dict(rows_of(sql, [orjson.dumps(list(external_ids)).decode()]))


def place_by_id(external_id: str) -> Place:
    """Raises NotFound `unknown_place`."""
    place = Place.objects.select_related("market").filter(external_id=external_id).first()
    if place is None:
        raise unknown_place()
    return place


def unknown_place() -> NotFound:
    return NotFound("There is no such place.", code="unknown_place")


def deleted_lately() -> list[int]:
    """Numbers of what was deleted within a day: no answer that may be given again is kept for longer."""
    deleted = Change.objects.filter(kind="place.deleted", created_at__gt=Now() - timedelta(days=1))
    return list(deleted.values_list("number", flat=True))


def shown_condition() -> Q:
    """What may be shown. Closed places stay known, and are left out by the pipeline's own filter."""
    return Q(visibility="visible", stopped_at__isnull=True)


def shown_states(numbers: Iterable[int]) -> dict[int, tuple[int, bool]]:
    """By number: the version of who may be shown, and whether they may."""
    may = ExpressionWrapper(shown_condition(), output_field=BooleanField())
    rows = Place.objects.filter(number__in=list(numbers)).annotate(may=may)
    return {n: (version, bool(may)) for n, version, may in rows.values_list("number", "version", "may")}


def place_body(place: Place) -> dict[str, Any]:
    """The REST representation: what PlaceBody parses, with the middle of the cell."""
    latitude, longitude = (round(x, 5) for x in centre_of(place.cell))
    return {
        "id": place.external_id,
        "name": place.name,
        "photo_url": place.photo_url,
        "location": {"latitude": latitude, "longitude": longitude, "market": place.market.key},
        "category": place.category,
        "tags": place.tags,
        "price_band": place.price_band,
        "is_open": place.is_open,
        "opens_on": place.opens_on.isoformat() if place.opens_on else None,
        "open_months": place.open_months,
        "best_months": place.best_months,
        "visibility": place.visibility,
    }


def list_body(curated: CuratedList) -> dict[str, Any]:
    """The REST representation: what ListBody parses."""
    items = curated.items.order_by("position").values_list("place__external_id", flat=True)
    return {
        "id": curated.external_id,
        "title": curated.title,
        "owner": curated.owner,
        "market": curated.market.key if curated.market else None,
        "starts_on": curated.starts_on.isoformat(),
        "ends_on": curated.ends_on.isoformat(),
        "places": list(items),
    }
