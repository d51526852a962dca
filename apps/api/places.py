"""Places, and the curated lists that name them."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from apps.api.answers import RowsAnswer
from apps.api.base import ApiView
from apps.api.bodies import PlaceList
from apps.api.models import Scope
from apps.api.rows import read_rows_with_id, save_rows
from apps.api.schema import NOTHING, described
from apps.common.bodies import parse
from apps.places import selectors, services
from apps.places.bodies import ListBody, PlaceBody

WRITE = Scope.PLACES_WRITE.value
EXAMPLE: dict[str, Any] = {
    "name": "Blue Door",
    "location": {"latitude": 48.86, "longitude": 2.35, "market": "paris"},
    "category": "bar",
    "tags": ["rooftop"],
    "price_band": 3,
}
LIST_EXAMPLE = {
    "title": "Quiet corners",
    "owner": "Editorial",
    "market": "paris",
    "starts_on": "2027-01-01",
    "ends_on": "2027-06-30",
    "places": ["blue-door"],
}


class PlaceView(ApiView):
    scopes = {"GET": WRITE, "PUT": WRITE, "DELETE": WRITE}

    @described("place_get", "One place.", tag="places", scope=WRITE, ids=["place"], answers={200: PlaceBody})
    def get(self, request: Request, place: str) -> Response:
        return Response(selectors.place_body(selectors.place_by_id(place)))

    @described(
        "place_put",
        "Creates a place or replaces all of one.",
        tag="places",
        scope=WRITE,
        ids=["place"],
        takes=PlaceBody,
        example=EXAMPLE,
        answers={200: PlaceBody, 201: PlaceBody},
    )
    def put(self, request: Request, place: str) -> Response:
        created = services.put_place(place, parse(PlaceBody, request.data))
        return Response(selectors.place_body(selectors.place_by_id(place)), status=201 if created else 200)

    @described(
        "place_delete", "Removes a place.", tag="places", scope=WRITE, ids=["place"], answers={204: NOTHING}
    )
    def delete(self, request: Request, place: str) -> Response:
        services.delete_place(place)
        return Response(status=204)


class PlacesBulk(ApiView):
    scopes = {"POST": WRITE}

    @described(
        "places_bulk",
        "Creates or replaces up to 1,000 places, each with its `id`.",
        tag="places",
        scope=WRITE,
        takes=PlaceList,
        example=[{"id": "blue-door", **EXAMPLE}],
        answers={200: RowsAnswer},
    )
    def post(self, request: Request) -> Response:
        rows = read_rows_with_id(PlaceBody, request.data)
        return Response(
            save_rows(rows, lambda bodies: services.save_places([(str(b.id), b) for b in bodies]))
        )


class ListView(ApiView):
    scopes = {"PUT": WRITE, "DELETE": WRITE}

    @described(
        "list_put",
        "Creates a curated list or replaces all of one.",
        tag="places",
        scope=WRITE,
        ids=["curated_list"],
        takes=ListBody,
        example=LIST_EXAMPLE,
        answers={201: NOTHING, 204: NOTHING},
    )
    def put(self, request: Request, curated_list: str) -> Response:
        created = services.put_list(curated_list, parse(ListBody, request.data))
        return Response(status=201 if created else 204)

    @described(
        "list_delete",
        "Removes a curated list.",
        tag="places",
        scope=WRITE,
        ids=["curated_list"],
        answers={204: NOTHING},
    )
    def delete(self, request: Request, curated_list: str) -> Response:
        services.delete_list(curated_list)
        return Response(status=204)
