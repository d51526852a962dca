"""Connections to Valkey. Two kinds: a patient one for background work, an impatient one for the serve path.

The serve path never waits for a slow friend: short explicit time-outs and no library retries.
"""

from __future__ import annotations

from functools import cache

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

SERVE_TIMEOUT_SECONDS = 0.05


@cache
def serving_client() -> redis.Redis:
    """One per process; 50 ms time-outs, no retries."""
    return redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=SERVE_TIMEOUT_SECONDS,
        socket_connect_timeout=SERVE_TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),
        retry_on_timeout=False,
    )


@cache
def background_client() -> redis.Redis:
    """For tasks and commands: 5 s time-outs, no silent retries (callers decide)."""
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=5, socket_connect_timeout=2, retry=Retry(NoBackoff(), 0)
    )
