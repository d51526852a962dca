"""A small market through the real services, refreshed, served, checked by SQL and judged by its truth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError

from apps.common.errors import Conflict
from apps.delivery.services import recommend
from apps.interactions.models import Delivery, Event, Relationship
from apps.members.models import Connection, Member, Trip
from apps.members.selectors import numbers_of
from apps.places.models import CuratedList, Place
from apps.simulation.eligibility_check import check_lists
from apps.simulation.evaluation import evaluate_surface
from apps.simulation.services import simulate_market, world_for
from apps.simulation.store import kept_world, truth_of
from apps.simulation.truth import member_id

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
SIZES: dict[str, Any] = {"members": 500, "places": 60, "days": 10, "seed": 11}


@pytest.fixture(autouse=True)
def no_world_kept() -> Iterator[None]:
    yield
    for path in (Path(settings.VAR_DIR) / "simulation").glob("seed-*.json"):
        path.unlink()


def test_a_market_is_written_whole_and_repeating_it_adds_nothing() -> None:
    first = simulate_market(world_for(**SIZES))
    counts = [m.objects.count() for m in (Member, Place, Connection, Trip, CuratedList, Event, Relationship)]
    assert counts[0] == 500
    assert counts[1] == 60
    assert counts[2] == first.connections
    assert counts[3] == first.trips > 0
    assert counts[4] == 6
    assert counts[5] == first.events == first.accepted
    assert counts[6] > 100
    assert (
        sum(len(d.candidates) for d in Delivery.objects.all())
        == Event.objects.filter(type="impression").count()
    )
    deliveries = Delivery.objects.count()
    again = simulate_market(world_for(**SIZES))
    assert again.duplicates == again.events == first.events
    assert Delivery.objects.count() == deliveries
    assert counts == [
        m.objects.count() for m in (Member, Place, Connection, Trip, CuratedList, Event, Relationship)
    ]


def test_a_like_both_ways_is_a_match_in_the_database_too() -> None:
    simulate_market(world_for(**SIZES))
    matched = Relationship.objects.filter(state="matched", surface="dating")
    pairs = set(matched.values_list("actor", "target"))
    assert pairs
    assert {(b, a) for a, b in pairs} == pairs


def test_the_truth_of_a_written_market_is_read_back() -> None:
    world = world_for(**SIZES)
    simulate_market(world)
    assert kept_world(11) == world
    truth = truth_of(11)
    like = Event.objects.filter(type="like", surface="dating").first()
    assert like is not None
    ids = dict(Member.objects.values_list("number", "external_id"))
    assert 0 < truth.like_probability("dating", ids[like.actor], ids[like.target]) < 1
    with pytest.raises(LookupError):
        truth_of(12)


def test_another_size_under_the_same_seed_is_refused_before_anything_is_written() -> None:
    simulate_market(world_for(**SIZES))
    with pytest.raises(Conflict):
        world_for(**{**SIZES, "members": 501})
    assert not numbers_of([member_id(truth_of(11).world, 500)])


def test_the_command_says_in_one_line_what_is_wrong() -> None:
    with pytest.raises(CommandError, match="--members is within"):
        call_command("simulate", members=0)


def test_lists_of_a_simulated_market_are_eligible_and_judged(tmp_path: Path) -> None:
    """The whole way: simulate, refresh, check in SQL, evaluate."""
    call_command("simulate", **SIZES, stdout=StringIO())
    call_command("refresh", stdout=StringIO())
    for surface in ("dating", "networking", "travel"):
        said = StringIO()
        call_command("check_eligibility", surface=surface, viewers=40, stdout=said)
        assert "0 violations, 0 wrong answers" in said.getvalue()
    page = tmp_path / "evaluation.md"
    call_command("evaluate", seed=11, viewers=30, ablated=5, page=page, stdout=StringIO(), stderr=StringIO())
    text = page.read_text()
    for heading in (
        "### Dating",
        "### Networking",
        "### Travel",
        "| oracle |",
        "| raya_recs |",
        "| diversity | on |",
        "| pagerank | off, tried at 100 |",
        "| features: profile | on: ",
        "| boosts | on | 0 of 5 | not measured |",
    ):
        assert heading in text
    result = evaluate_surface(truth_of(11), "networking", viewers=40, ablated=0)
    figures = {row.name: row.mutual.value for row in result.rows}
    assert figures["oracle"] == max(figures.values()) > 0
    assert figures["random eligible"] < figures["oracle"]


def test_the_check_finds_a_violation_that_the_snapshot_does_not_know() -> None:
    """Somebody is hidden behind every guard's back, straight in the table: the check must see it."""
    call_command("simulate", **SIZES, stdout=StringIO())
    call_command("refresh", stdout=StringIO())
    call_command("check_eligibility", surface="networking", viewers=40, stdout=StringIO())
    Member.objects.all().update(visibility="hidden")
    with pytest.raises(CommandError, match=r"[1-9]\d* violations"):
        call_command("check_eligibility", surface="networking", viewers=40, stdout=StringIO())


def test_the_check_asks_again_for_a_list_that_lacked_a_store(monkeypatch: pytest.MonkeyPatch) -> None:
    call_command("simulate", **SIZES, stdout=StringIO())
    call_command("refresh", stdout=StringIO())
    asked: Counter[str] = Counter()

    def at_first_without_a_store(*, member: str, **more: Any) -> dict[str, Any]:
        asked[member] += 1
        answer = recommend(member=member, **more)
        return answer if asked[member] > 1 else {**answer, "items": [], "degraded": ["valkey"]}

    monkeypatch.setattr("apps.simulation.eligibility_check.recommend", at_first_without_a_store)
    result = check_lists("networking", viewers=10, limit=20, seed=1)
    assert result.good, result.wrong
    assert len(asked) == 10
    assert min(asked.values()) > 1
