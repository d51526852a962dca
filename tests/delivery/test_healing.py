"""Beat mends the online state by itself; a web process leaves it a second, then does it itself."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import redis
from celery.signals import beat_init
from django.db import DatabaseError, IntegrityError, OperationalError, connection

from apps.common import online
from apps.common.logs import JsonFormatter
from apps.common.valkey import background_client
from apps.delivery import runtime as runtimes
from apps.delivery.runtime import HEAL_SECONDS, Runtime
from apps.interactions import healing, rebuild
from tests.journeys.town import wait_until


@contextmanager
def beat() -> Iterator[None]:
    """Mends in the background, as the process does."""
    stop = threading.Event()

    def keep() -> None:
        try:
            healing.keep_whole(stop)
        finally:
            connection.close()

    thread = threading.Thread(target=keep)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(30)
    assert not thread.is_alive()


def is_whole() -> bool:
    belief = online.current_belief()
    return belief.trusted and belief.generation == online.marker(background_client())


def test_beat_fills_an_emptied_server(serving: Runtime) -> None:
    runtimes.stop()  # no web process is there to do it
    background_client().flushdb()
    assert not is_whole()
    with beat():
        wait_until(is_whole, "a whole online state")


def test_beat_goes_on_after_a_look_that_failed(serving: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    runtimes.stop()
    background_client().delete(online.MARKER)
    errors = [OperationalError("away"), OperationalError("away"), RuntimeError("nobody thought of this")]

    def looks() -> bool:
        if errors:
            raise errors.pop()
        return rebuild.rebuild_when_needed()

    monkeypatch.setattr(healing, "rebuild_when_needed", looks)
    with beat():
        wait_until(is_whole, "a whole online state")
    assert not errors


def test_the_process_of_beat_begins_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    began = threading.Event()
    monkeypatch.setattr(healing, "keep_whole", lambda _: began.set())
    beat_init.send(sender=None)
    assert began.wait(10)


def test_a_web_process_leaves_the_first_second_to_beat(
    serving: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = []

    def mend(*, wait: bool = False) -> bool:
        began.append(time.monotonic())
        return False

    monkeypatch.setattr(rebuild, "rebuild_when_needed", mend)
    noticed = time.monotonic()
    background_client().delete(online.MARKER)
    wait_until(lambda: bool(began), "that it began")
    assert began[0] - noticed > HEAL_SECONDS
    monkeypatch.undo()
    wait_until(is_whole, "a whole online state")  # by the same process: beat did nothing


SECRET = "Zephyrine, 12 Canary Row"


def fails_with(error: Exception) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> Any:
        raise error

    return fail


def told(caplog: pytest.LogCaptureFixture) -> str:
    return "".join(JsonFormatter().format(record) for record in caplog.records)


def test_beat_says_what_failed_and_quotes_no_row(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stop = threading.Event()
    monkeypatch.setattr(healing, "LOOK_SECONDS", 0.0)
    fail = fails_with(IntegrityError(f"Failing row contains ({SECRET})"))
    monkeypatch.setattr(healing, "rebuild_when_needed", lambda: (stop.set(), fail()))
    monkeypatch.setattr(healing, "connection", SimpleNamespace(close=lambda: None))
    healing.keep_whole(stop)
    assert "IntegrityError" in told(caplog)
    assert SECRET not in told(caplog)


@pytest.mark.parametrize("poll", ["_poll_postgres", "_poll_valkey", "_rebuild"])
def test_a_web_process_says_what_failed_and_quotes_no_row(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, poll: str
) -> None:
    runtime, error = Runtime(), redis.ResponseError(SECRET)
    monkeypatch.setattr(runtime, "_renew_belief", fails_with(DatabaseError(SECRET)))
    monkeypatch.setattr(runtimes, "connection", SimpleNamespace(close=lambda: None, in_atomic_block=False))
    monkeypatch.setattr(runtimes.valkey, "probe", fails_with(error))
    monkeypatch.setattr(rebuild, "rebuild_when_needed", fails_with(error))
    getattr(runtime, poll)(wait=True)
    assert "Error" in told(caplog)
    assert SECRET not in told(caplog)
