"""The pacer against a real market: measured, written once a minute, picked up, and replayed."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from django.db import connection

from apps.common import clock
from apps.delivery import pacing
from apps.delivery.models import PacingPrices
from apps.delivery.pacer import ON_THEIR_WAY, pace
from apps.delivery.replay import replay_delivery
from apps.delivery.runtime import Runtime
from apps.delivery.services import recommend
from apps.interactions.copier import copy_all
from apps.interactions.models import Delivery
from apps.members.models import Member
from apps.refresh.services import refresh
from tests.delivery.conftest import number
from tests.delivery.publishing import age_at_most, publish, rule, with_rules


@pytest.fixture
def paced(serving: Runtime, monkeypatch: pytest.MonkeyPatch) -> Runtime:
    """A share target for nobody below 30 (there is nobody), and a floor for all; every list counts."""
    monkeypatch.setattr(pacing, "LEAST_PLACES", 1.0)
    share = rule(
        "young", "share_target", effect={"share": 0.5, "tolerance": 0.05}, candidates=age_at_most(30)
    )
    floor = rule("all", "floor", effect={"daily": 100, "tolerance": 0.1}, candidates=None)
    publish(serving, with_rules(share, floor, daily_cap=0))
    recommend(surface="dating", member="adam", limit=5)
    copy_all()
    Delivery.objects.update(scores=[0.5, 0.4, 0.3, 0.2, 0.1])
    return serving


def soon() -> datetime:
    return clock.now() + ON_THEIR_WAY + timedelta(seconds=1)


def test_a_minute_is_paced_once_however_often_it_is_woken(paced: Runtime) -> None:
    now = soon()

    def woken(_: int) -> int:
        try:
            return pace(now)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(woken, range(4))) == [0, 0, 0, 1]
    row = PacingPrices.objects.get()
    assert set(row.rules) == {"young", "all"}
    assert row.rules["young"]["actual"] == 0.0
    assert row.rules["all"]["members"] == 6  # adam may be shown, too


def test_the_first_step_knows_the_day_before_it_and_the_next_ones_go_on_from_there(paced: Runtime) -> None:
    delivered, now = Delivery.objects.get(), soon()
    for hours in range(1, 21):  # 20 lists of 5, the last one an hour ago
        again = Delivery.objects.get(id=delivered.id)
        again.id, again.served_at = uuid4(), now - timedelta(hours=hours)
        again.save(force_insert=True)
    pace(now)
    first = PacingPrices.objects.get()
    assert first.usual == pytest.approx(20 * 5 * 24 / 20 + 5, rel=0.02)
    assert first.recent == pytest.approx(2 * 5 * 0.92 + 5, rel=0.02)  # two faded for ten minutes
    pace(now + timedelta(minutes=1))
    second = PacingPrices.objects.first()
    assert second is not None
    assert second.recent == pytest.approx(first.recent, rel=0.02)
    assert second.rules["all"]["target"] == pytest.approx(100 * (second.recent / 120) / (second.usual / 1440))


def test_prices_reach_the_next_list_and_its_row_names_them(paced: Runtime) -> None:
    pace(soon())
    paced.poll()
    version = PacingPrices.objects.get().pk
    assert paced.world.pacing["dating"].version == version
    numbers, corrections = paced.world.pacing["dating"].floors["all"]
    assert number("bea") in numbers
    assert (corrections < 0).all()  # everybody is below the floor: a negative price lifts
    answer = recommend(surface="dating", member="adam", limit=5)
    copy_all()
    assert Delivery.objects.get(id=answer["delivery"]).price_version == version


def test_a_paced_delivery_is_replayed_with_its_own_prices(paced: Runtime) -> None:
    Delivery.objects.all().delete()
    PacingPrices.objects.all().delete()
    from apps.common.valkey import writing_client

    for key in writing_client().scan_iter("o:h:*"):
        writing_client().delete(key)
    before = recommend(surface="dating", member="adam", limit=5, dry_run=True)
    copy_all()
    pace(soon())
    row = PacingPrices.objects.get()
    row.rules["young"] |= {"correction": 0.0}
    row.spread = 0.05
    records = pacing.np.frombuffer(bytes(row.floors), pacing.FLOOR).copy()
    records["correction"] = records["number"] % 3
    row.floors = records.tobytes()
    row.save()
    paced.world = paced.world.__class__(**{**paced.world.__dict__, "pacing": {}})
    paced.poll()
    answer = recommend(surface="dating", member="adam", limit=5)
    scores = {item["id"]: item["score"] for item in answer["items"]}
    for item in before["items"]:
        lift = 0.05 * (number(item["id"]) % 3)
        assert scores[item["id"]] == pytest.approx(item["score"] + lift, abs=1e-5)
    PacingPrices.objects.create(surface="dating", slot=0, measured_until=clock.now(), rules={}, spread=1.0)
    copy_all()
    assert replay_delivery(Delivery.objects.get(id=answer["delivery"])).same


def test_a_rule_that_is_switched_off_is_no_longer_paced(paced: Runtime) -> None:
    pace(soon())
    publish(paced, with_rules(daily_cap=0))
    assert pace(soon() + timedelta(minutes=1)) == 0


def test_a_newcomers_subsidy_fades_with_each_list_and_a_paced_minute(serving: Runtime) -> None:
    """No rule at all: the pacer counts for the subsidy alone. Everybody joined today."""
    Member.objects.exclude(external_id="fay").update(joined_at=clock.now())
    Member.objects.filter(external_id="fay").update(joined_at=clock.now() - timedelta(days=60))
    refresh()
    knobs = {"newcomer_subsidy": 0.2, "newcomer_stop": 4, "exploration": 0.0, "hold_minutes": 0}
    publish(serving, with_rules(daily_cap=0, **knobs))
    serving.poll(wait=True)

    def scores() -> dict[str, float]:
        given = recommend(surface="dating", member="adam", limit=5, dry_run=True)
        return {item["id"]: item["score"] for item in given["items"]}

    plain, lifts = scores(), []
    for minute in range(5):
        assert pace(soon() + timedelta(minutes=minute)) == 1
        serving.poll()
        found = scores()
        lifts.append(round(found["bea"] - plain["bea"], 4))
        assert found["fay"] == plain["fay"]
        row = delivered_row()
        assert replay_delivery(row).same
        later = clock.now() + timedelta(minutes=minute, seconds=20)  # of the next minute to be measured
        Delivery.objects.filter(id=row.id).update(served_at=later)
    assert lifts == [0.2, 0.15, 0.1, 0.05, 0.0]


def delivered_row() -> Delivery:
    answer = recommend(surface="dating", member="adam", limit=5)
    assert len(answer["items"]) == 5
    copy_all()
    return Delivery.objects.get(id=answer["delivery"])
