"""Questions to a Postgres that hangs: nobody waits for it, and no thread is lost to it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial

import pytest
from django.db import connection

from apps.common.breaker import State
from apps.delivery import truth
from raya_recs.embedded import EmbeddedServers
from tests.frozen import frozen


def one() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        return int(cursor.fetchone()[0])


@pytest.mark.django_db(transaction=True)
def test_questions_to_a_hung_postgres_are_cut_off_and_their_threads_are_free_again(
    servers: EmbeddedServers,
) -> None:
    all_connected = threading.Barrier(truth.THREADS)
    with ThreadPoolExecutor(truth.THREADS) as askers:
        ask = partial(truth.ask, lambda: (one(), all_connected.wait(10)), seconds=10)
        list(askers.map(lambda _: ask(), range(truth.THREADS)))
    with frozen(servers.postgres_pid):
        for _ in range(truth.THREADS):
            with pytest.raises(truth.TruthAway):
                truth.ask(one, seconds=0.05, rest=0.0)
        free = truth._pool().threads.submit(int)
        wait([free], timeout=10)
        is_free = free.done()
    assert is_free
    assert truth.ask(one, seconds=5, rest=0.0) == 1
    assert truth.postgres.is_there


@pytest.mark.django_db(transaction=True)
def test_after_three_failures_requests_ask_no_more_until_the_background_was_answered(
    servers: EmbeddedServers,
) -> None:
    asked: list[int] = []

    def question() -> int:
        asked.append(1)
        return one()

    truth.ask(question)
    with frozen(servers.postgres_pid):
        for _ in range(10):
            with pytest.raises(truth.TruthAway):
                truth.ask(question, seconds=0.02)
        assert truth.postgres.state is State.OPEN
    assert len(asked) <= 1 + 3
    with pytest.raises(truth.TruthAway):
        truth.ask(question)
    assert truth.ask(one, seconds=5, rest=0.0) == 1
    assert truth.ask(question) == 1


@pytest.mark.django_db(transaction=True)
def test_a_mistake_in_a_question_is_the_askers_and_does_not_close_the_door(servers: EmbeddedServers) -> None:
    def broken() -> int:
        raise ValueError("not about Postgres")

    for _ in range(5):
        with pytest.raises(ValueError, match="not about Postgres"):
            truth.ask(broken)
    assert truth.ask(one) == 1
