"""What may die while members are served: the worker inside a refresh, and Postgres under the events."""

from __future__ import annotations

import os
import signal
import time

import pytest

from tests.faults.checker import wrongs
from tests.faults.site import Site, wait_until
from tests.faults.traffic import Traffic

pytestmark = [pytest.mark.faults, pytest.mark.slow]


def step_of(site: Site, key: str) -> str:
    rows = site.query("SELECT step FROM refresh_refreshjob WHERE key = %s AND status = 'running'", key)
    return str(rows[0][0]) if rows else ""


def unfinished(site: Site) -> list[str]:
    return [path.name for path in site.snapshots.iterdir() if path.name.startswith(".")]


def test_a_worker_killed_inside_a_refresh_leaves_the_old_snapshot_serving(shared_site: Site) -> None:
    site = shared_site
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


def test_postgres_killed_under_events_loses_no_acknowledged_one_and_stores_none_twice(
    shared_site: Site,
) -> None:
    with Traffic(shared_site, posters=4, askers=0) as traffic:
        for _ in range(2):
            traffic.wait_for_events(300)
            shared_site.servers.restart_postgres(kill=True)
        traffic.wait_for_events(300)
    assert wrongs(traffic) == []
    assert traffic.put_off > 0, "Postgres was never away: the test shows nothing"


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
