"""Whether a friend who failed is asked again: closed (yes), open (no), half-open (one caller is trying).

`Breaker` is a value and reads no clock: each answer gives the next one. `Friend` holds that of one dependency
for all threads of a process, and says in the log when it opens and when it closes.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, replace
from enum import StrEnum

log = logging.getLogger(__name__)


class State(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True)
class Breaker:
    """`limit` failures in a row open it. Seconds are of any clock that never goes back."""

    limit: int = 3
    state: State = State.CLOSED
    failures: int = 0  # in a row
    since: float = 0.0  # when it opened, or when the trial began

    def asked(self, now: float, rest: float) -> tuple[Breaker, bool]:
        """Whether a caller may ask who waits `rest` seconds between trials.

        A trial that never ends (its thread died) makes room for the next one after the same time.
        """
        if self.state is State.CLOSED:
            return self, True
        if now - self.since < rest:
            return self, False
        return replace(self, state=State.HALF_OPEN, since=now), True

    def answered(self) -> Breaker:
        """One answer proves that the friend is there."""
        return Breaker(self.limit)

    def failed(self, now: float) -> Breaker:
        """A failure that comes in while it is open was asked before: it prolongs nothing."""
        if self.state is State.OPEN:
            return self
        failures = self.failures + 1
        opens = self.state is State.HALF_OPEN or failures >= self.limit
        if not opens:
            return replace(self, failures=failures)
        return replace(self, state=State.OPEN, failures=failures, since=now)


class Friend:
    """One dependency as this process knows it. While all is well, asking costs no lock."""

    def __init__(self, name: str, limit: int = 3) -> None:
        self.name = name
        self.opened = 0  # how often
        self._breaker = Breaker(limit)
        self._lock = threading.Lock()

    @property
    def state(self) -> State:
        return self._breaker.state

    @property
    def is_there(self) -> bool:
        """As far as anybody here knows."""
        return self._breaker.state is State.CLOSED

    def may_be_asked(self, rest: float) -> bool:
        if self.is_there:
            return True
        with self._lock:
            self._breaker, allowed = self._breaker.asked(time.monotonic(), rest)
            return allowed

    def answered(self) -> None:
        if self._breaker.failures:
            with self._lock:
                if self._breaker.state is not State.CLOSED:
                    log.warning("%s is back: breaker closed", self.name)
                self._breaker = self._breaker.answered()

    def failed(self) -> None:
        with self._lock:
            was_closed = self._breaker.state is State.CLOSED
            self._breaker = self._breaker.failed(time.monotonic())
            if was_closed and self._breaker.state is State.OPEN:
                self.opened += 1
                log.warning("%s does not answer: breaker opened", self.name)

    def forget(self) -> None:
        """As if it had never failed. For tests."""
        with self._lock:
            self._breaker = self._breaker.answered()
