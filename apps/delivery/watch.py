"""What this web process and the stores say of themselves, as gauges, beside the requests.

Three threads, since each may hang with its friend: the process's own world every second, each store every
five. When a store last told anything is told by `raya_recs_watched_timestamp_seconds`.
"""

from __future__ import annotations

import logging
import os
import resource
import shutil
import threading
import time
from collections.abc import Callable

import redis
from django.conf import settings
from django.db import DatabaseError, connection

from apps.common import metrics
from apps.common.breaker import State
from apps.common.valkey import valkey
from apps.delivery.facts import postgres_facts, valkey_facts
from apps.delivery.runtime import Runtime, runtime
from apps.delivery.sources import sources
from apps.delivery.truth import postgres

log = logging.getLogger(__name__)
WORLD_SECONDS = 1.0
STORE_SECONDS = 5.0
PAGE = resource.getpagesize()


def start() -> None:
    """Watches from now on, for as long as this process lives."""
    here = runtime()
    for name, look, seconds in (
        ("world", lambda: watch_world(here), WORLD_SECONDS),
        ("valkey", watch_valkey, STORE_SECONDS),
        ("postgres", lambda: watch_postgres(here), STORE_SECONDS),
    ):
        threading.Thread(target=_keep, args=(look, seconds), name=f"watch-{name}", daemon=True).start()


def watch_world(here: Runtime) -> None:
    """Asks nobody."""
    world = here.world
    metrics.POSTGRES_UP.set(world.truth_here)
    metrics.VALKEY_UP.set(world.valkey_here)
    metrics.BELIEVED.set(world.belief.trusted and world.lease_is_fresh())
    metrics.READY.set(world.snapshot is not None and world.live is not None)
    if world.live is not None:
        metrics.RELEASE.set(world.live.stable_number)
        metrics.CANDIDATE_PERCENT.set(world.live.percentage if world.live.candidate_number else 0)
    if world.snapshot is not None:
        metrics.SNAPSHOT_AGE.set(max(time.time() - world.snapshot.created_at, 0))
    for friend in (valkey, postgres):
        metrics.BREAKER_OPEN.labels(friend.name.lower()).set(not friend.is_there)
        metrics.BREAKER_OPENED.labels(friend.name.lower()).set(friend.opened)
    for surface, source, friend in sources.states():
        for state in State:
            metrics.SOURCE_STATE.labels(surface, source, state).set(friend.state is state)
        metrics.SOURCE_OPENED.labels(surface, source).set(friend.opened)
    metrics.PROCESSES.set(1)
    metrics.PROCESS_CPU.set(time.process_time())
    metrics.PROCESS_MEMORY.set(_resident_bytes())
    metrics.CPUS.set(os.cpu_count() or 1)


def watch_valkey() -> None:
    try:
        found = valkey_facts()
    except redis.RedisError:
        return
    metrics.STREAM.set(found.stream)
    metrics.COPIER_LAG.set(found.copier_lag_seconds)
    metrics.SET_ASIDE.set(found.set_aside)
    metrics.VALKEY_MEMORY.set(found.memory_ratio)
    metrics.CAPS_OVERSHOT.set(found.caps_overshot)
    metrics.CAPS_CHECKED_AT.set(found.caps_checked_at)
    metrics.WATCHED_AT.labels("valkey").set(time.time())


def watch_postgres(here: Runtime) -> None:
    metrics.DISK_FREE.set(shutil.disk_usage(_there()).free)
    try:
        found = postgres_facts(here.world.overlay.position)
    except DatabaseError:
        connection.close()
        return
    metrics.GENERATION.set(found.generation)
    metrics.UNAPPROVED.set(found.unapproved)
    metrics.EMERGENCIES.set(found.emergencies)
    metrics.REFRESH_AGE.set(found.refresh_age_seconds)
    metrics.OVERLAY_LAG.set(found.overlay_lag_seconds)
    metrics.UNTOLD.set(found.untold_seconds)
    metrics.CONNECTIONS.set(found.connections_ratio)
    metrics.WATCHED_AT.labels("postgres").set(time.time())


def _keep(look: Callable[[], None], seconds: float) -> None:
    while True:
        try:
            look()
        except Exception:  # what can't be watched now is watched next time
            log.exception("A look at what is watched failed")
        time.sleep(seconds)


def _resident_bytes() -> int:
    try:
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * PAGE
    except OSError:  # not Linux: the most it ever had
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _there() -> str:
    folder = settings.SNAPSHOT_DIR
    return str(next(path for path in (folder, *folder.parents) if path.exists()))
