"""By option: the network between any two of our processes is slow, or leads nowhere for a while."""

from __future__ import annotations

import copy
import time
from collections import Counter

import pytest

from tests.faults.checker import wrongs
from tests.faults.proxy import Wire
from tests.faults.site import Site, wait_until
from tests.faults.traffic import Traffic

pytestmark = [
    pytest.mark.faults,
    pytest.mark.slow,
    pytest.mark.rare,
]

SECONDS = 6.0
SLOW_SECONDS = 0.3  # on each way: more than any question to a store may take
MISSING = {"postgres": "truth_unavailable", "valkey": "valkey_unavailable"}


@pytest.mark.parametrize("how", ["slow", "cut"])
@pytest.mark.parametrize("friend", ["postgres", "valkey"])
def test_lists_are_answered_and_nothing_acknowledged_is_lost_over_a_bad_wire_to_a_store(
    capped_site: Site, friend: str, how: str
) -> None:
    site = capped_site
    variable = {"postgres": "DATABASE_URL", "valkey": "REDIS_URL"}[friend]
    address = {"postgres": site.servers.database_url, "valkey": site.servers.redis_url}[friend]
    with Wire(address) as wire, site.another_web(**{variable: wire.url}):
        wait_until(site.is_well, "a well site", 30)
        with Traffic(site, posters=1, askers=4, limit=5) as traffic:
            traffic.block("w0", "m0")
            traffic.hide("w1")
            traffic.wait_for_answers(50)
            began = time.monotonic()
            wire.slow, wire.is_cut = (SLOW_SECONDS, False) if how == "slow" else (0.0, True)
            wait_until(lambda: site.breakers()[friend] != "closed", "an open breaker", 20)
            time.sleep(SECONDS)
            ended = time.monotonic()
            wire.slow, wire.is_cut = 0.0, False
            wait_until(site.is_well, "recovery", 60)
            recovered = time.monotonic() - ended
            traffic.wait_for_events(20)
            traffic.wait_for_answers(20)
        during = traffic.since(began + 2.0, ended - 0.5)
        took = sorted(answer.seconds for answer in during)
        said = Counter(reason for answer in during for reason in answer.body.get("degraded", ()))
        print(
            f"{friend} {how}: {len(during)} answers, p99 {1000 * took[int(0.99 * len(took))]:.0f} ms, "
            f"{dict(said)}, {wire.hindered} pieces hindered, well again after {recovered:.1f} s"
        )
        assert wire.hindered > 0, "nothing was held up: the test shows nothing"
        assert {answer.status for answer in during} == {200}
        assert said[MISSING[friend]] > 0.5 * len(during), said
        assert wrongs(traffic, cap=site.cap) == []


@pytest.mark.parametrize("how", ["slow", "cut"])
def test_work_is_done_once_and_in_the_end_over_a_bad_wire_between_worker_and_broker(
    capped_site: Site, how: str
) -> None:
    site, key = copy.copy(capped_site), f"over a wire: {how}"
    broker = site.servers.redis_url.rsplit("/", 1)[0] + "/1"
    with Wire(broker) as wire:
        site.env = site.env | {"CELERY_BROKER": wire.url}
        worker = site.start_worker()
        site.env = capped_site.env
        try:
            wire.slow, wire.is_cut = (SLOW_SECONDS, False) if how == "slow" else (0.0, True)
            with Traffic(site, posters=1, askers=2) as traffic:
                site.wake_refresh(key)
                if how == "cut":
                    time.sleep(SECONDS)
                    assert job(site, key) == [], "the task came through"
                    wire.is_cut = False
                wait_until(lambda: job(site, key) == [("done", 1)], "the refresh", 120, pause=0.2)
                traffic.wait_for_answers(20)
        finally:
            site.children.stop(worker)
        assert wire.hindered > 0, "nothing was held up: the test shows nothing"
    assert {answer.status for answer in traffic.answers} == {200}
    assert wrongs(traffic, cap=capped_site.cap) == []


def job(site: Site, key: str) -> list[tuple[str, int]]:
    rows = site.query("SELECT status, attempts FROM refresh_refreshjob WHERE key = %s", key)
    return [(status, attempts) for status, attempts in rows]
