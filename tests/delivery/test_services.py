"""Lists as the API gives them, from a real snapshot, a real release, real Postgres and Valkey."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from apps.common import clock, gone
from apps.common.errors import NotFound, Problem, Unprocessable
from apps.delivery.runtime import Runtime
from apps.delivery.services import delivery_trace, explain, rank, recommend
from apps.interactions.copier import copy_all
from apps.interactions.models import Delivery
from apps.interactions.online import Effect, apply
from apps.members.services import stop_member
from apps.places.services import stop_place
from tests.delivery.conftest import number

WOMEN = {"bea", "cleo", "dora", "ella", "fay"}


def names(answer: dict[str, Any]) -> list[str]:
    return [item["id"] for item in answer["items"]]


def happens(type: str, state: str, actor: str, target: str, surface: str = "dating") -> None:
    apply([Effect(type, state, number(actor), number(target), "member", surface, clock.now())])


def test_a_list_holds_everybody_eligible_and_says_why_it_is_short(serving: Runtime) -> None:
    answer = recommend(surface="dating", member="adam", limit=10)
    assert set(names(answer)) == WOMEN
    assert [item["rank"] for item in answer["items"]] == [1, 2, 3, 4, 5]
    assert answer["shortfall"] == {"missing": 5, "reasons": ["pool_exhausted"]}
    assert answer["degraded"] == []
    assert answer["snapshot"] == serving.world.snapshot.id


def test_who_was_delivered_is_held_back_from_the_next_list(serving: Runtime) -> None:
    first = recommend(surface="dating", member="adam", limit=3)
    second = recommend(surface="dating", member="adam", limit=3)
    assert len(names(first)) == 3
    assert set(names(second)) == WOMEN - set(names(first))


def test_a_hold_on_one_surface_is_none_on_another(serving: Runtime) -> None:
    recommend(surface="dating", member="adam", limit=5)
    assert set(names(recommend(surface="networking", member="adam", limit=10))) >= WOMEN


def test_who_was_seen_or_acted_on_stays_out(serving: Runtime) -> None:
    happens("impression", "", "adam", "bea")
    happens("like", "liked", "adam", "cleo")
    assert set(names(recommend(surface="dating", member="adam", limit=10))) == WOMEN - {"bea", "cleo"}


def test_seen_comes_back_after_the_cool_down(serving: Runtime) -> None:
    days = serving.world.live.stable_content["surfaces"]["dating"]["cooldown_days"]
    long_ago = clock.now() - timedelta(days=days, minutes=1)
    apply([Effect("impression", "", number("adam"), number("bea"), "member", "dating", long_ago)])
    assert set(names(recommend(surface="dating", member="adam", limit=10))) == WOMEN


@pytest.mark.parametrize(("actor", "target"), [("adam", "bea"), ("bea", "adam")])
def test_a_block_is_honoured_at_once_both_ways(serving: Runtime, actor: str, target: str) -> None:
    happens("block", "blocked", actor, target, surface="")
    for surface in ("dating", "networking"):
        assert "bea" not in names(recommend(surface=surface, member="adam", limit=10))
        assert "adam" not in names(recommend(surface=surface, member="bea", limit=10))


def test_whoever_is_gone_is_not_shown_before_any_refresh(serving: Runtime) -> None:
    gone.publish_gone("member", dict.fromkeys([number("bea")], 1))
    assert set(names(recommend(surface="dating", member="adam", limit=10))) == WOMEN - {"bea"}


def test_a_repeated_request_id_gives_the_same_list_and_spends_nothing(serving: Runtime) -> None:
    request_id = uuid4()
    first = recommend(surface="dating", member="adam", limit=3, request_id=request_id)
    again = recommend(surface="dating", member="adam", limit=3, request_id=request_id)
    assert again == first
    assert copy_all() == 1


def test_a_repeat_leaves_out_whoever_was_blocked_or_hidden_since(serving: Runtime) -> None:
    request_id = uuid4()
    first = names(recommend(surface="dating", member="adam", limit=3, request_id=request_id))
    happens("block", "blocked", first[0], "adam", surface="")
    gone.publish_gone("member", dict.fromkeys([number(first[1])], 1))
    again = recommend(surface="dating", member="adam", limit=3, request_id=request_id)
    assert names(again) == first[2:]


def test_a_request_id_with_other_parameters_is_refused(serving: Runtime) -> None:
    request_id = uuid4()
    recommend(surface="dating", member="adam", limit=3, request_id=request_id)
    with pytest.raises(Unprocessable) as refusal:
        recommend(surface="dating", member="adam", limit=4, request_id=request_id)
    assert refusal.value.code == "request_id_reused"


def test_request_ids_of_two_keys_do_not_meet(serving: Runtime) -> None:
    request_id = uuid4()
    first = recommend(surface="dating", member="adam", limit=3, request_id=request_id, key_prefix="a")
    other = recommend(surface="dating", member="adam", limit=3, request_id=request_id, key_prefix="b")
    assert first["delivery"] != other["delivery"]


def test_a_dry_run_reserves_and_logs_nothing(serving: Runtime) -> None:
    for _ in range(2):
        answer = recommend(surface="dating", member="adam", limit=10, dry_run=True)
        assert set(names(answer)) == WOMEN
        assert answer["delivery"] is None
    assert copy_all() == 0


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"surface": "nowhere", "member": "adam"}, "unknown_surface"),
        ({"surface": "dating", "member": "nobody"}, "unknown_member"),
    ],
)
def test_unknown_names_are_not_found(serving: Runtime, arguments: dict[str, str], code: str) -> None:
    with pytest.raises(NotFound) as refusal:
        recommend(limit=10, **arguments)
    assert refusal.value.code == code


@pytest.mark.parametrize("limit", [-1, 0, 101, 10**9])
def test_a_limit_out_of_range_is_refused(serving: Runtime, limit: int) -> None:
    with pytest.raises(Problem) as refusal:
        recommend(surface="dating", member="adam", limit=limit)
    assert refusal.value.field == "limit"


def test_a_minor_is_known_but_gets_nobody_and_is_shown_to_nobody(serving: Runtime) -> None:
    answer = recommend(surface="networking", member="minor", limit=5)
    assert answer["items"] == []
    assert answer["shortfall"] == {"missing": 5, "reasons": ["viewer_not_eligible"]}
    assert "minor" not in names(recommend(surface="networking", member="adam", limit=10))


def test_a_delivery_becomes_one_row_that_says_all(serving: Runtime) -> None:
    answer = recommend(surface="dating", member="adam", limit=3)
    copy_all()
    row = Delivery.objects.get()
    assert str(row.id) == answer["delivery"]
    assert (row.viewer, row.surface, row.requested) == (number("adam"), "dating", 3)
    assert row.candidates == [number(name) for name in names(answer)]
    assert row.snapshot == answer["snapshot"]
    assert len(row.propensities) == len(row.scores) == len(row.sources) == 3
    guard = row.trace[-1]
    assert (guard["stage"], guard["received"], guard["kept"]) == ("guard", 5, 3)
    assert (guard["gone"], guard["capped"], len(guard["reasons"])) == (0, 0, 3)
    trace = delivery_trace(row.id)
    assert [item["id"] for item in trace["items"]] == names(answer)
    assert trace["viewer"] == "adam"


def test_a_ranking_orders_the_given_and_nobody_else(serving: Runtime) -> None:
    happens("block", "blocked", "bea", "adam", surface="")
    answer = rank(surface="dating", member="adam", candidates=["cleo", "bea", "dora", "nobody", "minor"])
    assert set(names(answer)) == {"cleo", "dora"}
    assert answer["shortfall"]["missing"] == 3


def test_places_are_recommended_too(serving: Runtime) -> None:
    assert set(names(recommend(surface="travel", member="adam", limit=5))) == {"bar", "cafe"}


def test_an_explanation_keeps_one_sides_secret_unless_told_otherwise(serving: Runtime) -> None:
    happens("block", "blocked", "bea", "adam", surface="")
    told = explain(surface="dating", viewer="adam", candidate="bea")
    assert (told["shown"], told["code"]) == (False, "not_told")
    assert "because" not in told
    private = explain(surface="dating", viewer="adam", candidate="bea", private=True)
    assert private["code"] == "excluded"
    assert private["because"] == ["blocked"]


def test_whoever_was_stopped_is_explained_as_gone_before_the_overlay_knows(serving: Runtime) -> None:
    serving.stop()
    stop_member("bea")
    stop_place("bar")
    told = explain(surface="dating", viewer="adam", candidate="bea")
    assert (told["shown"], told["code"]) == (False, "not_told")
    told = explain(surface="dating", viewer="adam", candidate="bea", private=True)
    assert (told["shown"], told["stage"], told["code"]) == (False, "filters", "gone")
    told = explain(surface="travel", viewer="adam", candidate="bar", private=True)
    assert (told["shown"], told["code"]) == (False, "gone")


def test_an_explanation_is_the_same_whether_or_not_they_like_the_viewer(serving: Runtime) -> None:
    before = explain(surface="dating", viewer="adam", candidate="cleo")
    happens("like", "liked", "cleo", "adam")
    assert explain(surface="dating", viewer="adam", candidate="cleo") == before


def test_a_trace_does_not_tell_who_likes_the_viewer(serving: Runtime) -> None:
    happens("like", "liked", "cleo", "adam")
    recommend(surface="dating", member="adam", limit=5)
    copy_all()
    row = Delivery.objects.get()
    assert any(stage["stage"] == "liked_you" and stage["kept"] == 1 for stage in row.trace)
    trace = delivery_trace(row.id)
    assert "liked_you" not in str(trace)
    assert all("sources" not in item for item in trace["items"])
    recommend(surface="travel", member="adam", limit=2)
    copy_all()
    places = delivery_trace(Delivery.objects.get(surface="travel").id)
    assert all(item["sources"] for item in places["items"])


def test_a_blocked_member_hides_no_place_of_the_same_number(serving: Runtime) -> None:
    from apps.places.models import Place

    bar = Place.objects.get(external_id="bar").number
    now = clock.now()
    apply([Effect("block", "blocked", number("adam"), bar, "member", "", now)])
    assert set(names(recommend(surface="travel", member="adam", limit=5))) == {"bar", "cafe"}
