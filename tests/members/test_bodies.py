"""Bodies refuse what is not as written, say which key, and never repeat the value."""

from typing import Any

import pytest

from apps.common.bodies import Location, Rejected, parse_row
from apps.common.geo import cell_of
from apps.interactions.bodies import EventBody
from apps.members.bodies import MemberBody
from apps.places.bodies import ListBody, PlaceBody
from tests.interactions.world import new_id, place, profile

EVENT = {
    "id": str(new_id()),
    "type": "like",
    "actor": "a",
    "target": "b",
    "surface": "dating",
    "occurred_at": "2026-01-01T00:00:00Z",
}
LIST = {"title": "T", "owner": "O", "starts_on": "2026-01-02", "ends_on": "2026-01-02", "places": ["p"]}
SECRET = "\ud800secret"

TABLE: list[tuple[Any, dict[str, Any], str, str | None]] = [
    (MemberBody, profile(display_name="a\x00b"), "invalid_text", "display_name"),
    (MemberBody, profile(bio=SECRET), "invalid_text", "bio"),
    (MemberBody, profile(skills=[SECRET]), "invalid_text", "skills.0"),
    (MemberBody, profile(display_name="x" * 101), "too_long", "display_name"),
    (MemberBody, profile(display_name=""), "too_short", "display_name"),
    (MemberBody, profile(id=""), "too_short", "id"),
    (MemberBody, profile(id="x" * 65), "too_long", "id"),
    (MemberBody, profile(nickname="A"), "unknown_key", "nickname"),
    (MemberBody, profile(status="boss"), "unknown_value", "status"),
    (MemberBody, profile(intents=["rule"]), "unknown_value", "intents.0"),
    (MemberBody, profile(age_min="18"), "wrong_type", "age_min"),
    (MemberBody, profile(age_min=True), "wrong_type", "age_min"),
    (MemberBody, profile(age_min=17), "out_of_range", "age_min"),
    (MemberBody, profile(age_min=50, age_max=40), "out_of_range", "age_min"),
    (MemberBody, profile(birth_date="31.1.1990"), "invalid_date", "birth_date"),
    (MemberBody, profile(birth_date=19900131), "wrong_type", "birth_date"),
    (MemberBody, profile(joined_at="2026-01-01T00:00:00"), "invalid_time", "joined_at"),
    (MemberBody, profile(joined_at="0001-01-01T00:00:00+14:00"), "out_of_range", "joined_at"),
    (MemberBody, profile(home={"latitude": float("nan"), "longitude": 0}), "out_of_range", "home.latitude"),
    (MemberBody, profile(home={"latitude": 90.1, "longitude": 0}), "out_of_range", "home.latitude"),
    (MemberBody, profile(interests={"film": 1.1}), "out_of_range", "interests.film"),
    (MemberBody, profile(photo_url="javascript:alert(1)"), "invalid_value", "photo_url"),
    (PlaceBody, place(price_band=5), "out_of_range", "price_band"),
    (PlaceBody, place(category=" "), "too_short", "category"),
    (PlaceBody, place(is_open="yes"), "wrong_type", "is_open"),
    (ListBody, LIST | {"ends_on": "2026-01-01"}, "out_of_range", "ends_on"),
    (ListBody, LIST | {"places": ["p", "p"]}, "repeated", "places"),
    (EventBody, EVENT | {"id": "7"}, "invalid_uuid", "id"),
    (EventBody, EVENT | {"type": "wink"}, "unknown_value", "type"),
    (EventBody, EVENT | {"surface": None}, "missing", "surface"),
    (EventBody, EVENT | {"target": "a"}, "self_target", "target"),
    (EventBody, EVENT | {"target_kind": "place"}, "kind_mismatch", "target_kind"),
    (EventBody, EVENT | {"type": "save", "target_kind": "member"}, "kind_mismatch", "target_kind"),
    (EventBody, EVENT | {"type": "undo"}, "invalid_uuid", "target"),
    (EventBody, EVENT | {"context": {"words": "hi"}}, "unknown_key", "context.words"),
    (EventBody, EVENT | {"occurred_at": 1767225600}, "wrong_type", "occurred_at"),
]


@pytest.mark.parametrize(("model", "data", "code", "field"), TABLE)
def test_what_is_wrong_is_named_and_not_repeated(
    model: Any, data: dict[str, Any], code: str, field: str
) -> None:
    found = parse_row(model, data)
    assert isinstance(found, Rejected)
    assert (found.code, found.field) == (code, field)
    assert "secret" not in found.detail
    found.detail.encode()


@pytest.mark.parametrize("data", [None, [], 3, "text", {SECRET: 1}, {"id": SECRET}])
def test_anything_at_all_gets_an_answer(data: Any) -> None:
    for model in (MemberBody, PlaceBody, ListBody, EventBody):
        assert isinstance(parse_row(model, data), Rejected)


def test_words_are_kept_once_and_in_lower_case() -> None:
    found = parse_row(MemberBody, profile(crafts=[" Film ", "film", "ACTING"]))
    assert isinstance(found, MemberBody)
    assert found.crafts == ["film", "acting"]


def test_a_location_forgets_the_exact_point_and_stays_in_its_cell() -> None:
    for latitude, longitude in ((51.507351, -0.127758), (-89.999, 179.999), (90.0, 180.0), (0.0, -180.0)):
        found = Location(latitude=latitude, longitude=longitude)
        assert found.cell == cell_of(latitude, longitude)
        assert (found.latitude, found.longitude) != (latitude, longitude)
        again = Location(latitude=found.latitude, longitude=found.longitude)
        assert (again.latitude, again.longitude) == (found.latitude, found.longitude)
