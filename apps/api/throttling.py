"""A token bucket per process and service key. Takes a prefix, gives the seconds to wait (0: go on)."""

from __future__ import annotations

import math
import threading
import time
from typing import TYPE_CHECKING

from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

if TYPE_CHECKING:  # the settings import this before views can be imported
    from rest_framework.views import APIView


_lock = threading.Lock()
_buckets: dict[str, tuple[float, float]] = {}  # prefix -> tokens left, at


def seconds_to_wait(prefix: str) -> int:
    """Takes one token. 0 when there was one, else whole seconds until there is one."""
    rate, burst = settings.API_RATE_PER_SECOND, settings.API_RATE_BURST
    at = time.monotonic()
    with _lock:
        tokens, since = _buckets.get(prefix, (burst, at))
        tokens = min(burst, tokens + (at - since) * rate)
        taken = tokens >= 1
        _buckets[prefix] = (tokens - taken, at)
    return 0 if taken else max(1, math.ceil((1 - tokens) / rate))


class KeyThrottle(BaseThrottle):
    """The same bucket for REST framework's views."""

    def allow_request(self, request: Request, view: APIView) -> bool:
        prefix = getattr(request.user, "prefix", None)
        self._wait = seconds_to_wait(prefix) if prefix else 0
        return self._wait == 0

    def wait(self) -> float:
        return self._wait
