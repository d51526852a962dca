"""From a change to its end on every web process: members pause, and lists are asked for until nobody gives
them one any more."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode

import orjson
from django.core.management.base import CommandError

from apps.members.services import patch_member

CONNECTIONS = 8  # the server spreads them over its processes
LONGEST = 10.0  # seconds


def measure_visible(
    port: int, headers: Mapping[str, str], members: Iterable[str], surface: str
) -> list[float]:
    """Milliseconds from the answer that a member is paused to the start of the last request that got a list.

    0: none did. CommandError: a process gives lists after LONGEST, or gave none before.
    """
    connections = [HTTPConnection("127.0.0.1", port, timeout=10) for _ in range(CONNECTIONS)]
    try:
        return [_until_paused(connections, headers, member, surface) for member in members]
    finally:
        for one in connections:
            one.close()


def _until_paused(
    connections: list[HTTPConnection], headers: Mapping[str, str], member: str, surface: str
) -> float:
    question = urlencode({"surface": surface, "member": member, "limit": 1, "dry_run": "true"})
    path = f"/api/v1/recommendations?{question}"
    if not all(_has_list(one, path, headers) for one in connections):
        raise CommandError(f"{member} is given no list.")
    patch_member(member, {"status": "paused"})
    saved = last = time.perf_counter()
    try:
        quiet = 0
        while quiet < len(connections):
            started = time.perf_counter()
            if started - saved > LONGEST:
                raise CommandError(f"{member} paused, and is given lists after {LONGEST} s.")
            one = connections[0]
            connections.append(connections.pop(0))
            quiet += 1
            if _has_list(one, path, headers):
                last, quiet = started, 0
        return 1000 * (last - saved)
    finally:
        patch_member(member, {"status": "active"})


def _has_list(connection: HTTPConnection, path: str, headers: Mapping[str, str]) -> bool:
    connection.request("GET", path, headers=dict(headers))
    response = connection.getresponse()
    answer: Any = orjson.loads(response.read())
    return response.status == 200 and bool(answer["items"])
