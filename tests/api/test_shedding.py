"""The line before the API's processes: bounded, fair within a class, members before background callers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from apps.api import keys
from apps.api.keys import LiveKey, caller_class
from apps.api.models import CallerClass
from apps.api.shedding import Line, shedding

MEMBER, BACKGROUND = False, True


class Callers:
    """Threads that come to a line one after the other, and what became of each."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.went: dict[str, bool] = {}
        self.order: list[str] = []
        self.threads: list[threading.Thread] = []

    def comes(self, name: str, is_background: bool) -> None:
        """Returns once they wait, or were told."""
        before = len(self.line._waiting)

        def come() -> None:
            self.went[name] = self.line.enter(is_background=is_background)
            self.order.append(name)

        thread = threading.Thread(target=come, daemon=True)
        thread.start()
        self.threads.append(thread)
        until(lambda: name in self.went or len(self.line._waiting) > before or is_full(self.line))

    def told(self, name: str) -> bool:
        until(lambda: name in self.went)
        return self.went[name]


def until(holds: Any) -> None:
    done = threading.Event()
    for _ in range(2000):
        if holds():
            return
        done.wait(0.005)
    raise AssertionError("it never came to that")


def is_full(line: Line) -> bool:
    return len(line._waiting) >= line._most_waiting


@pytest.fixture
def callers() -> Callers:
    """One works, two may wait, and patiently."""
    line = Line(running=1, waiting=2, seconds=10)
    assert line.enter(is_background=MEMBER)
    return Callers(line)


def test_who_finds_the_line_full_is_sent_away_at_once(callers: Callers) -> None:
    callers.comes("first", MEMBER)
    callers.comes("second", MEMBER)
    assert callers.line.enter(is_background=MEMBER) is False
    callers.line.leave()
    assert callers.told("first")
    callers.line.leave()
    assert callers.told("second")
    assert callers.order == ["first", "second"]


def test_a_background_caller_gives_their_place_to_a_members_one(callers: Callers) -> None:
    callers.comes("old job", BACKGROUND)
    callers.comes("new job", BACKGROUND)
    callers.comes("member", MEMBER)
    assert callers.told("new job") is False
    assert callers.line.enter(is_background=BACKGROUND) is False
    callers.line.leave()
    assert callers.told("member")
    callers.line.leave()
    assert callers.told("old job")


def test_nobody_waits_longer_than_a_late_answer_is_worth() -> None:
    line = Line(running=1, waiting=2, seconds=0.01)
    assert line.enter(is_background=MEMBER)
    assert line.enter(is_background=MEMBER) is False
    line.leave()
    assert line.enter(is_background=MEMBER)
    assert line._waiting == []


def test_no_more_work_at_once_than_there_are_places() -> None:
    line, now, most, lock = Line(running=3, waiting=100, seconds=10), [0], [0], threading.Lock()
    pause = threading.Event()

    def work(turn: int) -> None:
        for _ in range(20):
            if line.enter(is_background=turn % 2 == 0):
                with lock:
                    now[0] += 1
                    most[0] = max(most[0], now[0])
                pause.wait(0.0005)
                with lock:
                    now[0] -= 1
                line.leave()

    threads = [threading.Thread(target=work, args=(turn,)) for turn in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert most == [3]
    assert (line._running, line._waiting) == (0, [])


def test_a_refusal_is_a_problem_document_and_health_is_always_told() -> None:
    line = Line(running=1, waiting=0)
    inner: list[str] = []
    told: list[Any] = []

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        inner.append(environ["PATH_INFO"])
        if environ["PATH_INFO"] == "/api/v1/first":
            answers = app({"PATH_INFO": "/api/v1/second"}, lambda *said: told.append(said))
            told.extend(answers)
        return [b"ok"]

    app = shedding(application, line)
    assert app({"PATH_INFO": "/api/v1/first"}, lambda *_: None) == [b"ok"]
    (status, headers), body = told
    assert status.startswith("503")
    assert dict(headers)["Retry-After"] == "1"
    assert orjson.loads(body)["code"] == "overloaded"
    assert app({"PATH_INFO": "/health/live"}, lambda *_: None) == [b"ok"]
    assert app({"PATH_INFO": "/api/v1/third"}, lambda *_: None) == [b"ok"]
    assert inner == ["/api/v1/first", "/health/live", "/api/v1/third"]


def test_the_place_is_free_again_after_an_error() -> None:
    line = Line(running=1, waiting=0)

    def broken(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        raise ArithmeticError("broken on purpose")

    for _ in range(3):
        with pytest.raises(ArithmeticError):
            shedding(broken, line)({"PATH_INFO": "/api/v1/x"}, lambda *_: None)


def test_the_class_is_that_of_the_key_and_a_stranger_is_background(monkeypatch: pytest.MonkeyPatch) -> None:
    known = LiveKey("abc", "", "app", frozenset(), None, CallerClass.INTERACTIVE)
    monkeypatch.setattr(keys._ring, "_keys", {"abc": known})
    assert caller_class("Api-Key abc.secret") == CallerClass.INTERACTIVE
    assert caller_class("Api-Key xyz.secret") == CallerClass.BACKGROUND
    assert caller_class("") == CallerClass.BACKGROUND


def test_an_answer_leaves_in_one_piece_and_is_closed_before_the_next_may_go() -> None:
    line, said = Line(running=1, waiting=0), []

    class Answer:
        def __iter__(self) -> Iterator[bytes]:
            return iter([b"in ", b"pieces"])

        def close(self) -> None:
            said.append(line.enter(is_background=MEMBER))

    app = shedding(lambda environ, start_response: Answer(), line)
    assert app({"PATH_INFO": "/api/v1/x"}, lambda *_: None) == [b"in pieces"]
    assert said == [False]
    assert line.enter(is_background=MEMBER)
