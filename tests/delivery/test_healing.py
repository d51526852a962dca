"""Beat mends the online state by itself; a web process leaves it a second, then does it itself."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from celery.signals import beat_init
from django.db import OperationalError, connection

from apps.common import online
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
