"""From an event to the next list: a pass is posted, and lists are asked for until one leaves them out."""

from __future__ import annotations

import http.client
import time
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import orjson
from django.core.management.base import CommandError

from apps.common import clock

TRIES = 200


def measure_effect(port: int, headers: dict[str, str], viewers: Iterable[str], surface: str) -> list[float]:
    """Milliseconds from posting to the end of the first list without the one who was passed, per viewer.

    Lists are dry runs, which hold nobody back: only the pass can take somebody out.
    """
    ask = _Asking(port, headers, surface)
    return [took for took in map(ask.effect_of_a_pass, viewers) if took is not None]


class _Asking:
    def __init__(self, port: int, headers: dict[str, str], surface: str) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        self.headers, self.surface = headers | {"Content-Type": "application/json"}, surface

    def effect_of_a_pass(self, viewer: str) -> float | None:
        shown = next(iter(self._shown(viewer)), None)
        if shown is None:
            return None
        start = time.perf_counter()
        self._post(viewer, shown)
        for _ in range(TRIES):
            if shown not in self._shown(viewer):
                return (time.perf_counter() - start) * 1000
        raise CommandError(f"A pass had no effect on {TRIES} lists.")

    def _shown(self, viewer: str) -> list[str]:
        question = urlencode({"surface": self.surface, "member": viewer, "limit": 20, "dry_run": "true"})
        answer = self._answer("GET", f"/api/v1/recommendations?{question}")
        return [item["id"] for item in answer["items"]]

    def _post(self, actor: str, target: str) -> None:
        event = {
            "id": str(uuid4()),
            "type": "pass",
            "actor": actor,
            "target": target,
            "surface": self.surface,
            "occurred_at": clock.now().isoformat(),
        }
        self._answer("POST", "/api/v1/events", orjson.dumps([event]))

    def _answer(self, method: str, path: str, body: bytes | None = None) -> Any:
        self.connection.request(method, path, body, self.headers)
        response = self.connection.getresponse()
        if response.status != 200:
            raise CommandError(f"{method} {path}: {response.status}")
        return orjson.loads(response.read())
