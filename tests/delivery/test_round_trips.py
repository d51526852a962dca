"""What the warm path costs: no question to Postgres, two round trips to Valkey, one for a repeat's check."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.common.resp import Line
from apps.common.valkey import writing_client
from apps.delivery.runtime import Runtime
from apps.delivery.services import rank, recommend


@contextmanager
def round_trips(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The commands that the serve path sends: one question, one round trip."""
    sent: list[str] = []
    ask = Line.ask

    def counted(self: Line, words: tuple[Any, ...], seconds: float) -> Any:
        sent.append(words[0])
        return ask(self, words, seconds)

    with monkeypatch.context() as patch:
        patch.setattr(Line, "ask", counted)
        yield sent


def test_a_list_takes_no_query_and_two_round_trips(serving: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    serving.stop()  # its own polls are not part of the request
    recommend(surface="dating", member="adam", limit=1)
    serving.poll()
    with CaptureQueriesContext(connection) as queries, round_trips(monkeypatch) as sent:
        answer = recommend(surface="dating", member="adam", limit=2, request_id=uuid4())
    assert len(answer["items"]) == 2
    assert answer["degraded"] == []
    assert [query["sql"] for query in queries.captured_queries] == []
    assert sent == ["MGET", "EVALSHA"]


def test_a_repeat_takes_two_round_trips(serving: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    serving.stop()
    request_id = uuid4()
    for _ in range(2):  # the server knows the script of a repeat, too
        recommend(surface="dating", member="adam", limit=2, request_id=request_id)
    serving.poll()
    with CaptureQueriesContext(connection) as queries, round_trips(monkeypatch) as sent:
        recommend(surface="dating", member="adam", limit=2, request_id=request_id)
    assert len(queries) == 0
    assert sent == ["MGET", "EVALSHA"]


def test_a_ranking_takes_no_query_and_two_round_trips(
    serving: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    serving.stop()
    recommend(surface="dating", member="adam", limit=1)
    serving.poll()
    with CaptureQueriesContext(connection) as queries, round_trips(monkeypatch) as sent:
        rank(surface="dating", member="adam", candidates=["bea", "cleo", "dora"])
    assert len(queries) == 0
    assert sent == ["MGET", "EVALSHA"]


def test_a_script_that_the_server_forgot_is_loaded_again(serving: Runtime) -> None:
    recommend(surface="dating", member="adam", limit=1)
    writing_client().script_flush()
    assert len(recommend(surface="dating", member="adam", limit=2)["items"]) == 2
