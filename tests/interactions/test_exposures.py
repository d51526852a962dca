"""Exposures from grant to end, and the numbers that Postgres alone gives for them."""

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from uuid import UUID

import pytest
import time_machine

from apps.common import clock, online
from apps.common.valkey import background_client, writing_client
from apps.interactions import exposures, rebuild
from apps.interactions.exposures import LATE, Impression, confirm, release_due
from apps.interactions.ledger_check import ledger_differences
from apps.surfaces.services import ensure_first_surfaces
from tests.interactions.grants import HOLD, believe, counted, grant, order, show
from tests.interactions.world import event, people, send

ANN, BOB, CAT, DAN = "ann", "bob", "cat", "dan"


@pytest.fixture
def n(transactional_db: None) -> dict[str, int]:
    ensure_first_surfaces()
    numbers = people(ANN, BOB, CAT, DAN)
    believe()
    return numbers


@pytest.fixture
def now() -> datetime:
    return clock.now()


def see(viewer: str, candidate: str, at: datetime, delivery: UUID | None = None) -> None:
    impression = event("impression", viewer, candidate, occurred_at=at, delivery=delivery)
    assert [result.status for result in send(impression, now=at)] == ["accepted"]


def scripts_run() -> int:
    statistics = background_client().info("commandstats")
    return int(statistics["cmdstat_evalsha"]["calls"])


def after_the_wait(now: datetime) -> datetime:
    return now + timedelta(seconds=HOLD + 1)


def test_without_an_impression_an_exposure_is_given_back_when_its_time_runs_out(
    n: dict[str, int], now: datetime
) -> None:
    show(n[ANN], [n[BOB]], now)
    assert release_due(["dating"], now=now + timedelta(seconds=HOLD - 1)) == 0
    assert counted(n[BOB]) == 1
    assert release_due(["dating"], now=after_the_wait(now)) == 1
    assert counted(n[BOB]) == 0
    assert ledger_differences(after_the_wait(now)) == []


def test_an_exposure_is_given_back_once_however_often_it_is_released(
    n: dict[str, int], now: datetime
) -> None:
    show(n[ANN], [n[BOB]], now)
    show(n[CAT], [n[BOB]], now + timedelta(minutes=20))
    for _ in range(3):
        release_due(["dating"], now=after_the_wait(now))
    assert counted(n[BOB]) == 1


def test_one_call_of_the_release_goes_through_few_exposures(
    n: dict[str, int], now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exposures, "EXPOSURES_PER_CALL", 3)
    show(n[BOB], [n[ANN]], now)
    release_due(["dating"], now=after_the_wait(now))  # from now on Valkey knows the script
    for viewer, shown in {ANN: [BOB, CAT, DAN], CAT: [ANN, BOB], DAN: [BOB]}.items():
        show(n[viewer], [n[name] for name in shown], now)
    before = scripts_run()
    assert release_due(["dating"], now=after_the_wait(now)) == 6
    assert scripts_run() - before == 2
    assert counted(n[BOB]) == 0


def test_an_impression_makes_an_exposure_final(n: dict[str, int], now: datetime) -> None:
    delivery = show(n[ANN], [n[BOB], n[CAT]], now)
    see(ANN, BOB, now, delivery)
    assert release_due(["dating"], now=after_the_wait(now)) == 1
    assert (counted(n[BOB]), counted(n[CAT])) == (1, 0)
    assert ledger_differences(after_the_wait(now)) == []


def test_an_impression_that_names_no_delivery_is_about_the_earlier_ones(
    n: dict[str, int], now: datetime
) -> None:
    show(n[ANN], [n[BOB]], now)
    see(ANN, BOB, now + timedelta(seconds=5))
    release_due(["dating"], now=after_the_wait(now))
    assert counted(n[BOB]) == 1
    assert ledger_differences(after_the_wait(now)) == []


def test_a_late_impression_is_counted_again_whatever_the_cap_says_and_reported(
    n: dict[str, int], now: datetime
) -> None:
    delivery = show(n[ANN], [n[BOB]], now, cap=1)
    release_due(["dating"], now=after_the_wait(now))
    show(n[CAT], [n[BOB]], now, cap=1)
    see(ANN, BOB, after_the_wait(now), delivery)
    assert counted(n[BOB]) == 2
    assert writing_client().hget(LATE, "dating") == b"1"
    assert grant(order(n[DAN], [n[BOB]], now, cap=2)) == []
    assert ledger_differences(now + timedelta(seconds=HOLD - 1)) == []


def test_an_impression_told_twice_counts_once_before_and_after_the_release(
    n: dict[str, int], now: datetime
) -> None:
    seen, late = show(n[ANN], [n[BOB]], now), show(n[CAT], [n[BOB]], now)
    told = [
        Impression("dating", n[ANN], n[BOB], seen, now.timestamp(), now.timestamp()),
        Impression("dating", n[CAT], n[BOB], late, now.timestamp(), now.timestamp()),
    ]
    confirm(writing_client(), told[:1])
    release_due(["dating"], now=after_the_wait(now))
    for _ in range(3):
        confirm(writing_client(), told)
    assert counted(n[BOB]) == 2


def test_impressions_and_releases_may_race(n: dict[str, int], now: datetime) -> None:
    viewers = list(range(1000, 1200))
    deliveries = {viewer: show(viewer, [n[BOB]], now) for viewer in viewers}

    def told(viewer: int) -> None:
        moment = now.timestamp()
        one = Impression("dating", viewer, n[BOB], deliveries[viewer], moment, moment)
        confirm(background_client(), [one])

    with ThreadPoolExecutor(8) as pool:
        releases = [pool.submit(release_due, ["dating"], now=after_the_wait(now)) for _ in range(4)]
        list(pool.map(told, viewers[::2]))
        for release in releases:
            release.result()
    assert counted(n[BOB]) == len(viewers) // 2


def test_nothing_is_released_while_valkey_is_not_believed(n: dict[str, int], now: datetime) -> None:
    show(n[ANN], [n[BOB]], now)
    online.mark_missed("an impression")
    assert release_due(["dating"], now=after_the_wait(now)) == 0


def test_who_got_an_exposure_back_is_no_longer_left_out_before_ranking(
    n: dict[str, int], now: datetime
) -> None:
    show(n[ANN], [n[BOB]], now, cap=1)
    assert grant(order(n[CAT], [n[BOB]], now, cap=1)) == []
    assert writing_client().zcard(online.capped_key("dating")) == 1
    release_due(["dating"], now=after_the_wait(now))
    assert writing_client().zcard(online.capped_key("dating")) == 0
    assert grant(order(n[CAT], [n[BOB]], after_the_wait(now), cap=1)) == [n[BOB]]


@pytest.mark.parametrize("seed", range(4))
def test_counters_equal_postgres_and_a_rebuild_changes_none(
    n: dict[str, int], now: datetime, seed: int
) -> None:
    """Random lists, impressions with and without a delivery, releases, losses of Valkey, in any order."""
    chance, numbers = random.Random(seed), [n[name] for name in (ANN, BOB, CAT, DAN)]
    names = {number: name for name, number in n.items()}
    shown: list[tuple[int, int, UUID]] = []
    start = now - timedelta(hours=20)
    for step in range(120):
        moment = start + timedelta(minutes=10 * step)
        act = chance.choice(["show", "show", "see", "see", "release", "lose"])
        if act == "show":
            viewer, candidate = chance.sample(numbers, 2)
            one = order(viewer, [candidate], moment, hold=chance.choice([0, 600, HOLD, 4 * 3600]), cap=6)
            shown += [(viewer, candidate, one.delivery)] * len(grant(one))
        elif act == "see" and shown:
            viewer, candidate, delivery = chance.choice(shown)
            see(names[viewer], names[candidate], moment, chance.choice([delivery, None]))
        elif act == "release":
            assert ledger_differences(moment) == []
        elif act == "lose" and chance.random() < 0.2:
            background_client().flushdb()
            with time_machine.travel(moment):
                assert rebuild.rebuild()
    assert ledger_differences(now) == []
    before = background_client().hgetall(online.counters_key("dating"))
    assert rebuild.rebuild()
    after = background_client().hgetall(online.counters_key("dating"))
    assert {k: sorted(v) for k, v in after.items()} == {k: sorted(v) for k, v in before.items()}  # type: ignore[union-attr]
