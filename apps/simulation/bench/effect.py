"""From an event to what the next list makes of it: a pass, until a list leaves them out; likes, until the web
process knows of a fuller inbox."""

from __future__ import annotations

import http.client
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import cycle, islice
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import orjson
from django.core.management.base import CommandError

from apps.common import clock

TRIES = 200
A_QUARTER = 10  # likes: a quarter of a full inbox, by default; no list tells of fewer


def measure_effect(port: int, headers: dict[str, str], viewers: Iterable[str], surface: str) -> list[float]:
    """Milliseconds from posting to the end of the first list without the one who was passed, per viewer.

    Lists are dry runs, which hold nobody back: only the pass can take somebody out.
    """
    ask = _Asking(port, headers, surface)
    return [took for took in map(ask.effect_of_a_pass, viewers) if took is not None]


def measure_crowd(
    port: int, headers: dict[str, str], viewers: Iterable[str], likers: Iterable[str], surface: str
) -> list[float]:
    """Milliseconds from posting likes of others to the end of the first answer that knows of them, per viewer
    whose first candidate has room for likes. The release has to weigh inbox load."""
    ask, following = _Asking(port, headers, surface), cycle(likers)
    return [took for viewer in viewers if (took := ask.effect_of_likes(viewer, following)) is not None]


class _Asking:
    def __init__(self, port: int, headers: dict[str, str], surface: str) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        self.headers, self.surface = headers | {"Content-Type": "application/json"}, surface

    def effect_of_a_pass(self, viewer: str) -> float | None:
        shown = next(iter(self._shown(viewer)), None)
        if shown is None:
            return None
        start = time.perf_counter()
        self._post("pass", [viewer], shown)
        for _ in range(TRIES):
            if shown not in self._shown(viewer):
                return (time.perf_counter() - start) * 1000
        raise CommandError(f"A pass had no effect on {TRIES} lists.")

    def effect_of_likes(self, viewer: str, likers: Iterator[str]) -> float | None:
        shown = next(iter(self._shown(viewer)), None)
        if shown is None or (before := self._load(viewer, shown)) is None or before == 1:
            return None
        others = list(islice((liker for liker in likers if liker not in (viewer, shown)), A_QUARTER))
        start = time.perf_counter()
        self._post("like", others, shown)
        for _ in range(TRIES):
            load = self._load(viewer, shown)
            if load is None:
                return None
            if load > before:
                return (time.perf_counter() - start) * 1000
        raise CommandError(f"{A_QUARTER} likes had no effect on {TRIES} answers.")

    def _load(self, viewer: str, candidate: str) -> float | None:
        """None for somebody who is not ranked for this viewer, or not any more."""
        question = urlencode({"surface": self.surface, "viewer": viewer, "candidate": candidate})
        answer = self._answer("GET", f"/api/v1/explain?{question}")
        ranked = answer.get("waterfall")
        return float(ranked["features"]["inbox_load"]["value"]) if ranked else None

    def _shown(self, viewer: str) -> list[str]:
        question = urlencode({"surface": self.surface, "member": viewer, "limit": 20, "dry_run": "true"})
        answer = self._answer("GET", f"/api/v1/recommendations?{question}")
        return [item["id"] for item in answer["items"]]

    def _post(self, kind: str, actors: Sequence[str], target: str) -> None:
        said = {
            "type": kind,
            "target": target,
            "surface": self.surface,
            "occurred_at": clock.now().isoformat(),
        }
        events = [said | {"id": str(uuid4()), "actor": actor} for actor in actors]
        self._answer("POST", "/api/v1/events", orjson.dumps(events))

    def _answer(self, method: str, path: str, body: bytes | None = None) -> Any:
        self.connection.request(method, path, body, self.headers)
        response = self.connection.getresponse()
        if response.status != 200:
            raise CommandError(f"{method} {path}: {response.status}")
        return orjson.loads(response.read())
