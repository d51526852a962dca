"""A store hangs, dies or forgets while members ask for lists: all are answered, nobody blocked is shown."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import redis
import requests

from tests.faults.site import EACH, Site, event, wait_until
from tests.frozen import freeze, thaw

pytestmark = [pytest.mark.faults, pytest.mark.slow]

OUTAGE_SECONDS = 4.0
DETECTION_SECONDS = 1.0
BLOCKED = ("w0", "m0")
UNCAPPED = """
from apps.releases import services
draft = services.start_revision(actor=None)
draft = services.edit_revision(draft, draft.version, {"dating.daily_cap": 0, "dating.hourly_cap": 0})
services.publish_revision(draft, actor=None, note="no cap, so that lists stay full")
"""


class Asker(threading.Thread):
    """Asks for one list after the other and keeps what it was answered."""

    def __init__(self, site: Site, first: int) -> None:
        super().__init__(daemon=True)
        self.site, self.turn = site, first
        self.done = threading.Event()
        self.seen: list[tuple[float, float, int, dict[str, Any]]] = []  # asked at, took, status, answer

    def run(self) -> None:
        session = requests.Session()
        session.headers.update(self.site._headers())
        while not self.done.is_set():
            member = f"{'wm'[self.turn % 2]}{self.turn % EACH}"
            self.turn += 1
            path = f"/api/v1/recommendations?surface=dating&member={member}&limit=1"
            asked_at = time.monotonic()
            try:
                response = session.get(self.site.address + path, timeout=10)
                status, answer = response.status_code, response.json()
            except requests.RequestException as error:
                status, answer = 0, {"error": repr(error)}
            self.seen.append((asked_at, time.monotonic() - asked_at, status, answer | {"viewer": member}))
            self.done.wait(0.01)


@contextmanager
def asking(site: Site) -> Iterator[list[Asker]]:
    askers = [Asker(site, first) for first in (0, 11, 22, 33)]
    for asker in askers:
        asker.start()
    try:
        yield askers
    finally:
        for asker in askers:
            asker.done.set()
        for asker in askers:
            asker.join(15)


def breakers(site: Site) -> dict[str, str]:
    said: dict[str, str] = requests.get(f"{site.address}/health/ready", timeout=5).json()["breakers"]
    return said


def is_well(site: Site) -> bool:
    return bool(site.list("w1")["degraded"] == [])


@contextmanager
def hung(pid: int) -> Iterator[None]:
    family = freeze(pid)
    try:
        yield
    finally:
        thaw(family)


@contextmanager
def killed(stop: Callable[..., None], start: Callable[[], None]) -> Iterator[None]:
    stop(kill=True)
    try:
        yield
    finally:
        start()


def outage(site: Site, name: str) -> Any:
    servers = site.servers
    return {
        "Postgres hangs": lambda: hung(servers.postgres_pid),
        "Postgres is killed": lambda: killed(servers.stop_postgres, servers.start_postgres),
        "Valkey hangs": lambda: hung(servers.valkey_pid),
        "Valkey is killed": lambda: killed(servers.stop_valkey, servers.start_valkey),
    }[name]()


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
    site: Site, name: str, friend: str, missing: str
) -> None:
    site.manage("shell", "--no-imports", "-c", UNCAPPED)
    site.manage("refresh")
    wait_until(lambda: is_well(site) and site.list("w1")["release"] == 2, "a well site", 30)
    acknowledged = site.post("/events", [event("block", *BLOCKED) | {"surface": None}])
    assert acknowledged.json()["results"][0]["status"] == "accepted", acknowledged.text
    with asking(site) as askers:
        time.sleep(1)
        began = time.monotonic()
        with outage(site, name):
            time.sleep(OUTAGE_SECONDS)
            opened = breakers(site)[friend]
            ended = time.monotonic()
        wait_until(lambda: is_well(site), "recovery", 30)
        recovered = time.monotonic() - ended
    seen = [one for asker in askers for one in asker.seen]
    during = [one for one in seen if began + DETECTION_SECONDS < one[0] < ended - 0.5]
    took = sorted(one[1] for one in during)
    shown = sum(len(one[3]["items"]) for one in during if one[2] == 200)
    print(
        f"{name}: {len(during)} answers, p99 {took[int(0.99 * (len(took) - 1))] * 1000:.0f} ms, "
        f"fill {shown / len(during):.2f}, well again after {recovered:.1f} s"
    )
    assert opened in ("open", "half_open"), "the breaker never opened: the test shows nothing"
    assert len(during) > 50, "no traffic flowed: the test shows nothing"
    assert shown > len(during) / 2, "lists were empty: the test shows nothing"
    assert Counter(one[2] for one in seen) == {200: len(seen)}
    assert {tuple(one[3]["degraded"]) for one in during} == {(missing,)}
    for _, _, _, answer in seen:
        ids = [item["id"] for item in answer["items"]]
        assert len(ids) == len(set(ids))
        assert answer["viewer"] not in ids
        assert not {answer["viewer"], *ids} >= set(BLOCKED)


def test_a_flush_and_a_full_memory_cost_no_answer(site: Site) -> None:
    site.manage("refresh")
    wait_until(lambda: is_well(site), "a well site", 30)
    client = redis.Redis.from_url(site.servers.redis_url)
    with asking(site) as askers:
        time.sleep(1)
        client.flushall()
        wait_until(lambda: is_well(site), "recovery from a flush", 30)
        client.config_set("maxmemory", "1mb")
        time.sleep(2)
        with pytest.raises(redis.exceptions.OutOfMemoryError):
            client.set("full", "x")
        client.config_set("maxmemory", "0")
        wait_until(lambda: is_well(site), "recovery from a full memory", 30)
    seen = [one for asker in askers for one in asker.seen]
    assert Counter(one[2] for one in seen) == {200: len(seen)}
    missing = {reason for one in seen for reason in one[3]["degraded"]}
    assert missing & {"ledger_unavailable", "valkey_unavailable"}, (
        "nothing was missing: the test shows nothing"
    )
    assert missing <= {"ledger_unavailable", "valkey_unavailable"}
