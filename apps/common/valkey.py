"""Connections to Valkey: impatient for the serve path, firm for writes, patient for the rest.

The serve path never waits for a slow friend: `ask` has one short deadline, no retries, and a breaker. Every
new connection asks which server it reached, so that a restarted one is noticed before it is believed.
"""

from __future__ import annotations

import os
import threading
from functools import cache
from typing import Any

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from apps.common.breaker import Friend
from apps.common.resp import Line

SERVE_TIMEOUT_SECONDS = settings.VALKEY_WAIT_MS / 1000
REST_SECONDS = 2.0  # after which a request tries a friend who is away; the background does so much sooner
PROBE_SECONDS = 0.2
_reached: dict[str, str] = {}
_lines = threading.local()

valkey = Friend("Valkey")


class ValkeyRests(redis.ConnectionError):
    """Valkey failed a moment ago and is not asked now."""


def ask(*words: Any, seconds: float = SERVE_TIMEOUT_SECONDS, rest: float = REST_SECONDS) -> Any:
    """One command and its answer within `seconds`, on this thread's own connection. Raises RedisError."""
    if not valkey.may_be_asked(rest):
        raise ValkeyRests("Valkey does not answer")
    try:
        answer = _line().ask(words, seconds)
    except (redis.ConnectionError, redis.TimeoutError):
        _lines.held = None
        valkey.failed()
        raise
    valkey.answered()
    if isinstance(answer, redis.ResponseError):
        raise answer
    return answer


def probe() -> None:
    """Asks even while the breaker is open; so the background closes it again. Raises RedisError."""
    ask("PING", rest=PROBE_SECONDS)


@cache
def polling_client() -> redis.Redis:
    """For a background thread that must not fall behind: 250 ms time-outs, no retries."""
    return _client(0.25, 0.25)


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


def _line() -> Line:
    """This thread's line; another one when there is none, it came through a fork, or the server hung up."""
    held = getattr(_lines, "held", None)
    if held is not None:
        pid, line = held
        if pid == os.getpid() and line.is_quiet():
            return line  # type: ignore[no-any-return]
    opened = _opened()
    opened.connect()
    line = Line(opened)
    _lines.held = (os.getpid(), line)
    return line


def _opened() -> Any:
    """A connection outside its pool, which counts those it makes and refuses after a hundred lost ones."""
    pool = _serving_client().connection_pool
    return pool.connection_class(**pool.connection_kwargs)


@cache
def _serving_client() -> redis.Redis:
    return _client(SERVE_TIMEOUT_SECONDS, SERVE_TIMEOUT_SECONDS)


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
