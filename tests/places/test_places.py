"""Places and curated lists through their one door."""

from typing import Any

import pytest
import redis
from django.conf import settings

from apps.common import gone
from apps.common.bodies import parse
from apps.common.errors import NotFound, Problem, Unavailable
from apps.common.online import GONE
from apps.places import services
from apps.places.bodies import ListBody, PlaceBody
from apps.places.models import CuratedList, Place
from apps.places.selectors import list_body, place_body, place_by_id
from tests.interactions.world import london, place

pytestmark = pytest.mark.django_db


def put(external_id: str = "bar", **values: Any) -> bool:
    london()
    return services.put_place(external_id, parse(PlaceBody, place(**values)))


def curated(*places: str) -> ListBody:
    days = {"starts_on": "2020-01-01", "ends_on": "2040-12-31"}
    return parse(ListBody, {"title": "Best bars", "owner": "Editors", "places": list(places), **days})


def gone_now() -> set[int]:
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        return {int(number) for number in client.smembers(GONE["place"])}


def test_what_is_read_back_is_what_can_be_put_again() -> None:
    assert put(tags=["Late", "quiet"], price_band=3) is True
    said = place_body(place_by_id("bar"))
    assert said["location"]["market"] == "london"
    assert said["tags"] == ["late", "quiet"]
    assert services.put_place("bar", parse(PlaceBody, said)) is False
    assert place_body(place_by_id("bar")) == said


def test_a_place_far_from_every_market_is_refused_and_nothing_is_written() -> None:
    with pytest.raises(Problem) as refusal:
        put(location={"latitude": 10.0, "longitude": 10.0})
    assert (refusal.value.code, refusal.value.field) == ("no_market_near", "location")
    with pytest.raises(Problem) as refusal:
        put(location={"latitude": 10.0, "longitude": 10.0, "market": "atlantis"})
    assert (refusal.value.code, refusal.value.field) == ("unknown_market", "location.market")
    assert not Place.objects.exists()


def test_a_hidden_or_deleted_place_is_gone_at_once() -> None:
    put()
    number = place_by_id("bar").number
    put(visibility="hidden")
    assert gone_now() == {number}
    put()
    assert gone_now() == set()
    services.delete_place("bar")
    assert gone_now() == {number}
    with pytest.raises(NotFound):
        services.delete_place("bar")


def test_whoever_deletes_a_place_again_is_not_told_that_it_is_gone_before_the_guard_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put()
    number = place_by_id("bar").number

    def ends(*_: object) -> None:
        raise Unavailable("the process ends after its commit")

    with monkeypatch.context() as patch:
        patch.setattr(gone, "publish_gone", ends)
        with pytest.raises(Unavailable):
            services.delete_place("bar")
    assert gone_now() == set()
    with pytest.raises(NotFound):
        services.delete_place("bar")
    assert gone_now() == {number}


def test_a_save_that_is_slow_to_tell_brings_nothing_back_that_was_hidden_since(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put()
    number = place_by_id("bar").number
    put(visibility="hidden")
    real = gone.publish_back

    def slow(kind: str, versions: dict[int, int]) -> None:
        monkeypatch.setattr(gone, "publish_back", real)
        put(visibility="hidden")
        real(kind, versions)

    monkeypatch.setattr(gone, "publish_back", slow)
    put()
    assert gone_now() == {number}


def test_a_list_keeps_its_order_and_is_replaced_as_a_whole() -> None:
    for name in ("a", "b", "c"):
        put(name)
    assert services.put_list("best", curated("c", "a", "b")) is True
    assert services.put_list("best", curated("b", "c")) is False
    assert list_body(CuratedList.objects.get())["places"] == ["b", "c"]


def test_a_list_with_an_unknown_place_changes_nothing() -> None:
    put("a")
    services.put_list("best", curated("a"))
    with pytest.raises(Problem) as refusal:
        services.put_list("best", curated("a", "x"))
    assert (refusal.value.code, refusal.value.field) == ("unknown_place", "places.1")
    assert list_body(CuratedList.objects.get())["places"] == ["a"]
    services.delete_list("best")
    with pytest.raises(NotFound):
        services.delete_list("best")
