"""Workers, their broker and beat die or are doubled: work is done once, and done in the end."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest
import redis

from raya_recs.processes import Child
from tests.faults.breaking import kill
from tests.faults.checker import wrongs
from tests.faults.site import Site, wait_until
from tests.faults.traffic import Traffic

pytestmark = [pytest.mark.faults, pytest.mark.slow]

MOST_ATTEMPTS = 3
VISIBLE_AGAIN_SECONDS = 3 * 3600 + 60


def test_a_killed_workers_task_is_taken_up_again_by_another(shared_site: Site) -> None:
    site, key, broker = shared_site, "taken up again", broker_of(shared_site)
    broker.flushdb()
    with _worker(site) as worker:
        _start_refresh(site, key)
        os.killpg(worker.pid, signal.SIGKILL)
        worker.process.wait()
    assert _job(site, key)[0] == "running", "the refresh was not cut off: the test shows nothing"
    assert broker.hlen("unacked") == 1, "the broker has forgotten a task that is not done"
    _let_lease_lapse(site, key)
    for tag in broker.zrange("unacked_index", 0, -1):
        broker.zincrby("unacked_index", -VISIBLE_AGAIN_SECONDS, tag)
    with _worker(site):
        wait_until(lambda: _job(site, key) == ("done", 2), "the second attempt", 60)
    assert site.is_well()


def test_a_task_that_kills_its_process_is_given_up_and_the_worker_goes_on(shared_site: Site) -> None:
    site, key = shared_site, "poison"
    with _worker(site) as worker:
        for attempt in range(1, MOST_ATTEMPTS + 1):
            _start_refresh(site, key)
            kill(_busy_child(worker))
            assert _job(site, key) == ("running", attempt)
            _let_lease_lapse(site, key)
        site.wake_refresh(key)
        wait_until(lambda: "RefreshRefused" in worker.output(), "the refusal", 60)
        site.wake_refresh("after the poison")
        wait_until(lambda: _job(site, "after the poison") == ("done", 1), "the task after it", 60)
        assert not worker.ended
    assert _job(site, key) == ("failed", MOST_ATTEMPTS)


def test_an_emptied_broker_and_a_second_beat_cost_no_delivery_and_repeat_no_work(shared_site: Site) -> None:
    site, broker = shared_site, broker_of(shared_site)
    site.query("UPDATE django_celery_beat_periodictask SET last_run_at = now() - interval '1 hour'")
    traffic = Traffic(site, posters=1, askers=2)
    with _worker(site) as worker, _beat(site, "first"), _beat(site, "second"), traffic:
        wait_until(lambda: _ended(worker, "refresh.refresh") > 0, "a refresh that a beat woke", 90)
        emptied = broker.dbsize()
        broker.flushdb()
        before = _copied(site)
        wait_until(lambda: _copied(site) > before, "deliveries that are copied after all", 60, pause=0.2)
    slots = site.query("SELECT key, attempts, status FROM refresh_refreshjob WHERE key LIKE 'every %%'")
    assert emptied > 0, "the broker held nothing: the test shows nothing"
    assert len(traffic.answers) > 20
    assert [(attempts, status) for _, attempts, status in slots] == [(1, "done")] * len(slots)
    assert len(slots) in (1, 2), slots  # a quarter of an hour may end in between
    assert site.query("SELECT count(*) - count(DISTINCT id) FROM interactions_delivery") == [(0,)]
    assert wrongs(traffic) == []


def broker_of(site: Site) -> redis.Redis:
    return redis.Redis.from_url(site.servers.redis_url.rsplit("/", 1)[0] + "/1")


@contextmanager
def _worker(site: Site) -> Iterator[Child]:
    worker = site.start_worker()
    try:
        yield worker
    finally:
        site.children.stop(worker)


@contextmanager
def _beat(site: Site, name: str) -> Iterator[None]:
    beat = site.start_beat(name)
    try:
        yield
    finally:
        assert "Sending due task" in beat.output(), f"the {name} beat woke nobody: the test shows nothing"
        site.children.stop(beat)


def _start_refresh(site: Site, key: str) -> None:
    """Returns while it runs."""
    site.wake_refresh(key)
    wait_until(lambda: _is_inside(site, key), f"the refresh {key}", 60)


def _is_inside(site: Site, key: str) -> bool:
    sql = "SELECT step FROM refresh_refreshjob WHERE key = %s AND status = 'running' AND leased_until > now()"
    return site.query(sql, key) not in ([], [("",)], [("clearing up",)])


def _job(site: Site, key: str) -> tuple[str, int]:
    rows = site.query("SELECT status, attempts FROM refresh_refreshjob WHERE key = %s", key)
    return (rows[0][0], rows[0][1]) if rows else ("", 0)


def _let_lease_lapse(site: Site, key: str) -> None:
    site.query("UPDATE refresh_refreshjob SET leased_until = now() - interval '1 s' WHERE key = %s", key)


def _busy_child(worker: Child) -> psutil.Process:
    """The worker's one process that does its tasks."""
    return psutil.Process(worker.pid).children()[0]


def _ended(worker: Child, task: str) -> int:
    """How often the worker did a task."""
    return len(re.findall(rf"Task {re.escape(task)}\[\S+ succeeded", worker.output()))


def _copied(site: Site) -> int:
    return int(site.query("SELECT count(*) FROM interactions_delivery")[0][0])
