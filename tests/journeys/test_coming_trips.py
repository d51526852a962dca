"""Over HTTP, with two web workers: a trip brings its town into the list, as of its days, and ends it."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest

from apps.common import clock
from apps.refresh.services import refresh
from apps.surfaces.models import Market
from tests.journeys.town import HOME, Town, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

PARIS = {"latitude": 48.86, "longitude": 2.35, "market": "paris"}
AT_HOME, AWAY = {"pub", "park"}, {"louvre", "bistro", "chalet"}


def day(ahead: int) -> Any:
    return clock.today() + timedelta(ahead)


def put_place(town: Town, name: str, location: dict[str, Any], **more: Any) -> None:
    body = {"name": name.title(), "location": location, "category": "sight", **more}
    answer = town.ask(f"PUT /places/{name}", body)
    assert answer.status_code in (200, 201), answer.text


def put_trips(town: Town, *trips: tuple[int, int]) -> None:
    said = [
        {"market": "paris", "starts_on": str(day(first)), "ends_on": str(day(last))} for first, last in trips
    ]
    answer = town.ask("PUT /members/w0/trips", {"trips": said})
    assert answer.status_code in (200, 204), answer.text


def shown(town: Town, **more: str) -> dict[str, list[str]]:
    """Reasons by id, without showing them; of either worker."""
    town.session.close()
    items = town.list("w0", limit=20, surface="travel", dry_run="true", **more)["items"]
    return {item["id"]: item["reasons"] for item in items}


def seen_by_both(town: Town, wanted: set[str]) -> float:
    """Seconds until ten answers in a row, of either worker, are of these."""
    began = since = time.monotonic()
    in_a_row = 0
    while in_a_row < 10:
        fits = set(shown(town)) == wanted
        since = time.monotonic() if fits and in_a_row == 0 else since
        in_a_row = in_a_row + 1 if fits else 0
        assert time.monotonic() - began < 15, (wanted, set(shown(town)))
    return since - began


def test_a_trip_shows_both_towns_and_nothing_that_is_closed_then(town: Town) -> None:
    Market.objects.create(key="paris", name="Paris", latitude=48.86, longitude=2.35)
    closed_then = [month for month in range(1, 13) if month not in {day(5).month, day(6).month}]
    put_place(town, "pub", HOME)
    put_place(town, "park", HOME)
    put_place(town, "louvre", PARIS)
    put_place(town, "bistro", PARIS, is_open=False, opens_on=str(day(6)))
    put_place(town, "chalet", PARIS, open_months=closed_then)
    refresh()
    wait_until(lambda: set(shown(town)) == AT_HOME, "the places at home")

    put_trips(town, (5, 6))
    assert seen_by_both(town, AT_HOME | {"louvre", "bistro"}) < 3
    said = shown(town)
    for name in ("louvre", "bistro"):
        assert said[name][0].startswith("For your trip to Paris, "), said[name]
    why = town.ask("GET /explain?surface=travel&viewer=w0&candidate=chalet").json()
    assert (why["shown"], why["code"]) == (False, "out_of_season")
    assert why["change"][0]["field"] == "open_months"

    assert town.ask("DELETE /places/louvre").status_code == 204
    assert "louvre" not in shown(town)
    body = {"name": "Bistro", "location": PARIS, "category": "sight", "visibility": "hidden"}
    assert town.ask("PUT /places/bistro", body).status_code == 200
    assert set(shown(town)) <= AT_HOME
    body["visibility"] = "visible"
    assert town.ask("PUT /places/bistro", body).status_code == 200
    seen_by_both(town, AT_HOME | {"bistro"})

    assert set(shown(town, market="paris")) == {"bistro"}
    refused = town.ask("GET /recommendations?surface=dating&member=w0&market=paris")
    assert (refused.status_code, refused.json()["code"]) == (400, "not_for_members")

    put_trips(town)
    assert seen_by_both(town, AT_HOME) < 3
