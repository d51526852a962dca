"""How candidates fare at this moment, in every process within a second: unread likes, last activity.

Takes the arrays that apps.interactions.signals keeps in Valkey once, then follows the stream of changes: what
came since the last poll is merged and applied at once. A request reads one picture throughout.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import redis

from apps.common import online
from apps.pipeline.signals import I32, NO_HOURS, NO_LOAD, U8

MOST_AT_ONCE = 5000  # entries; with more than that the arrays are read again
ACTIVE = np.dtype([("number", "<i4"), ("value", "<i4")])
UNREAD = np.dtype([("number", "<i4"), ("value", "u1")])


@dataclass(frozen=True)
class Crowd:
    """Arrays by number; the last entry stands for everybody beyond, and is 0."""

    generation: int = -1  # of the online state that it was read from
    unread: Mapping[str, U8] = field(default_factory=dict)  # by surface
    active_hour: I32 = field(default_factory=lambda: NO_HOURS)
    position: bytes = b"0-0"  # in the stream of changes

    def unread_on(self, surface: str) -> U8:
        return self.unread.get(surface, NO_LOAD)


def followed(client: redis.Redis, crowd: Crowd, surfaces: Iterable[str], generation: int) -> Crowd:
    """The crowd as it is now. Raises RedisError."""
    if crowd.generation != generation or set(crowd.unread) != set(surfaces):
        return _read(client, surfaces, generation)
    after = f"({crowd.position.decode()}"
    entries = cast("list[Any]", client.xrange(online.MOVED, min=after, count=MOST_AT_ONCE))
    if len(entries) == MOST_AT_ONCE:
        return _read(client, surfaces, generation)
    return _changed(crowd, entries) if entries else crowd


def _read(client: redis.Redis, surfaces: Iterable[str], generation: int) -> Crowd:
    """The position first: what changes meanwhile is applied again, to the same end."""
    last = cast("list[Any]", client.xrevrange(online.MOVED, count=1))
    active = cast("bytes | None", client.get(online.ACTIVE))
    unread = {surface: client.get(online.unread_key(surface)) for surface in surfaces}
    return Crowd(
        generation,
        {surface: _array(cast("bytes | None", data), "u1") for surface, data in unread.items()},
        _array(active, "<i4"),
        last[0][0] if last else b"0-0",
    )


def _array(data: bytes | None, dtype: str) -> npt.NDArray[Any]:
    return np.append(np.frombuffer(data or b"", dtype), np.zeros(1, dtype))


def _changed(crowd: Crowd, entries: list[Any]) -> Crowd:
    merged: dict[str, bytes] = {}
    for _, fields in entries:
        for name, packed in fields.items():
            merged[name.decode()] = merged.get(name.decode(), b"") + packed
    unread = dict(crowd.unread)
    for name, packed in merged.items():
        surface = name.removeprefix("unread:")
        if surface in unread and name != "active":
            unread[surface] = _put(unread[surface], np.frombuffer(packed, UNREAD))
    active = _put(crowd.active_hour, np.frombuffer(merged.get("active", b""), ACTIVE))
    return replace(crowd, unread=unread, active_hour=active, position=entries[-1][0])


def _put(values: npt.NDArray[Any], changes: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A new array with the changes, of which the last about a number counts."""
    if not len(changes):
        return values
    length = max(len(values), int(changes["number"].max()) + 2)
    result = np.zeros(length, values.dtype)
    result[: len(values)] = values
    result[changes["number"]] = changes["value"]
    return result
