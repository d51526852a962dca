"""Overload: a bounded line before the API's processes, and a quick refusal for whoever finds it full.

A WSGI wrapper, so that a refusal costs neither Django nor a store. At most `running` calls work at once; the
next wait in line, members' callers before background ones. When the line is full the newest background caller
is sent away for a member's one; else the one who comes. Waiting has an end, too: a late answer helps nobody.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import orjson

from apps.api.keys import caller_class
from apps.api.models import CallerClass
from apps.common import metrics

RUNNING = 4
WAITING = 10  # RUNNING + WAITING stay below the server's threads: somebody must be free to refuse
LONGEST_WAIT_SECONDS = 0.25
CAME_AT = "raya_recs.came_at"  # in the call's environment: when it came, of time.perf_counter()
OPEN_TO_ALL = ("/health/", "/metrics")
DOCUMENT = orjson.dumps(
    {
        "type": "urn:raya-recs:problem:overloaded",
        "title": "Too many calls at once. Try again.",
        "status": 503,
        "code": "overloaded",
        "field": None,
        "detail": "This process is full; wait a second before you try again.",
    }
)
HEADERS = [
    ("Content-Type", "application/problem+json"),
    ("Content-Length", str(len(DOCUMENT))),
    ("Cache-Control", "no-store"),
    ("Retry-After", "1"),
]

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


@dataclass(eq=False)
class _Waiter:
    is_background: bool
    called: threading.Event = field(default_factory=threading.Event)
    may_go: bool = False


class Line:
    """Who works and who waits. `enter` and `leave` may be called from any thread."""

    def __init__(
        self, *, running: int = RUNNING, waiting: int = WAITING, seconds: float = LONGEST_WAIT_SECONDS
    ) -> None:
        self._most_running, self._most_waiting, self._seconds = running, waiting, seconds
        self._running = 0
        self._waiting: list[_Waiter] = []
        self._lock = threading.Lock()

    def enter(self, *, is_background: bool) -> bool:
        """True: work, and `leave` afterwards. False: sent away."""
        with self._lock:
            if self._running < self._most_running:
                self._running += 1
                return True
            if len(self._waiting) >= self._most_waiting and not self._made_room(is_background):
                return False
            waiter = _Waiter(is_background)
            self._waiting.append(waiter)
        waiter.called.wait(self._seconds)
        with self._lock:
            if waiter in self._waiting:  # nobody called in time
                self._waiting.remove(waiter)
            return waiter.may_go

    def leave(self) -> None:
        """Hands the place to the next: members' callers first, each class in the order it came."""
        with self._lock:
            if not self._waiting:
                self._running -= 1
                return
            following = min(self._waiting, key=lambda waiter: waiter.is_background)
            self._waiting.remove(following)
            following.may_go = True
            following.called.set()

    def _made_room(self, is_background: bool) -> bool:
        """Sends the newest background caller away, for a member's one."""
        for waiter in reversed(self._waiting):
            if waiter.is_background and not is_background:
                self._waiting.remove(waiter)
                waiter.called.set()
                return True
        return False


def shedding(application: Application, line: Line | None = None) -> Application:
    """The application behind a line of its own."""
    here = line or Line()

    def guarded(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if str(environ.get("PATH_INFO", "")).startswith(OPEN_TO_ALL):
            return application(environ, start_response)
        environ[CAME_AT] = time.perf_counter()
        caller = caller_class(environ.get("HTTP_AUTHORIZATION", ""))
        if not here.enter(is_background=caller == CallerClass.BACKGROUND):
            metrics.SHED.labels(caller).inc()
            start_response("503 Service Unavailable", HEADERS)
            return [DOCUMENT]
        try:
            return _in_one_piece(application(environ, start_response))
        finally:
            here.leave()

    return guarded


def _in_one_piece(answer: Iterable[bytes]) -> list[bytes]:
    """For a list the server asks for the interpreter once; for what it has to iterate, again and again."""
    try:
        return [b"".join(answer)]
    finally:
        if hasattr(answer, "close"):
            answer.close()
