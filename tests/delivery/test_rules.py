"""Staff's rules from the release to the list: live at once, ended at once, no further round trips."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.common import clock
from apps.delivery import runtime as runtimes
from apps.delivery.question import Question
from apps.delivery.rule_effects import flag_effects, rule_effects
from apps.delivery.runtime import Runtime, runtime
from apps.delivery.serve import serve
from apps.delivery.services import explain, recommend
from apps.interactions.copier import copy_all
from apps.interactions.models import Delivery
from apps.interactions.online import Effect, apply
from apps.pipeline.masks import FOLDER
from apps.refresh import masks
from apps.refresh.services import refresh
from apps.releases.params import compiled
from apps.releases.switches import lift, switch_off
from apps.surfaces.models import Market
from tests.delivery.conftest import number
from tests.delivery.publishing import age_at_most, content_with, in_days, publish, rule, with_rules
from tests.delivery.test_caps import men
from tests.delivery.test_flags import a_flag
from tests.delivery.test_flags import publish as publish_flags
from tests.delivery.test_round_trips import round_trips
from tests.delivery.test_services import WOMEN, names
from tests.refresh.rows import make_member

QUIET = {"exploration": 0.0, "diversity": 0.0, "daily_cap": 0}


def dry(**what: object) -> list[str]:
    """A list that reserves nothing."""
    return names(serve(runtime(), Question("dating", "adam", 5, dry_run=True, **what)))  # type: ignore[arg-type]


@pytest.fixture
def young(market: Market) -> Market:
    """The market, with `gina`, the only one under 25."""
    make_member("gina", market, birth_date=date(clock.today().year - 22, 1, 1))
    return market


@pytest.fixture
def ready(young: Market) -> Runtime:
    refresh()
    here = runtime()
    here.poll(wait=True)  # who was active lately is read once the online state is rebuilt
    return here


def test_a_boost_is_in_the_next_list_and_its_masks_stand_beside_the_snapshot(ready: Runtime) -> None:
    publish(ready, with_rules(rule("young", candidates=age_at_most(25), effect={"factor": 4.0}), **QUIET))
    assert dry()[0] == "gina"
    assert ready.world.snapshot is not None
    assert ready.world.snapshot.folder is not None
    assert [f.name[:7] for f in (ready.world.snapshot.folder / FOLDER).glob("dating-*")] == ["dating-"]
    assert sorted(key for key, _ in ready.world.masks) == ["dating", "networking", "travel"]


def test_a_new_snapshot_comes_with_the_masks_of_what_is_live(ready: Runtime) -> None:
    publish(ready, with_rules(rule("young", candidates=age_at_most(25), effect={"factor": 4.0}), **QUIET))
    row = refresh()
    ready.poll(wait=True)
    snapshot = ready.world.snapshot
    assert snapshot is not None
    assert snapshot.id == row.id
    assert ready.world.masks["dating", next(d for s, d in ready.world.masks if s == "dating")] is not None
    assert (snapshot.folder / FOLDER).is_dir()  # type: ignore[operator]
    assert dry()[0] == "gina"


def test_a_rule_that_is_switched_off_does_nothing_and_works_again_when_that_is_lifted(ready: Runtime) -> None:
    publish(ready, with_rules(**QUIET))
    plain = dry(seed=1)
    last = plain[-1]
    pin = rule("first", "pin", effect={"candidates": [number(last)], "position": 1})
    publish(ready, with_rules(pin, **QUIET))
    assert dry(seed=1)[0] == last
    switch_off("rule", "dating/first", actor=None, reason="a mistake")
    ready.poll()
    assert dry(seed=1) == plain
    recommend(surface="dating", member="adam", limit=1)
    copy_all()
    assert Delivery.objects.get().trace[0] == {
        "stage": "switched_off", "received": 0, "kept": 0, "keys": ["rule:dating/first"],
    }  # fmt: skip
    lift("rule", "dating/first", actor=None)
    ready.poll()
    assert (
        explain(surface="dating", viewer="adam", candidate=last)["waterfall"]["places"][0]["rule"] == "first"
    )


def test_rules_of_a_newcomer_and_for_a_viewer_unknown_to_the_snapshot(ready: Runtime, young: Market) -> None:
    boost = rule(
        "young", viewers=age_at_most(25), candidates=age_at_most(25), effect={"factor": 4.0, "slots": [1]}
    )
    boost["effect"] = {"slots": [1]}
    publish(ready, with_rules(boost, **QUIET))
    from apps.common.changes import record_changes

    make_member("hal", young, gender="man", seeking=["woman"], birth_date=date(clock.today().year - 21, 1, 1))
    make_member("ida", young, birth_date=date(clock.today().year - 20, 1, 1))
    record_changes("member.saved", [number("hal"), number("ida")])
    ready.poll()
    assert names(recommend(surface="dating", member="hal", limit=5, dry_run=True))[0] in {"gina", "ida"}


def test_a_list_under_rules_takes_no_query_and_two_round_trips(
    ready: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = (
        rule("young", candidates=age_at_most(25), viewers=age_at_most(99), effect={"factor": 2.0}),
        rule("slot", candidates=age_at_most(25), effect={"slots": [2]}),
        rule("share", "bury", candidates=age_at_most(40), effect={"share": 0.5}),
        rule("cap", "cap", candidates=age_at_most(25), effect={"daily": 5, "hourly": 2}),
        rule("pin", "pin", effect={"candidates": [number("bea")], "position": 1}),
    )
    publish(ready, with_rules(*rules))
    ready.stop()
    recommend(surface="dating", member="adam", limit=1)
    ready.poll()
    with CaptureQueriesContext(connection) as queries, round_trips(monkeypatch) as sent:
        answer = recommend(surface="dating", member="adam", limit=2)
    assert len(answer["items"]) == 2
    assert [query["sql"] for query in queries.captured_queries] == []
    assert sent == ["MGET", "EVALSHA"]


def test_a_cap_of_a_rule_holds_under_64_concurrent_viewers(ready: Runtime, young: Market) -> None:
    caps = (
        rule("young", "cap", candidates=age_at_most(25), effect={"daily": 3, "hourly": 0}),
        rule("all", "cap", effect={"daily": 9, "hourly": 0}),
    )
    publish(ready, with_rules(*caps, **QUIET))
    viewers = men(young, ready, 64)
    with ThreadPoolExecutor(64) as pool:
        answers = list(pool.map(lambda who: recommend(surface="dating", member=who, limit=6), viewers))
    shown = [name for answer in answers for name in names(answer)]
    assert shown.count("gina") <= 3
    assert max(shown.count(name) for name in WOMEN) <= 9


def test_a_cool_down_of_a_rule_keeps_its_candidates_away_for_longer_than_the_surfaces_own(
    ready: Runtime,
) -> None:
    ten_days_ago = clock.now() - timedelta(days=10)
    for name in ("bea", "gina"):
        apply([Effect("impression", "", number("adam"), number(name), "member", "dating", ten_days_ago)])
    everybody = set(names(recommend(surface="dating", member="adam", limit=10, dry_run=True)))
    assert {"bea", "gina"} <= everybody
    for days, away in ((9, set()), (11, {"gina"})):
        young = rule("young", "cooldown", candidates=age_at_most(25), effect={"days": days})
        publish(ready, with_rules(young, **QUIET))
        shown = names(recommend(surface="dating", member="adam", limit=10, dry_run=True))
        assert set(shown) == everybody - away
    told = explain(surface="dating", viewer="adam", candidate="gina", private=True)
    assert (told["code"], told["because"]) == ("excluded", ["seen"])
    later = clock.now().timestamp() + 2 * 86_400
    for what_if in ({"rules_off": True}, {"at": later}):
        assert "gina" in names(serve(ready, Question("dating", "adam", 10, dry_run=True, **what_if)))  # type: ignore[arg-type]


def test_who_reached_a_cap_is_back_at_once_when_the_cap_is_switched_off(
    ready: Runtime, young: Market
) -> None:
    publish(ready, with_rules(rule("cap", "cap", effect={"daily": 1, "hourly": 0}), **QUIET))
    first, second, third = men(young, ready, 3)
    assert len(names(recommend(surface="dating", member=first, limit=6))) == 6
    assert names(recommend(surface="dating", member=second, limit=6)) == []
    ready.poll()
    assert names(recommend(surface="dating", member=third, limit=6, dry_run=True)) == []
    assert explain(surface="dating", viewer=third, candidate="bea")["code"] == "capped"
    switch_off("rule", "dating/cap", actor=None, reason="too tight")
    ready.poll()
    assert len(names(recommend(surface="dating", member=third, limit=6))) == 6


def test_a_dry_run_asks_what_if(ready: Runtime) -> None:
    publish(ready, with_rules(**QUIET))
    plain = dry(seed=1)
    last = plain[-1]
    pin = rule("pin", "pin", effect={"candidates": [number(last)], "position": 1}, starts_at=in_days(30))
    draft = content_with(with_rules(pin, **QUIET))
    then = clock.now().timestamp() + 40 * 86_400
    assert dry(content=draft, at=then, seed=1)[0] == last
    assert dry(content=draft, seed=1) == plain
    assert dry(content=draft, at=then, rules_off=True, seed=1) == plain
    assert dry(seed=1) == plain
    with pytest.raises(ValueError, match="dry run"):
        Question("dating", "adam", 5, content=draft)


def test_a_draft_without_masks_gives_the_list_that_is_served_after_publishing(ready: Runtime) -> None:
    change = with_rules(
        rule("young", candidates=age_at_most(25), effect={"factor": 3.0}),
        rule("slot", candidates=age_at_most(25), effect={"slots": [2]}),
    )
    before = dry(content=content_with(change), seed=5)
    publish(ready, change)
    assert dry(seed=5) == before


def test_a_viewer_of_the_hold_out_gets_caps_and_no_other_rule(ready: Runtime, young: Market) -> None:
    pin = rule("pin", "pin", effect={"candidates": [number("gina")], "position": 1})
    cap = rule("cap", "cap", effect={"daily": 900, "hourly": 0})
    publish(ready, with_rules(pin, cap, **QUIET | {"random_share": 5.0}))
    viewers = men(young, ready, 60)
    for name in viewers:
        recommend(surface="dating", member=name, limit=6)
    copy_all()
    held_out = set(Delivery.objects.filter(random_order=True).values_list("viewer", flat=True))
    assert 0 < len(held_out) < 20
    for row in Delivery.objects.all():
        rules = next(stage["rules"] for stage in row.trace if stage["stage"] == "rules")
        met = {key for key, pool in zip(("cap", "pin"), rules["pool"], strict=True) if pool}
        assert met == ({"cap"} if row.viewer in held_out else {"cap", "pin"})
        assert row.viewer in held_out or row.candidates[0] == number("gina")


def test_what_each_rule_did_is_counted_from_the_deliveries(ready: Runtime) -> None:
    rules = (
        rule("all", effect={"factor": 1.5}, priority=30),
        rule("young", candidates=age_at_most(25), effect={"factor": 4.0}, priority=20),
        rule("nobody", candidates=age_at_most(18), effect={"factor": 1.5}),
    )
    publish(ready, with_rules(*rules, **QUIET))
    recommend(surface="dating", member="adam", limit=2)
    recommend(surface="dating", member="adam", limit=2)
    copy_all()
    found = rule_effects("dating", clock.now() - timedelta(hours=1))
    assert found == {
        "young": {"deliveries": 1, "touched": 1, "shown": 1, "ranked": 6, "places": 2},
        "all": {"deliveries": 2, "touched": 6 + 4, "shown": 4, "ranked": 6 + 4, "places": 4},
    }


def test_whom_a_cool_down_and_a_cap_keep_away_is_counted_too(ready: Runtime, young: Market) -> None:
    ten_days_ago = clock.now() - timedelta(days=10)
    for name in ("bea", "gina"):
        apply([Effect("impression", "", number("adam"), number(name), "member", "dating", ten_days_ago)])
    rules = (
        rule("away", "cooldown", candidates=age_at_most(25), effect={"days": 11}),
        rule("once", "cap", candidates=age_at_most(25), effect={"daily": 1, "hourly": 0}),
        rule("twice", "cap", effect={"daily": 2, "hourly": 0}),
    )
    publish(ready, with_rules(*rules, **QUIET))
    first, second = men(young, ready, 2)
    assert "gina" in names(recommend(surface="dating", member=first, limit=6))
    recommend(surface="dating", member=second, limit=6)
    recommend(surface="dating", member="adam", limit=6)
    copy_all()
    found = rule_effects("dating", clock.now() - timedelta(hours=1))
    assert (found["away"]["cooled_lists"], found["away"]["kept_away"]) == (1, 1)
    assert (found["once"]["standing"], found["twice"]["standing"]) == (1, 5)  # gina; all others twice
    with_effects = {spec: sorted(did) for spec, did in found.items() if "standing" in did}
    assert set(with_effects) == {"once", "twice"}


def test_in_how_many_lists_a_flag_was_on_is_counted(ready: Runtime) -> None:
    publish_flags(ready, a_flag("all"), a_flag("none") | {"percentage": 0.0})
    recommend(surface="dating", member="adam", limit=2)
    recommend(surface="dating", member="adam", limit=2)
    copy_all()
    # A flag that turns no knob of a surface is the app's alone: no list decides it.
    turning = {"surface": "dating", "overrides": {"diversity": 0.2}}
    publish_flags(ready, a_flag("all") | turning, a_flag("none") | turning | {"percentage": 0.0})
    for _ in range(3):
        recommend(surface="dating", member="adam", limit=1)
    copy_all()
    assert flag_effects("dating", clock.now() - timedelta(hours=1)) == {
        "all": {"on": 3, "lists": 3}, "none": {"on": 0, "lists": 3},
    }  # fmt: skip


def test_a_release_is_not_served_before_its_masks_are_there(
    ready: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready.stop()
    before, seen = ready.world.live, []

    def slow(*arguments: Any) -> masks.Masks:
        seen.append(ready.world.live)
        return ensure(*arguments)

    ensure = masks.ensure_masks
    monkeypatch.setattr(masks, "ensure_masks", slow)
    publish(ready, with_rules(rule("young", candidates=age_at_most(25), effect={"factor": 4.0})))
    assert seen == [before]
    assert ready.world.live is not before
    assert (
        "dating",
        compiled(ready.world.live.stable_content).surface("dating").rules.digest,  # type: ignore[union-attr]
    ) in ready.world.masks


def test_masks_that_take_long_are_made_in_the_background(
    ready: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    allowed, ensure = threading.Event(), runtimes.masks.ensure_masks

    def slowly(*asked: Any) -> Any:
        assert allowed.wait(10)
        return ensure(*asked)

    monkeypatch.setattr(runtimes, "SOON", 0)
    monkeypatch.setattr(runtimes.masks, "ensure_masks", slowly)
    ready.stop()
    before = ready.world.live
    with pytest.raises(AssertionError):  # the first poll still serves the release before
        publish(ready, with_rules(rule("young", candidates=age_at_most(25), effect={"factor": 4.0})))
    allowed.set()
    assert before is not None
    for _ in range(100):
        if ready.world.live is not before:
            break
        time.sleep(0.05)
    assert ready.world.live is not None
    assert ready.world.live.stable_number == before.stable_number + 1
