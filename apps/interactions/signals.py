"""What the next list may take into account: written to Valkey in one call per batch, before the answer.

Per viewer: their latest decisions (session), what they asked less of, how often they saw whom (online.py).
Per candidate: likes that wait unread, the hour of their last activity; those go to two arrays by number, and
each change to a stream that every web process follows. Repeating any of it changes nothing, in any order.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from itertools import starmap
from typing import Any, NamedTuple
from uuid import UUID

import redis
from redis.commands.core import Script

from apps.common import clock, online
from apps.common.online import Call
from apps.pipeline.signals import LESS

MOST_SESSION, MOST_LESS, MOST_RECEIVED = 32, 32, 2000
MOST_MOVED = 20_000  # entries of the stream; whoever fell behind reads the arrays
SESSION_SECONDS = 4 * 86_400  # four of the longest half-lives; older decisions count nothing
LESS_SECONDS = 240 * 86_400
ACTIVE_SECONDS = 7 * 86_400
READ_SECONDS = 90 * 86_400
LIVE, UNDONE = 1, 2  # states of what was asked less of
_decision, _less = struct.Struct("<iBBdd").pack, struct.Struct("<QiIBBd").pack  # online.DECISION, online.LESS
_hour = struct.Struct("<ii").pack
READ = 1  # slot of the received key: the viewer read this one's like

Session = dict[str, list[tuple[int, int, int, float, float]]]  # by key: fields of online.DECISION
Less = dict[str, list[tuple[int, int, int, int, int, float]]]  # by key: fields of online.LESS

_UNREAD = """
local function unread(data)
  local read, waiting, count = {}, {}, 0
  for i = 1, #data, 14 do
    local number, slot, state = struct.unpack('<i4BB', data, i)
    if slot == 1 then
      read[number] = true
    elseif state == 1 then
      waiting[#waiting + 1] = number
    end
  end
  for _, number in ipairs(waiting) do
    if not read[number] then count = count + 1 end
  end
  return math.min(count, 255)
end
"""
# KEYS: active, moved; then per received key it and its array of unread counts; session keys; less keys.
# ARGV: how many received, session and less keys; (number, hour) pairs; most to keep of each and for how long;
#   then per received key its owner's number, its surface and records; records per session key and less key.
# A received or session record is found by its first 5 bytes, one of less by its event's 8; the later version
# wins, and what was undone stays undone.
_WRITE = (
    """
local function find(data, name, size)
  local at = data ~= '' and string.find(data, name, 1, true) or nil
  while at and (at - 1) % size ~= 0 do at = string.find(data, name, at + 1, true) end
  return at
end
local function put(data, record, at, size)
  if not at then return data .. record end
  return string.sub(data, 1, at - 1) .. record .. string.sub(data, at + size)
end
local function merged(data, given, size)
  local changed = false
  for i = 1, #given, size do
    local record = string.sub(given, i, i + size - 1)
    local at = find(data, string.sub(record, 1, 5), size)
    if not at or struct.unpack('<d', record, 7) >= struct.unpack('<d', data, at + 6) then
      data, changed = put(data, record, at, size), true
    end
  end
  return data, changed
end
local function newest(data, size, keep, when)
  while #data > keep * size do
    local oldest, first = nil, 1
    for i = 1, #data, size do
      local at = struct.unpack('<d', data, i + when)
      if not oldest or at < oldest then oldest, first = at, i end
    end
    data = string.sub(data, 1, first - 1) .. string.sub(data, first + size)
  end
  return data
end
"""
    + _UNREAD
    + """
local r, s, l = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local key, arg, moved = 3, 10, {}
local active = {}
for i = 1, #ARGV[4], 8 do
  local number, hour = struct.unpack('<i4i4', ARGV[4], i)
  local known = redis.call('GETRANGE', KEYS[1], number * 4, number * 4 + 3)
  if #known < 4 or struct.unpack('<i4', known) < hour then
    redis.call('SETRANGE', KEYS[1], number * 4, struct.pack('<i4', hour))
    active[#active + 1] = string.sub(ARGV[4], i, i + 7)
  end
end
if #active > 0 then moved[1], moved[2] = 'active', table.concat(active) end
local counts, order = {}, {}
for _ = 1, r do
  local owner, surface = tonumber(ARGV[arg]), ARGV[arg + 1]
  local data, changed = merged(redis.call('GET', KEYS[key]) or '', ARGV[arg + 2], 14)
  if changed then
    local most = tonumber(ARGV[5]) * 14
    if #data > most then data = string.sub(data, #data - most + 1) end
    redis.call('SET', KEYS[key], data)
    local count = unread(data)
    local known = redis.call('GETRANGE', KEYS[key + 1], owner, owner)
    if (known == '' and 0 or string.byte(known)) ~= count then
      redis.call('SETRANGE', KEYS[key + 1], owner, string.char(count))
      if not counts[surface] then
        counts[surface] = {}
        order[#order + 1] = surface
      end
      table.insert(counts[surface], struct.pack('<i4B', owner, count))
    end
  end
  key, arg = key + 2, arg + 3
end
for _, surface in ipairs(order) do
  moved[#moved + 1] = 'unread:' .. surface
  moved[#moved + 1] = table.concat(counts[surface])
end
for _ = 1, s do
  local data, changed = merged(redis.call('GET', KEYS[key]) or '', ARGV[arg], 22)
  if changed then
    redis.call('SET', KEYS[key], newest(data, 22, tonumber(ARGV[6]), 14), 'EX', ARGV[7])
  end
  key, arg = key + 1, arg + 1
end
for _ = 1, l do
  local data, given = redis.call('GET', KEYS[key]) or '', ARGV[arg]
  for i = 1, #given, 26 do
    local record = string.sub(given, i, i + 25)
    local at = find(data, string.sub(record, 1, 8), 26)
    if not at or string.byte(record, 18) > string.byte(data, at + 17) then
      data = put(data, record, at, 26)
    end
  end
  redis.call('SET', KEYS[key], newest(data, 26, tonumber(ARGV[8]), 18), 'EX', ARGV[9])
  key, arg = key + 1, arg + 1
end
if #moved > 0 then redis.call('XADD', KEYS[2], 'MAXLEN', '~', MOST_MOVED, '*', unpack(moved)) end
return #moved / 2
""".replace("MOST_MOVED", str(MOST_MOVED))
)
# KEYS: the array, received keys. ARGV: their owners' numbers.
_COUNT = (
    _UNREAD
    + """
for i = 2, #KEYS do
  local count = unread(redis.call('GET', KEYS[i]) or '')
  redis.call('SETRANGE', KEYS[1], tonumber(ARGV[i - 1]), string.char(count))
end
return #KEYS
"""
)


class Deed(NamedTuple):
    """What one committed event says, by number. `of`: the event that an undo takes back."""

    type: str
    actor: int
    target: int | None  # none for an undo
    target_kind: str
    surface: str
    at: datetime
    id: UUID
    reason: str = ""
    of: UUID | None = None
    delivery: UUID | None = None
    received_at: datetime | None = None


@dataclass
class Told:
    """What one call writes."""

    received: dict[tuple[str, int], list[tuple[int, int, int, float]]] = field(default_factory=dict)
    session: Session = field(default_factory=dict)
    less: Less = field(default_factory=dict)
    active: dict[int, int] = field(default_factory=dict)  # hours by number

    def __bool__(self) -> bool:
        return bool(self.received or self.session or self.less or self.active)


def told_of_deeds(deeds: Iterable[Deed], told: Told | None = None) -> Told:
    """Presence of whoever did something, likes read, "less like this" and its undo; nothing of long ago."""
    told = Told() if told is None else told
    now = clock.now().timestamp()
    for deed in deeds:
        at = deed.at.timestamp()
        if at > now - ACTIVE_SECONDS:
            hour = int(min(at, now) // 3600)
            told.active[deed.actor] = max(told.active.get(deed.actor, 0), hour)
        if deed.type == "like_read" and deed.target is not None and at > now - READ_SECONDS:
            for surface in _surfaces_of(deed):
                told.received.setdefault((surface, deed.actor), []).append((deed.target, READ, 1, at))
        elif deed.type == "feedback" and deed.reason in LESS and deed.target is not None:
            if at > now - LESS_SECONDS:
                _add_less(told, deed, deed.id, LESS[deed.reason], LIVE)
        elif deed.of is not None:
            _add_less(told, deed, deed.of, 0, UNDONE)
    return told


def write(client: redis.Redis, told: Told) -> None:
    """All of it, in one call. Raises RedisError."""
    call = writing(told)
    _script(client)(keys=call.keys, args=call.args)


def writing(told: Told) -> Call:
    """What `write` calls."""
    keys = [online.ACTIVE, online.MOVED]
    for surface, number in told.received:
        keys += [online.received_key(surface, number), online.unread_key(surface)]
    keys += [*told.session, *told.less]
    hours = b"".join(starmap(_hour, told.active.items()))
    args: list[Any] = [len(told.received), len(told.session), len(told.less), hours]
    args += [MOST_RECEIVED, MOST_SESSION, SESSION_SECONDS, MOST_LESS, LESS_SECONDS]
    for (surface, number), records in told.received.items():
        args += [number, surface, online.packed(records)]
    args += [b"".join(starmap(_decision, records)) for records in told.session.values()]
    args += [b"".join(starmap(_less, records)) for records in told.less.values()]
    return Call(_WRITE, keys, args)


def count_unread(client: redis.Redis, surface: str, keys: Iterable[str]) -> None:
    """Counts anew what waits unread in inboxes of a surface (their received keys). Raises RedisError."""
    prefix, found = online.received_key(surface, 0).removesuffix("0"), list(keys)
    owners = [key.removeprefix(prefix) for key in found]
    _counter(client)(keys=[online.unread_key(surface), *found], args=owners)


def in_parts(told: Told, most: int = 300) -> Iterable[Told]:
    """The same in calls of so many keys, so that none of them is long."""
    parts: list[Mapping[Any, Any]] = [told.received, told.session, told.less, told.active]
    longest = max(map(len, parts))
    listed = [list(part.items()) for part in parts]
    for start in range(0, longest, most):
        received, session, less, active = (dict(part[start : start + most]) for part in listed)
        yield Told(received, session, less, active)


def forget(client: redis.Redis, number: int, surfaces: Sequence[str]) -> None:
    """Nothing of an erased member stays: keys, and their place in the arrays. Raises RedisError."""
    client.unlink(online.less_key(number), *(online.session_key(surface, number) for surface in surfaces))
    client.setrange(online.ACTIVE, number * 4, b"\0\0\0\0")
    for surface in surfaces:
        client.setrange(online.unread_key(surface), number, b"\0")


def _add_less(told: Told, deed: Deed, event: UUID, reason: int, state: int) -> None:
    number, surface = 0, 0
    if state == LIVE:
        number, surface = deed.target or 0, online.surface_mark(deed.surface, deed.target_kind)
    record = (event.int >> 64, number, surface, reason, state, deed.at.timestamp())
    told.less.setdefault(online.less_key(deed.actor), []).append(record)


def _surfaces_of(deed: Deed) -> list[str]:
    if deed.surface:
        return [deed.surface]
    from apps.surfaces.selectors import kinds_of_active_surfaces

    return [key for key, kind in kinds_of_active_surfaces().items() if kind == "member"]


@cache
def _script(client: redis.Redis) -> Script:
    return client.register_script(_WRITE)


@cache
def _counter(client: redis.Redis) -> Script:
    return client.register_script(_COUNT)
