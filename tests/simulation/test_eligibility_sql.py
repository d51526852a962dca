"""The independent check in SQL: each rule, broken alone, is named; nothing else is."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils.timezone import now

from apps.interactions.models import Relationship
from apps.members.bodies import ConnectionBody, MemberBody, TripBody
from apps.members.models import Member
from apps.members.services import put_connection, put_member, set_trips
from apps.simulation.eligibility_sql import Question, eligible_counts, violations
from apps.surfaces.services import ensure_market

pytestmark = pytest.mark.django_db
TODAY = date(2026, 5, 1)
LISBON = {"latitude": 38.72, "longitude": -9.15, "market": "lisbon"}
# 0.4 degrees north: 44.5 km.
NORTH = {"latitude": 39.12, "longitude": -9.15, "market": "lisbon"}
PORTO = {"latitude": 41.15, "longitude": -8.61, "market": "porto"}


@pytest.fixture(autouse=True)
def markets() -> None:
    ensure_market("lisbon", "Lisbon", 38.72, -9.15, country="PT")
    ensure_market("porto", "Porto", 41.15, -8.61, country="PT")


def question(surface: str = "dating") -> Question:
    return Question(surface, surface, datetime(2026, 5, 1, 12, tzinfo=UTC), datetime(2026, 4, 28, tzinfo=UTC))


def member(external_id: str, **changes: Any) -> None:
    body: dict[str, Any] = {
        "display_name": external_id,
        "status": "active",
        "birth_date": "1996-05-01",
        "gender": "woman",
        "seeking": ["man"],
        "intents": ["long_term", "mentor"],
        "age_min": 25,
        "age_max": 35,
        "max_distance_km": 30,
        "home": dict(LISBON),
    }
    put_member(external_id, MemberBody.model_validate({**body, **changes}))


def pair(viewer: dict[str, Any] | None = None, **candidate: Any) -> None:
    member("ana", **(viewer or {}))
    member("rui", **{"gender": "man", "seeking": ["woman"], **candidate})


def broken(surface: str = "dating") -> set[str]:
    found = violations(question(surface), [("ana", "rui")])
    return set(found[0].broken) if found else set()


def test_two_who_suit_each_other_break_no_rule() -> None:
    pair()
    assert broken() == set()
    assert broken("networking") == set()
    assert eligible_counts(question(), ["ana", "rui"]) == {"ana": (1, 1), "rui": (1, 1)}


@pytest.mark.parametrize(
    ("viewer", "candidate", "rules"),
    [
        ({}, {"status": "paused"}, {"active"}),
        ({}, {"visibility": "hidden"}, {"visible"}),
        ({}, {"gender": "nonbinary"}, {"viewer seeks that gender"}),
        ({}, {"seeking": ["man"]}, {"candidate seeks that gender"}),
        ({}, {"birth_date": "1990-05-01"}, {"viewer accepts the age"}),  # 36 today
        ({}, {"birth_date": "2001-05-02"}, {"viewer accepts the age"}),  # 25 tomorrow
        ({}, {"age_min": 31}, {"candidate accepts the age"}),
        ({}, {"age_max": 29}, {"candidate accepts the age"}),
        ({}, {"intents": ["short_term"]}, {"intents meet"}),
        ({"max_distance_km": None}, {"home": PORTO, "max_distance_km": None}, {"same market"}),
        ({}, {"home": NORTH, "max_distance_km": None}, {"near enough for the viewer"}),
        ({"max_distance_km": None}, {"home": NORTH}, {"near enough for the candidate"}),
        ({"status": "suspended"}, {}, {"viewer is an active adult"}),
        ({"birth_date": None}, {}, {"viewer is an active adult", "candidate accepts the age"}),
        ({}, {"birth_date": "2008-05-02"}, {"adult", "viewer accepts the age"}),
    ],
)
def test_each_rule_is_named_when_it_alone_is_broken(
    viewer: dict[str, Any], candidate: dict[str, Any], rules: set[str]
) -> None:
    pair(viewer, **candidate)
    assert broken() == rules
    assert eligible_counts(question(), ["ana"])["ana"] == (0, 0)


@pytest.mark.parametrize("edge", ["1991-04-30", "1990-05-02"])
def test_ages_hold_to_the_day(edge: str) -> None:
    """35 today, whether the birthday was yesterday or is tomorrow."""
    pair(birth_date=edge)
    assert broken() == set()


def test_networking_asks_for_neither_gender_nor_age_range() -> None:
    pair(gender="woman", seeking=[], birth_date="1950-01-01", age_min=18, age_max=19)
    assert broken("networking") == set()
    assert "viewer seeks that gender" in broken()


def test_who_names_no_intent_is_open_to_all() -> None:
    pair({"intents": ["casual"]}, intents=[])
    assert broken() == set()
    assert broken("networking") == {"intents meet"}


@pytest.mark.parametrize("actor", ["ana", "rui"])
def test_a_block_counts_from_either_side(actor: str) -> None:
    pair()
    numbers = dict(Member.objects.values_list("external_id", "number"))
    other = "rui" if actor == "ana" else "ana"
    Relationship.objects.create(
        actor=numbers[actor],
        target=numbers[other],
        target_kind="member",
        state="blocked",
        decided_at=now(),
        decided_by=uuid4(),
    )
    assert "no block between them" in broken()


def test_an_answer_of_the_candidate_does_not_count_but_one_of_the_viewer_does() -> None:
    pair()
    numbers = dict(Member.objects.values_list("external_id", "number"))
    row = {"target_kind": "member", "surface": "dating", "decided_at": now(), "decided_by": uuid4()}
    Relationship.objects.create(actor=numbers["rui"], target=numbers["ana"], state="liked", **row)
    assert broken() == set()
    Relationship.objects.create(actor=numbers["ana"], target=numbers["rui"], state="passed", **row)
    assert broken() == {"not acted on before"}
    assert broken("networking") == set()


def test_connected_members_are_not_shown() -> None:
    pair()
    put_connection("rui", "ana", ConnectionBody())
    assert broken() == {"not connected"}


def trip(market: str, first: int = 0, last: int = 0) -> TripBody:
    return TripBody(
        market=market, starts_on=TODAY + timedelta(days=first), ends_on=TODAY + timedelta(days=last)
    )


@pytest.mark.parametrize("who", ["ana", "rui"])
def test_a_trip_moves_either_side_to_the_middle_of_the_market(who: str) -> None:
    pair({"max_distance_km": 5}, home=PORTO, max_distance_km=5)
    assert {"same market", "near enough for the viewer"} <= broken()
    set_trips(who, [trip("porto" if who == "ana" else "lisbon")])
    assert broken() == set()
    assert eligible_counts(question(), ["ana", "rui"]) == {"ana": (1, 1), "rui": (1, 1)}


def test_who_travels_is_not_at_home_and_is_measured_from_the_middle() -> None:
    pair({"max_distance_km": 30}, max_distance_km=30)
    set_trips("rui", [trip("porto")])
    assert {"same market", "near enough for the candidate"} <= broken()
    assert eligible_counts(question(), ["ana", "rui"]) == {"ana": (0, 0), "rui": (0, 0)}
    member("ana", home={"latitude": 41.55, "longitude": -8.61, "market": "porto"})  # 44.5 km from its middle
    assert broken() == {"near enough for the viewer", "near enough for the candidate"}


def test_of_trips_at_once_the_one_that_began_last_counts_and_those_of_other_days_do_not() -> None:
    pair(home=PORTO)
    set_trips("ana", [trip("porto", -9, -1), trip("porto", 1, 9)])
    assert "same market" in broken()
    set_trips("ana", [trip("porto", -1, 1), trip("lisbon", -5, 5)])
    assert broken() == set()
    set_trips("rui", [trip("lisbon", -3, 0), trip("porto", -2, 2)])
    assert broken() == set()


def test_unknown_ids_are_violations() -> None:
    pair()
    asked = [("ana", "nobody"), ("nobody", "rui"), ("ana", "ana")]
    found = {(v.viewer, v.candidate): v.broken for v in violations(question(), asked)}
    assert found["ana", "nobody"] == found["nobody", "rui"] == ("known",)
    assert "somebody else" in found["ana", "ana"]
