"""What may die while members are served: the worker inside a refresh, and Postgres under the events."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from typing import Any
from uuid import UUID

import pytest
import requests

from tests.faults.site import EACH, Site, event, wait_until

pytestmark = [pytest.mark.faults, pytest.mark.slow]


def step_of(site: Site, key: str) -> str:
    rows = site.query("SELECT step FROM refresh_refreshjob WHERE key = %s AND status = 'running'", key)
    return str(rows[0][0]) if rows else ""


def unfinished(site: Site) -> list[str]:
    return [path.name for path in site.snapshots.iterdir() if path.name.startswith(".")]


def test_a_worker_killed_inside_a_refresh_leaves_the_old_snapshot_serving(site: Site) -> None:
    site.manage("refresh")
    wait_until(lambda: bool(site.list("w0")["items"]), "a first list", 30)
    old = site.list("w0")["snapshot"]
    worker = site.start_worker()
    site.wake_refresh("to be killed")
    wait_until(lambda: step_of(site, "to be killed") not in ("", "clearing up"), "the refresh", 60)
    os.killpg(worker.pid, signal.SIGKILL)
    # What the API says is not enough: the row must show that the refresh was really cut off.
    assert site.query("SELECT status FROM refresh_refreshjob WHERE key = 'to be killed'") == [("running",)]
    for _ in range(20):
        answer = site.list("w0")
        assert (answer["snapshot"], answer["degraded"]) == (old, [])
        assert answer["items"]
    assert _refresh_when_free(site)
    wait_until(lambda: site.list("w0")["snapshot"] != old, "the new snapshot", 30)
    assert site.list("w0")["items"]
    assert unfinished(site) == []


def test_postgres_killed_under_events_loses_no_acknowledged_one_and_stores_none_twice(site: Site) -> None:
    posters = [Poster(site, seed) for seed in range(4)]
    for poster in posters:
        poster.start()
    for _ in range(2):
        time.sleep(1.5)
        site.crash_postgres()
    time.sleep(1.5)
    for poster in posters:
        poster.done.set()
    for poster in posters:
        poster.join(60)
        assert not poster.is_alive()
    assert [error for poster in posters for error in poster.errors] == []
    acknowledged = {one for poster in posters for one in poster.acknowledged}
    stored = [row[0] for row in site.query("SELECT id FROM interactions_event")]
    keys = [row[0] for row in site.query("SELECT id FROM interactions_eventkey")]
    assert len(stored) == len(set(stored)), "an event is stored twice"
    assert acknowledged - set(stored) == set(), "an acknowledged event is lost"
    assert set(stored) == set(keys) == acknowledged
    assert sum(poster.put_off for poster in posters) > 0, "Postgres was never away: the test shows nothing"
    assert len(acknowledged) > 200


class Poster(threading.Thread):
    """Sends batches, and each again until it is answered, as the member app's back end does."""

    def __init__(self, site: Site, seed: int) -> None:
        super().__init__(daemon=True)
        self.site, self.draw = site, random.Random(seed)
        self.done = threading.Event()
        self.acknowledged: set[UUID] = set()
        self.errors: list[str] = []
        self.put_off = 0

    def run(self) -> None:
        while not self.done.is_set():
            batch = [self._event() for _ in range(10)]
            while not self._sent(batch):
                self.put_off += 1
                time.sleep(0.05)

    def _sent(self, batch: list[dict[str, Any]]) -> bool:
        try:
            response = self.site.post("/events", batch)
        except requests.RequestException:
            return False
        if response.status_code == 503:
            return False
        if response.status_code != 200:
            self.errors.append(response.text)
            return True
        for result in response.json()["results"]:
            if result["status"] == "rejected":
                self.errors.append(str(result))
            self.acknowledged.add(UUID(result["id"]))
        return True

    def _event(self) -> dict[str, Any]:
        kind = self.draw.choice(["like", "pass", "profile_view", "impression"])
        return event(kind, f"w{self.draw.randrange(EACH)}", f"m{self.draw.randrange(EACH)}")


def _refresh_when_free(site: Site) -> bool:
    """The dead worker's lease holds others up for 15 seconds at most."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            site.manage("refresh")
        except RuntimeError:
            time.sleep(1)
        else:
            return True
    return False
