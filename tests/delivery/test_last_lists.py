"""A last list against what changed since it was kept: with a snapshot everybody in it is judged anew."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np
import pytest

from apps.common import online
from apps.common.geo import cell_of
from apps.common.valkey import writing_client
from apps.delivery import ladder
from apps.delivery.last_lists import KEPT, LastList, read_last, slate_of
from apps.delivery.runtime import Runtime
from apps.delivery.services import recommend
from apps.members.services import patch_member, set_trips
from apps.refresh.services import refresh
from apps.surfaces.models import Market
from tests.delivery.conftest import number
from tests.delivery.publishing import age_at_most, publish, rule, with_rules
from tests.delivery.test_coming_trips import PARIS, plan
from tests.delivery.test_ladder import asked, break_filters, break_pipeline, release_holds, without_snapshot
from tests.delivery.test_overlay import changed
from tests.delivery.test_services import WOMEN, names
from tests.refresh.rows import make_market, make_place

NO_CAPS = {"daily_cap": 0, "hourly_cap": 0}


@pytest.fixture
def listed(serving: Runtime, market: Market) -> Runtime:
    """Adam has a last list of all women, holds nobody, and there is another market."""
    make_market("paris", PARIS)
    refresh()
    publish(serving, with_rules(**NO_CAPS))
    asked(limit=1)
    release_holds("adam")
    return serving


@pytest.mark.parametrize("who", ["bea", "adam"])
@pytest.mark.parametrize(
    "values",
    [
        {"seeking": ["nonbinary"]},
        {"gender": "nonbinary"},
        {"age_min": 90, "age_max": 99},
        {"birth_date": date(1930, 1, 1), "age_min": 90, "age_max": 99},
        {"intents": ["hire"]},
        {"home_cell": cell_of(51.4, 0.6), "max_distance_km": 5},
        {"current_market": "paris"},
        {"birth_date": date(2015, 1, 1)},
        {"birth_date": None},
    ],
    ids=lambda values: "-".join(values),
)
def test_what_either_side_changed_since_holds(
    listed: Runtime, monkeypatch: pytest.MonkeyPatch, who: str, values: dict[str, Any]
) -> None:
    if "current_market" in values:
        values = {"current_market": Market.objects.get(key="paris")}
    changed(who, **values)
    listed.poll(wait=True)
    break_pipeline(monkeypatch)
    assert set(names(asked())) == (WOMEN - {"bea"} if who == "bea" else set())


def test_whoever_came_under_a_cap_since_is_counted_by_it(
    listed: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    once = rule("young", "cap", candidates=age_at_most(30), effect={"daily": 1, "hourly": 0})
    publish(listed, with_rules(once, **NO_CAPS))
    assert set(names(asked())) == WOMEN
    release_holds("adam")
    changed("bea", birth_date=date(2004, 1, 1))
    listed.poll(wait=True)
    break_pipeline(monkeypatch)
    assert set(names(asked())) == WOMEN - {"bea"}


def test_places_of_a_trip_stay_as_long_as_the_trip(listed: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    make_place("louvre", Market.objects.get(key="paris"), cell=cell_of(*PARIS))
    refresh()
    plan((5, 9))
    listed.poll(wait=True)

    def travel() -> set[str]:
        return set(names(recommend(surface="travel", member="adam", limit=10, dry_run=True)))

    recommend(surface="travel", member="adam", limit=10)
    kept = read_last("travel", number("adam"))
    assert kept is not None
    assert len(kept) == 3
    writing_client().delete(online.held_key("travel", number("adam")))
    break_pipeline(monkeypatch)
    assert travel() == {"bar", "cafe", "louvre"}
    set_trips("adam", [])
    listed.poll(wait=True)
    assert travel() == {"bar", "cafe"}


def test_without_a_snapshot_the_tightest_cap_that_anybody_has_holds_for_all(listed: Runtime) -> None:
    once = rule("young", "cap", candidates=age_at_most(30), effect={"daily": 1, "hourly": 0})
    publish(listed, with_rules(once, **NO_CAPS))
    assert set(names(asked())) == WOMEN
    release_holds("adam")
    answer = without_snapshot()
    assert names(answer) == []
    assert "capped" in answer["shortfall"]["reasons"]


def test_nobody_of_it_is_shown_whom_no_filter_can_judge(
    listed: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ArithmeticError("broken on purpose")

    break_filters(monkeypatch)
    monkeypatch.setattr(ladder, "still_eligible", broken)
    assert asked()["items"] == []


def no_pipeline(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    break_filters(monkeypatch)
    return asked()


@pytest.mark.parametrize(
    "rung", [no_pipeline, lambda _: without_snapshot()], ids=["last_list", "no_snapshot"]
)
def test_who_is_not_known_to_be_an_adult_any_more_is_in_no_list_from_the_moment_it_was_said(
    listed: Runtime, monkeypatch: pytest.MonkeyPatch, rung: Callable[[pytest.MonkeyPatch], dict[str, Any]]
) -> None:
    patch_member("bea", {"birth_date": "2015-01-01"})
    patch_member("cleo", {"birth_date": None})
    assert set(names(rung(monkeypatch))) == WOMEN - {"bea", "cleo"}


def test_it_keeps_its_order_and_the_caps_of_each() -> None:
    still, caps = np.array([7, 3, 9], "i4"), np.array([[1, 0], [2, 0], [3, 0]], "i4")
    slate = slate_of(last_of(9, 8, 3), still, caps)
    assert slate.numbers.tolist() == [9, 3]
    assert slate.scores.tolist() == [9.0, 3.0]
    assert slate.caps.tolist() == [[3, 0], [2, 0]]


def last_of(*numbers: int) -> LastList:
    kept = np.zeros(len(numbers), KEPT)
    kept["number"] = kept["score"] = numbers
    return kept
