"""Exposures from grant to end: seen and final, or out of time and taken back.

The reserve script (apps.delivery.ledger) counts an exposure in the hour of its grant and notes it as waiting.
Here are the two scripts that end the waiting. Each is atomic and safe to repeat, in any order:
  confirm  an impression: a waiting exposure stays counted for good; a released one is counted again, whatever
           the cap says, because it happened (reported as late).
  release  time ran out: the count is taken back, once.
So at any time a counter is the number of exposures that wait or were seen. exposure_counts.py computes the
same from Postgres.
"""

from __future__ import annotations

import logging
import struct
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import cache
from itertools import starmap
from typing import Any, NamedTuple, cast
from uuid import UUID

import numpy as np
import redis
from redis.commands.core import Script

from apps.common import clock, online
from apps.common.online import KEYS_PER_CALL, Call
from apps.common.valkey import background_client

log = logging.getLogger(__name__)
LEAST_WAIT_SECONDS = 600  # also without a hold the app has time to say what was seen
EXPOSURES_PER_CALL = 1000  # that one call of the release goes through: Valkey answers nobody else meanwhile
CLOCKS_DIFFER_SECONDS, NAMED_BEHIND_SECONDS = 300, 86_400
LATE = "o:exposures:late"  # how many were counted again after their release, by surface

# An impression, packed: candidate, whether it names a delivery, the second half of its id, when it occurred,
# when it was received. One that names none is about every earlier delivery of that candidate to that viewer.
_pack = struct.Struct("<iB8sdd").pack
_Row = tuple[int, bool, bytes, float, float]

# Adds to one candidate's count in one hour, within 0..65535; what no longer counts is dropped.
_COUNT = """
local function count(packed, hour, by)
  local buckets, found = {}, false
  for at = 1, #packed, 6 do
    local bucket, n = struct.unpack('<I4I2', packed, at)
    if bucket == hour then
      n = math.max(math.min(n + by, 65535), 0)
      found = true
    end
    if n > 0 then buckets[#buckets + 1] = struct.pack('<I4I2', bucket, n) end
  end
  if not found and by > 0 then buckets[#buckets + 1] = struct.pack('<I4I2', hour, by) end
  return table.concat(buckets)
end
local function add(key, changes)
  for number, hours in pairs(changes) do
    local packed = redis.call('HGET', key, number) or ''
    for hour, by in pairs(hours) do packed = count(packed, hour, by) end
    if packed == '' then redis.call('HDEL', key, number) else redis.call('HSET', key, number, packed) end
  end
end
local function note(changes, number, granted, by)
  local hour = math.floor(granted / 3600)
  changes[number] = changes[number] or {}
  changes[number][hour] = (changes[number][hour] or 0) + by
end
"""

# KEYS: counters, late, then one exposures key per viewer.
# ARGV: surface, seconds that an impression's clock may be behind (without a delivery, with one), now, then
#   packed IMPRESSIONs per viewer.
# Gives how many were late.
_CONFIRM = (
    _COUNT
    + """
local apart, behind, now = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local late, changes, none = 0, {}, {}
for k = 3, #KEYS do
  local data, given, kept, changed = redis.call('GET', KEYS[k]) or '', ARGV[k + 2], {}, false
  local about = {}  -- where the impressions of each candidate stand
  for i = 1, #given, 29 do
    local number = struct.unpack('<i4', given, i)
    about[number] = about[number] or {}
    table.insert(about[number], i)
  end
  for at = 1, #data, 21 do
    local number, granted, due, released = struct.unpack('<i4I4I4B', data, at)
    local tag, seen = string.sub(data, at + 13, at + 20), false
    for _, i in ipairs(about[number] or none) do
      local occurred, received = struct.unpack('<dd', given, i + 13)
      if string.byte(given, i + 4) == 1 then
        local same = string.sub(given, i + 5, i + 12) == tag
        seen = seen or (same and granted <= occurred + behind)
      else
        seen = seen or (granted <= received and granted <= occurred + apart)
      end
    end
    if not seen then
      kept[#kept + 1] = string.sub(data, at, at + 20)
    else
      changed = true
      if released == 1 and math.floor(granted / 3600) >= math.floor(now / 3600) - 24 then
        late = late + 1
        note(changes, number, granted, 1)
      end
    end
  end
  if changed and #kept == 0 then redis.call('DEL', KEYS[k]) end
  if changed and #kept > 0 then redis.call('SET', KEYS[k], table.concat(kept), 'KEEPTTL') end
end
add(KEYS[1], changes)
if late > 0 then redis.call('HINCRBY', KEYS[2], ARGV[1], late) end
return late
"""
)

# KEYS: marker, due, counters, then one exposures key per viewer.
# ARGV: generation, now, then the viewers.
# Gives -1 when the state is not of that generation, else the numbers that were taken back, packed <i4.
_RELEASE = (
    _COUNT
    + """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return -1 end
local now, changes, freed = tonumber(ARGV[2]), {}, {}
for k = 4, #KEYS do
  local data, kept, first, viewer = redis.call('GET', KEYS[k]) or '', {}, nil, ARGV[k - 1]
  for at = 1, #data, 21 do
    local number, granted, due, released = struct.unpack('<i4I4I4B', data, at)
    local record = string.sub(data, at, at + 20)
    local counts = math.floor(granted / 3600) >= math.floor(now / 3600) - 24
    if counts and released == 0 and due <= now then
      record = struct.pack('<i4I4I4B', number, granted, due, 1) .. string.sub(record, 14)
      note(changes, number, granted, -1)
      freed[#freed + 1] = struct.pack('<i4', number)
    elseif counts and released == 0 then
      first = math.min(first or due, due)
    end
    if counts then kept[#kept + 1] = record end
  end
  if #kept == 0 then redis.call('DEL', KEYS[k])
  else redis.call('SET', KEYS[k], table.concat(kept), 'KEEPTTL') end
  if first then redis.call('ZADD', KEYS[2], first, viewer) else redis.call('ZREM', KEYS[2], viewer) end
end
add(KEYS[3], changes)
return table.concat(freed)
"""
)


class Impression(NamedTuple):
    """A committed impression. `delivery`: the one it names, or None. Moments in seconds since 1970."""

    surface: str
    viewer: int
    candidate: int
    delivery: UUID | None
    occurred_at: float
    received_at: float


def wait_seconds(hold_seconds: int) -> int:
    """How long an exposure waits for its impression."""
    return max(hold_seconds, LEAST_WAIT_SECONDS)


def confirm(client: redis.Redis, impressions: Iterable[Impression]) -> int:
    """Makes what was seen final; how many had been released before. Raises RedisError. Safe to repeat."""
    return count_late(online.run_together(client, list(confirming(impressions))))


def confirming(impressions: Iterable[Impression]) -> Iterator[Call]:
    """What `confirm` calls."""
    for surface, viewers in _by_surface(impressions).items():
        for chunk in _chunks(list(viewers.items())):
            keys = [online.counters_key(surface), LATE]
            keys += [online.exposures_key(surface, viewer) for viewer, _ in chunk]
            packed = [b"".join(starmap(_pack, rows)) for _, rows in chunk]
            now = clock.now().timestamp()
            yield Call(
                _CONFIRM, keys, [surface, CLOCKS_DIFFER_SECONDS, NAMED_BEHIND_SECONDS, repr(now), *packed]
            )


def count_late(answers: Iterable[int]) -> int:
    """Of the answers to what `confirming` gave: how many were late."""
    late = sum(answers)
    if late:
        log.warning("%d exposures were seen after their release; they are counted again", late)
    return late


def release_due(surfaces: Iterable[str], *, now: datetime | None = None) -> int:
    """Takes back what ran out without an impression, by Postgres's clock; how many. Raises RedisError,
    DatabaseError.

    Only while Postgres vouches for the online state: else an impression may be missing that was committed.
    """
    belief = online.current_belief()
    if not belief.trusted:
        return 0
    client, moment = background_client(), (now or belief.now()).timestamp()
    return sum(_release(client, surface, belief.generation, moment) for surface in surfaces)


def _release(client: redis.Redis, surface: str, generation: int, now: float) -> int:
    released, due = 0, online.due_key(surface)
    while True:
        found = cast(
            "list[bytes]", client.zrange(due, 0, int(now), byscore=True, offset=0, num=KEYS_PER_CALL)
        )
        if not found:
            return released
        for viewers in _portions(client, surface, [int(viewer) for viewer in found]):
            keys = [online.MARKER, due, online.counters_key(surface)]
            keys += [online.exposures_key(surface, viewer) for viewer in viewers]
            args: list[Any] = [generation, int(now), *viewers]
            answer = _script(client, _RELEASE)(keys=keys, args=args)
            if answer == -1:
                return released
            numbers = np.frombuffer(cast(bytes, answer), "<i4")
            _forget_caps(client, surface, numbers)
            released += len(numbers)


def _portions(client: redis.Redis, surface: str, viewers: list[int]) -> Iterator[list[int]]:
    """Of viewers with few exposures many together, of one with more than a call goes through that one."""
    pipeline: Any = client.pipeline(transaction=False)
    for viewer in viewers:
        pipeline.strlen(online.exposures_key(surface, viewer))
    portion, exposures = list[int](), 0
    for viewer, size in zip(viewers, pipeline.execute(), strict=True):
        exposures += size // online.EXPOSURE.itemsize
        if portion and exposures > EXPOSURES_PER_CALL:
            yield portion
            portion, exposures = [], size // online.EXPOSURE.itemsize
        portion.append(viewer)
    yield portion


def _forget_caps(client: redis.Redis, surface: str, numbers: Sequence[int] | np.ndarray) -> None:
    """Who got something back may be below a cap again: what says otherwise before ranking goes."""
    if not len(numbers):
        return
    key = online.capped_key(surface)
    members = cast("list[bytes]", client.zrange(key, 0, -1))
    capped = np.frombuffer(b"".join(members), online.CAPPED)
    stale = [members[i] for i in np.flatnonzero(np.isin(capped["number"], numbers)).tolist()]
    if stale:
        client.zrem(key, *stale)


def _by_surface(impressions: Iterable[Impression]) -> dict[str, dict[int, list[_Row]]]:
    found: dict[str, dict[int, list[_Row]]] = defaultdict(lambda: defaultdict(list))
    for surface, viewer, candidate, delivery, occurred_at, received_at in impressions:
        tag = delivery.bytes[8:] if delivery is not None else b""
        found[surface][viewer].append((candidate, delivery is not None, tag, occurred_at, received_at))
    return found


def _chunks(items: list[tuple[int, Any]]) -> Iterable[list[tuple[int, Any]]]:
    return (items[start : start + KEYS_PER_CALL] for start in range(0, len(items), KEYS_PER_CALL))


@cache
def _script(client: redis.Redis, text: str) -> Script:
    return client.register_script(text)
