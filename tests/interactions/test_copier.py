"""The delivery stream arrives in Postgres once, whoever copies it and wherever a copier dies."""

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
from django.db import connection

from apps.common import clock, online
from apps.common.valkey import background_client
from apps.interactions import copier
from apps.interactions.copier import copy_all, copy_deliveries
from apps.interactions.grants import grant_file
from apps.interactions.models import Delivery
from apps.surfaces.services import ensure_first_surfaces
from tests.interactions.grants import believe, grant, order

GRANTS = 300


@pytest.fixture
def granted(transactional_db: None) -> Iterator[set[UUID]]:
    """The ids of deliveries that wait in the stream."""
    ensure_first_surfaces()
    believe()
    now = clock.now()
    orders = [order(viewer, [11, 12], now) for viewer in range(1, GRANTS + 1)]
    for one in orders:
        grant(one)
    yield {one.delivery for one in orders}
    grant_file().close()


def stored() -> list[UUID]:
    return list(Delivery.objects.values_list("id", flat=True))


def waiting() -> int:
    return int(background_client().xlen(online.STREAM))


def test_two_copiers_at_once_store_each_delivery_once_and_lose_none(granted: set[UUID]) -> None:
    def copy(_: int) -> int:
        try:
            total = 0
            while copied := copy_deliveries(limit=7):
                total += copied
            return total
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        read = list(pool.map(copy, range(2)))
    assert min(read) > 0, "one of them read nothing: the test shows nothing"
    assert sum(read) >= GRANTS
    assert (len(stored()), set(stored()), waiting()) == (GRANTS, granted, 0)
    assert background_client().xlen(online.BAD_STREAM) == 0


@pytest.mark.parametrize(
    ("step", "rows"), [("store", 0), ("_trim", GRANTS)], ids=["before the commit", "before the trim"]
)
def test_a_copier_that_is_killed_leaves_everything_to_the_next(
    granted: set[UUID], monkeypatch: pytest.MonkeyPatch, step: str, rows: int
) -> None:
    killed = in_a_child(lambda: monkeypatch.setattr(copier, step, lambda *_: os.kill(os.getpid(), 9)))
    assert killed == signal.SIGKILL
    assert (len(stored()), waiting()) == (rows, GRANTS)
    copy_all()
    assert (len(stored()), set(stored()), waiting()) == (GRANTS, granted, 0)


def in_a_child(arrange: Callable[[], object]) -> int:
    """The signal that ended a process of its own which copies, once it is arranged."""
    connection.close()  # a child must not speak on it
    child = os.fork()
    if not child:
        try:
            arrange()
            copy_deliveries()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) * -1
