"""Connections to Valkey: impatient for the serve path, firm for writes, patient for the rest.

The serve path never waits for a slow friend: short explicit time-outs and no library retries. Every new
connection asks which server it reached, so that a restarted one is noticed before it is believed.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

SERVE_TIMEOUT_SECONDS = 0.05
_reached: dict[str, str] = {}


@cache
def serving_client() -> redis.Redis:
    """One per process; 50 ms time-outs, no retries."""
    return _client(SERVE_TIMEOUT_SECONDS, SERVE_TIMEOUT_SECONDS)


@cache
def writing_client() -> redis.Redis:
    """For writes that a caller waits for: 1 s, no silent retries."""
    return _client(1, 0.5)


@cache
def background_client() -> redis.Redis:
    """For tasks and commands: 5 s time-outs, no silent retries (callers decide)."""
    return _client(5, 2)


def reached_run_id() -> str:
    """The run id of the server that this process's newest connection reached; empty before the first."""
    return _reached.get("run_id", "")


def _client(timeout: float, connect_timeout: float) -> redis.Redis:
    return redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=timeout,
        socket_connect_timeout=connect_timeout,
        retry=Retry(NoBackoff(), 0),
        redis_connect_func=_greet,
    )


def _greet(connection: Any) -> None:
    connection.on_connect()
    connection.send_command("INFO", "server")
    answer = connection.read_response()
    text = answer.decode() if isinstance(answer, bytes) else str(answer)
    _reached["run_id"] = next(
        (line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("run_id:")), ""
    )
