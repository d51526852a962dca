"""Who joined, left or changed since the snapshot, as this process sees it after its next poll."""

import pytest

from apps.common.changes import record_changes
from apps.delivery.runtime import Runtime
from apps.delivery.services import recommend
from apps.members.models import Member
from apps.surfaces.models import Market
from tests.delivery.conftest import number
from tests.delivery.test_services import names
from tests.refresh.rows import make_member, make_place


def changed(name: str, **values: object) -> None:
    Member.objects.filter(external_id=name).update(**values)
    record_changes("member.saved", [number(name)])


def shown_to(name: str, surface: str = "dating") -> set[str]:
    return set(names(recommend(surface=surface, member=name, limit=20, dry_run=True)))


def test_whoever_joined_a_minute_ago_is_shown_and_can_look(serving: Runtime, market: Market) -> None:
    gil = make_member("gil", market)
    record_changes("member.saved", [gil.number])
    serving.poll()
    assert "gil" in shown_to("adam")
    assert shown_to("gil") == {"adam"}


def test_whoever_joined_is_given_a_list_even_before_the_next_poll(serving: Runtime, market: Market) -> None:
    make_member("gil", market)
    assert shown_to("gil") == {"adam"}


def test_a_hidden_newcomer_looks_but_is_not_shown(serving: Runtime, market: Market) -> None:
    hidden = make_member("gil", market, visibility="hidden")
    record_changes("member.saved", [hidden.number])
    serving.poll()
    assert shown_to("gil") == {"adam"}
    assert "gil" not in shown_to("adam")


@pytest.mark.parametrize("values", [{"status": "paused"}, {"status": "suspended"}])
def test_whoever_paused_is_neither_shown_nor_given_a_list(serving: Runtime, values: dict[str, str]) -> None:
    changed("bea", **values)
    serving.poll()
    assert "bea" not in shown_to("adam")
    answer = recommend(surface="dating", member="bea", limit=5)
    assert answer["shortfall"]["reasons"] == ["viewer_not_eligible"]
    changed("bea", status="active")
    serving.poll()
    assert "bea" in shown_to("adam")
    assert shown_to("bea") == {"adam"}


def test_a_newcomer_who_is_erased_again_is_unknown(serving: Runtime, market: Market) -> None:
    from apps.common.errors import NotFound

    gil = make_member("gil", market)
    record_changes("member.saved", [gil.number])
    serving.poll()
    erased = gil.number
    gil.delete()
    record_changes("member.erased", [erased])
    serving.poll()
    assert "gil" not in shown_to("adam")
    with pytest.raises(NotFound):
        recommend(surface="dating", member="gil", limit=5)


def test_a_new_place_is_shown(serving: Runtime, market: Market) -> None:
    place = make_place("museum", market)
    record_changes("place.saved", [place.number])
    serving.poll()
    assert "museum" in shown_to("adam", "travel")


def test_who_travels_draws_from_where_they_are(serving: Runtime, market: Market) -> None:
    from tests.refresh.rows import make_market

    assert shown_to("adam", "travel") == {"bar", "cafe"}
    paris = make_market("paris", (48.85, 2.35))
    from apps.refresh.services import refresh

    refresh()
    changed("adam", current_market=paris)
    serving._travel_at = 0.0
    serving.poll(wait=True)
    assert shown_to("adam", "travel") == set()
