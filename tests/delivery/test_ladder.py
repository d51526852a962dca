"""Every rung below a full list, with real stores: what is missing is named, and nobody unsafe is shown."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from django.conf import settings

from apps.common import clock, gone, online
from apps.common.valkey import writing_client
from apps.delivery import ladder, ranking
from apps.delivery import runtime as runtimes
from apps.delivery.health import counts
from apps.delivery.last_lists import LAST_SECONDS, MOST_KEPT, packed, read_last
from apps.delivery.runtime import Runtime, runtime
from apps.delivery.services import rank, recommend
from apps.interactions.copier import copy_all
from apps.interactions.ledger_check import ledger_differences
from apps.interactions.models import Delivery
from apps.pipeline.lineup import LINEUPS
from tests.delivery.conftest import number
from tests.delivery.publishing import publish, rule, with_rules
from tests.delivery.test_services import WOMEN, happens, names
from tests.delivery.test_stores_away import uncapped, within
from tests.interactions.world import event, send
from tests.policies import examples


def asked(viewer: str = "adam", limit: int = 10, **options: Any) -> dict[str, Any]:
    return recommend(surface="dating", member=viewer, limit=limit, **options)


def break_pipeline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ranking raises, whatever it is asked; the walk of filters alone goes on."""

    def broken(request: object) -> None:
        raise ArithmeticError("broken on purpose")

    monkeypatch.setattr(ranking, "run", broken)


def break_filters(monkeypatch: pytest.MonkeyPatch) -> None:
    break_pipeline(monkeypatch)
    monkeypatch.setattr(ladder, "run", ranking.run)


def release_holds(viewer: str) -> None:
    writing_client().delete(online.held_key("dating", number(viewer)))


def test_a_broken_source_costs_its_candidates_and_is_named(
    serving: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(request: object, eligible: object, quota: int) -> None:
        raise ArithmeticError("broken on purpose")

    lineup = LINEUPS["people"]
    last = [source for source in lineup.sources if source.quota][-1]
    sources = tuple(replace(last, propose=broken) if source is last else source for source in lineup.sources)
    monkeypatch.setitem(LINEUPS, "people", replace(lineup, sources=sources))
    answer = asked()
    assert answer["degraded"] == [f"source:{last.name}"]
    assert set(names(answer)) == WOMEN
    assert recommend(surface="travel", member="adam", limit=2)["degraded"] == []


def test_without_the_pipeline_the_last_list_is_shown_minus_whoever_may_not_be(
    serving: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked(limit=1)
    ranked = read_last("dating", number("adam"))
    assert ranked is not None
    assert len(ranked) == len(WOMEN)
    release_holds("adam")
    happens("block", "blocked", "bea", "adam", surface="")
    happens("pass", "passed", "adam", "cleo")
    gone.publish_gone("member", dict.fromkeys([number("dora")], 1))
    break_filters(monkeypatch)
    answer = asked()
    assert set(names(answer)) == WOMEN - {"bea", "cleo", "dora"}
    assert answer["degraded"] == ["pipeline_unavailable"]
    assert answer["shortfall"] == {"missing": 8, "reasons": ["degraded"]}
    copy_all()
    assert Delivery.objects.get(id=answer["delivery"]).trace[0]["stage"] == "last_list"
    assert names(asked()) == []  # held


def test_a_last_list_stays_within_the_caps(serving: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    from apps.releases import services

    draft = services.start_revision(actor=None)
    draft = services.edit_revision(draft, draft.version, {"dating.daily_cap": 2})
    services.publish_revision(draft, actor=None, note="two a day")
    assert within(3, lambda: serving.world.live is not None and serving.world.live.stable_number == 2)
    asked()
    release_holds("adam")
    break_filters(monkeypatch)
    assert set(names(asked())) == WOMEN
    release_holds("adam")
    answer = asked()
    assert names(answer) == []
    assert answer["shortfall"]["reasons"] == ["capped", "degraded"]


def test_a_last_list_keeps_to_a_cap_that_began_since(
    serving: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    soon = f"{clock.now() + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"
    cap = rule("few", "cap", effect={"daily": 1, "hourly": 0}, starts_at=soon)
    publish(serving, with_rules(cap, daily_cap=0, hourly_cap=0))
    assert set(names(asked())) == WOMEN
    release_holds("adam")
    break_filters(monkeypatch)
    assert set(names(asked(dry_run=True))) == WOMEN
    later = clock.now() + timedelta(hours=1, minutes=1)
    monkeypatch.setattr(clock, "now", lambda: later)
    answer = asked()
    assert answer["degraded"] == ["pipeline_unavailable"]
    assert names(answer) == []


def test_without_a_last_list_the_eligible_are_shown_unranked(
    serving: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    happens("block", "blocked", "bea", "adam", surface="")
    break_pipeline(monkeypatch)
    answer = asked()
    assert set(names(answer)) == WOMEN - {"bea"}
    assert answer["degraded"] == ["pipeline_unavailable"]
    copy_all()
    assert "random_order" in {s["stage"] for s in Delivery.objects.get(id=answer["delivery"]).trace}


def test_without_filters_and_without_a_last_list_nobody_is_shown(
    serving: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_filters(monkeypatch)
    answer = asked()
    assert answer["items"] == []
    assert answer["degraded"] == ["pipeline_unavailable"]


def test_a_ranking_without_the_pipeline_shows_only_those_asked_for(
    serving: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked(limit=1)
    release_holds("adam")
    kept = read_last("dating", number("adam"))
    break_filters(monkeypatch)
    answer = rank(surface="dating", member="adam", candidates=["bea", "minor", "adam"])
    assert names(answer) == ["bea"]
    assert np.array_equal(read_last("dating", number("adam")), kept)  # type: ignore[arg-type]


def test_what_breaks_a_rollout_is_counted_as_its_failure(
    serving: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed: list[int] = []
    monkeypatch.setattr(counts, "failed", failed.append)
    break_pipeline(monkeypatch)
    asked()
    assert failed == [1]


def test_a_process_without_a_snapshot_shows_last_lists(serving: Runtime) -> None:
    uncapped()
    assert within(3, lambda: serving.world.live is not None and serving.world.live.stable_number == 2)
    asked(limit=1)
    asked(viewer="bea", limit=1)
    release_holds("adam")
    happens("block", "blocked", "bea", "adam", surface="")
    runtimes.stop()
    shutil.rmtree(settings.SNAPSHOT_DIR)
    assert runtime().world.snapshot is None
    assert not runtimes.ready()["ready"]
    request_id = uuid4()
    answer = asked(request_id=request_id)
    assert set(names(answer)) == WOMEN - {"bea"}
    assert answer["degraded"] == ["snapshot_unavailable"]
    assert names(asked(request_id=request_id)) == names(answer)
    assert "adam" not in names(asked(viewer="bea"))
    assert asked(viewer="minor")["items"] == []


def without_snapshot(viewer: str = "adam", limit: int = 10) -> dict[str, Any]:
    """What a process answers that finds none: the viewer's last list."""
    runtimes.stop()
    shutil.rmtree(settings.SNAPSHOT_DIR)
    answer = asked(viewer, limit)
    assert answer["degraded"] == ["snapshot_unavailable"]
    return answer


def test_without_a_snapshot_a_list_is_held_and_counted_for_as_long_as_the_longest_hold(
    serving: Runtime,
) -> None:
    london = {"london": {"hold_minutes": 90}}
    publish(serving, with_rules(daily_cap=2, hourly_cap=0, hold_minutes=60, markets=london))
    asked(limit=1)
    release_holds("adam")
    answer = without_snapshot()
    assert names(answer)
    copy_all()
    assert Delivery.objects.get(id=answer["delivery"]).hold_seconds == 90 * 60
    assert ledger_differences(clock.now() + timedelta(minutes=75)) == []


@pytest.mark.parametrize("said_by", ["rule", "market", "flag"])
def test_without_a_snapshot_the_longest_cool_down_that_anybody_has_is_kept(
    serving: Runtime, said_by: str
) -> None:
    three = {"cooldown_days": 3}
    rules = [rule("rest", "cooldown", effect={"days": 3})] if said_by == "rule" else []
    said: dict[str, Any] = {"markets": {"london": three}} if said_by == "market" else {}

    def change(content: dict[str, Any]) -> None:
        with_rules(*rules, daily_cap=0, hourly_cap=0, cooldown_days=0, **said)(content)
        if said_by == "flag":
            content["flags"] = [examples.flag(percentage=0.0, overrides=three)]

    publish(serving, change)
    asked(limit=1)
    release_holds("adam")
    for who, days in (("bea", 1), ("cleo", 4)):
        seen = event("impression", "adam", who, occurred_at=clock.now() - timedelta(days=days))
        assert send(seen, now=clock.now())[0].status == "accepted"
    assert set(names(without_snapshot())) == WOMEN - {"bea"}


def test_a_last_list_is_bounded_in_size_and_time(serving: Runtime) -> None:
    asked()
    key = online.last_key("dating", number("adam"))
    assert 0 < writing_client().ttl(key) <= LAST_SECONDS
    many = replace(ladder.NOBODY, numbers=np.arange(200, dtype="i4"), scores=np.zeros(200, "f4"))
    assert len(packed(many)) == 8 * MOST_KEPT


def test_an_empty_list_does_not_take_the_place_of_the_last_one(serving: Runtime) -> None:
    asked()
    assert names(asked()) == []
    assert read_last("dating", number("adam")) is not None
