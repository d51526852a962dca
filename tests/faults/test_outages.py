"""A store hangs, dies or forgets while members ask for lists: all are answered, nobody blocked is shown."""

from __future__ import annotations

import time
from collections import Counter

import pytest
import redis

from tests.faults.breaking import outage
from tests.faults.checker import wrongs
from tests.faults.site import Site, wait_until
from tests.faults.traffic import Traffic

pytestmark = [pytest.mark.faults, pytest.mark.slow]

LEAST_SECONDS = 20.0
DETECTION_SECONDS = 1.0
IN_FLIGHT_SECONDS = 0.5


@pytest.mark.parametrize(
    ("name", "friend", "missing"),
    [
        ("Postgres hangs", "postgres", "truth_unavailable"),
        ("Postgres is killed", "postgres", "truth_unavailable"),
        ("Valkey hangs", "valkey", "valkey_unavailable"),
        ("Valkey is killed", "valkey", "valkey_unavailable"),
    ],
)
def test_everybody_is_answered_while_a_store_is_away(
    shared_site: Site, request: pytest.FixtureRequest, name: str, friend: str, missing: str
) -> None:
    site, answers = shared_site, request.config.getoption("answers")
    with Traffic(site, posters=1) as traffic:
        traffic.block("w0", "m0")
        traffic.hide("w1")
        traffic.wait_for_answers(100)
        began = time.monotonic()
        with outage(site, name):
            time.sleep(DETECTION_SECONDS)
            traffic.wait_for_answers(answers, seconds=60 + answers / 20)
            time.sleep(max(0.0, began + LEAST_SECONDS - time.monotonic()) + IN_FLIGHT_SECONDS)
            opened, ended = site.breakers()[friend], time.monotonic()
        returned = time.monotonic()
        wait_until(site.is_well, "recovery", 30)
        recovered = time.monotonic() - returned
    during = traffic.since(began + DETECTION_SECONDS, ended - IN_FLIGHT_SECONDS)
    took = sorted(answer.seconds for answer in during)
    fill = sum(len(answer.shown) for answer in during) / len(during)
    p99 = took[int(0.99 * (len(took) - 1))]
    print(
        f"{name}: {len(during)} answers, so below {3 / len(during):.1e} unanswered with 95 % confidence; "
        f"p99 {p99 * 1000:.0f} ms, fill {fill:.3f}, well again after {recovered:.1f} s"
    )
    assert len(during) >= answers
    assert opened in ("open", "half_open"), "the breaker never opened: the test shows nothing"
    assert fill > 0.9, "lists were empty: the test shows nothing"
    assert Counter(answer.status for answer in traffic.answers) == {200: len(traffic.answers)}
    said = Counter(tuple(answer.body["degraded"]) for answer in during)
    assert () not in said, "somebody was not told what is missing"
    assert said[(missing,)] > 0.99 * len(during), said  # a slow machine may lose the other store for 50 ms
    assert wrongs(traffic) == []


def test_a_flush_and_a_full_memory_cost_no_answer(shared_site: Site) -> None:
    site = shared_site
    client = redis.Redis.from_url(site.servers.redis_url)
    with Traffic(site, posters=1) as traffic:
        traffic.wait_for_answers(100)
        client.flushall()
        wait_until(site.is_well, "recovery from a flush", 30)
        client.config_set("maxmemory", "1mb")
        traffic.wait_for_answers(200)
        with pytest.raises(redis.exceptions.OutOfMemoryError):
            client.set("full", "x")
        client.config_set("maxmemory", "0")
        wait_until(site.is_well, "recovery from a full memory", 30)
        traffic.wait_for_events(100)
    assert Counter(answer.status for answer in traffic.answers) == {200: len(traffic.answers)}
    said = Counter(reason for answer in traffic.answers for reason in answer.body["degraded"])
    expected = said.pop("ledger_unavailable", 0) + said.pop("valkey_unavailable", 0)
    assert expected > 0, "nothing was missing: the test shows nothing"
    assert said.total() < 0.01 * len(traffic.answers), said  # a slow machine may lose the other store, too
    assert wrongs(traffic) == []
