"""Postgres, Valkey and web processes killed in turn under events: nothing acknowledged is lost or doubled.

A web process that dies between a commit and its reply is among them: the batch is sent again, with its ids.
"""

from __future__ import annotations

import time
from collections import Counter

import pytest

from tests.faults.breaking import kill, web_processes
from tests.faults.checker import wrongs
from tests.faults.site import Site, wait_until
from tests.faults.traffic import Traffic

pytestmark = [pytest.mark.faults, pytest.mark.slow]

# A web process takes seconds to come back, a store less than one.
TURNS = ("web", "postgres", "valkey", "postgres", "valkey")
LIVED = 6.0  # seconds: the server takes it for a loop, and ends, when a process dies younger


def test_kills_under_events_lose_no_acknowledged_one_and_store_none_twice(
    shared_site: Site, request: pytest.FixtureRequest
) -> None:
    site, kills = shared_site, request.config.getoption("kills")
    killed: Counter[str] = Counter()
    with Traffic(site, posters=4, askers=1, pause=0.2) as traffic:
        for turn in range(kills):
            traffic.wait_for_events(50)
            name = TURNS[turn % len(TURNS)]
            _kill(site, name)
            killed[name] += 1
    count = len(traffic.acknowledged)
    print(f"{dict(killed)} killed under {count} events: below {3 / count:.1e} lost or doubled with 95 %")
    assert wrongs(traffic) == []
    assert killed.total() == kills
    assert traffic.put_off > 0, "nobody noticed: the test shows nothing"


def _kill(site: Site, name: str) -> None:
    if name == "web":
        wait_until(lambda: len(web_processes(site)) == 2, "two web processes", 60)
        oldest = web_processes(site)[0]
        wait_until(lambda: time.time() - oldest.create_time() > LIVED, "one that has lived a while", 60)
        kill(oldest)
    elif name == "postgres":
        site.servers.restart_postgres(kill=True)
    else:
        site.servers.restart_valkey(kill=True)


def test_one_fault_after_the_other_breaks_no_promise(
    shared_site: Site, request: pytest.FixtureRequest
) -> None:
    end = time.monotonic() + 60 * request.config.getoption("minutes")
    turn = 0
    with Traffic(shared_site, posters=2, askers=2) as traffic:
        while time.monotonic() < end or turn < len(TURNS):
            traffic.wait_for_events(50)
            traffic.wait_for_answers(50)
            _kill(shared_site, TURNS[turn % len(TURNS)])
            turn += 1
    answered = Counter(answer.status for answer in traffic.answers)
    print(f"{turn} faults, {len(traffic.acknowledged)} events, calls for lists by status: {dict(answered)}")
    assert wrongs(traffic) == []
