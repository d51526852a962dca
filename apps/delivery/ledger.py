"""The exposure ledger: one script that checks, counts, holds and logs a list in one step, or refuses.

Takes ranked candidates with a reserve; gives the positions that may be shown, filled up from the reserve. It
keeps counters exact under any number of callers, and answers a repeated request id with the first answer.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast
from uuid import UUID

import numpy as np
import numpy.typing as npt

from apps.common import online
from apps.delivery.last_lists import LAST_SECONDS
from apps.delivery.trips import Script
from apps.interactions.exposures import wait_seconds

REQUEST_SECONDS = 600
MOST_IN_STREAM = 2_000_000  # about a day of deliveries at full speed: memory is bounded even without a copier

_NUMBERS = {
    "most": MOST_IN_STREAM,
    "seconds": REQUEST_SECONDS,
    "last": LAST_SECONDS,
    "kept": online.EXPOSURES_KEPT_SECONDS,
}

# KEYS: marker, gone, counters, held, stream, capped, request, last list, exposures, due.
# ARGV: generation, limit, caps (packed <u2 daily, <u2 hourly: once for all, or per candidate), now (s),
#   hold for (s), candidates (packed <i4), payload, viewer state, digest of the request's parameters (empty:
#   no request id), what to keep as the viewer's last list (empty: what is there stays), exposures run out
#   after (s), tag of the delivery, viewer, what the list was made of (empty: it is not logged).
# Whoever another list of this viewer holds already is left out: two requests at once show nobody twice.
# A day is 24 hours in hourly buckets; the hour of 24 hours ago still counts, so no 24 hours exceed the cap.
# For an hourly cap the hour before counts in the same way, so no 60 minutes exceed it. Later hours count for
# both: a request may reach the ledger after one that began in the next hour, or by a faster clock. Buckets
# are kept for two hours more than they count: a clock so far ahead forgets nothing that others still count.
_TEXT = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {0} end
if ARGV[9] ~= '' then
  local answered = redis.call('GET', KEYS[7])
  if answered then return {2, answered} end
end
local read, write, sub = struct.unpack, struct.pack, string.sub
local limit, now = tonumber(ARGV[2]), tonumber(ARGV[4])
local daily, hourly = read('<I2I2', ARGV[3])
local each = #ARGV[3] > 4
local hour, n = math.floor(now / 3600), #ARGV[6] / 4
local numbers = n > 0 and {read('<' .. string.rep('i4', n), ARGV[6])} or {}
local kept, names, gone_count, capped_count, held = {}, {}, 0, 0, {}
local till = now + tonumber(ARGV[5])
local before, ended, longest = redis.call('GET', KEYS[4]) or '', {}, till
for at = 1, #before, 14 do
  local number, ends = read('<i4xxd', before, at)
  if ends > now then
    held[number] = true
    if ends > longest then longest = ends end
  else
    ended[#ended + 1] = at
  end
end
for i = #ended, 1, -1 do before = sub(before, 1, ended[i] - 1) .. sub(before, ended[i] + 14) end
local looked_at, changed, once = 0, {}, write('<I4I2', hour, 1)
while looked_at < n and #kept < limit do
  local first, last = looked_at + 1, math.min(looked_at + limit, n)
  local gone = redis.call('SMISMEMBER', KEYS[2], unpack(numbers, first, last))
  local counters = redis.call('HMGET', KEYS[3], unpack(numbers, first, last))
  for i = first, last do
    if #kept == limit then break end
    if gone[i - looked_at] == 1 or held[numbers[i]] then
      gone_count = gone_count + 1
    else
      if each then daily, hourly = read('<I2I2', ARGV[3], i * 4 - 3) end
      local used, latest, current, buckets, oldest = 0, 0, 0, '', hour
      local packed = counters[i - looked_at] or ''
      for at = 1, #packed, 6 do
        local bucket, count = read('<I4I2', packed, at)
        if bucket == hour then
          current = count
        elseif bucket >= hour - 26 then
          buckets = buckets .. sub(packed, at, at + 5)
          if bucket >= hour - 24 then
            if bucket < oldest then oldest = bucket end
            used = used + count
          end
          if bucket >= hour - 1 then latest = latest + count end
        end
      end
      local over_day = daily > 0 and used + current >= daily
      local over_hour = hourly > 0 and latest + current >= hourly
      if over_day then
        redis.call('ZADD', KEYS[6], (oldest + 25) * 3600, write('<i4BI2', numbers[i], 0, daily))
      end
      if over_hour then
        local free = hour + (current >= hourly and 2 or 1)
        redis.call('ZADD', KEYS[6], free * 3600, write('<i4BI2', numbers[i], 1, hourly))
      end
      if over_day or over_hour then
        capped_count = capped_count + 1
      else
        kept[#kept + 1] = i - 1
        names[#names + 1] = sub(ARGV[6], i * 4 - 3, i * 4)
        changed[#changed + 1] = numbers[i]
        local this = current > 0 and write('<I4I2', hour, math.min(current + 1, 65535)) or once
        changed[#changed + 1] = buckets .. this
      end
    end
  end
  looked_at = last
end
if capped_count > 0 then redis.call('ZREMRANGEBYSCORE', KEYS[6], '-inf', now) end
local shown = ''
if #kept > 0 then
  local second, due = math.floor(now), math.floor(now) + tonumber(ARGV[11])
  local hold, wait = write('<BBd', 0, 1, till), write('<I4I4Bc8', second, due, 0, ARGV[12])
  shown = write('<' .. string.rep('I2', #kept), unpack(kept))
  redis.call('HSET', KEYS[3], unpack(changed))
  redis.call('SET', KEYS[4], before .. table.concat(names, hold) .. hold, 'EX', math.ceil(longest - now) + 60)
  redis.call('APPEND', KEYS[9], table.concat(names, wait) .. wait)
  redis.call('EXPIRE', KEYS[9], %(kept)d)
  redis.call('ZADD', KEYS[10], 'LT', due, ARGV[13])
end
if #kept > 0 and ARGV[10] ~= '' then redis.call('SET', KEYS[8], ARGV[10], 'EX', %(last)d) end
redis.call('XADD', KEYS[5], 'MAXLEN', '~', '%(most)d', '*', 'p', ARGV[7], 's', ARGV[8], 'k', shown,
           'g', gone_count, 'c', capped_count, 'f', ARGV[14])
if ARGV[9] ~= '' then
  redis.call('SET', KEYS[7], write('<I2I2I2', #kept, gone_count, capped_count) .. ARGV[9] .. shown
             .. ARGV[7], 'EX', %(seconds)d)
end
return {1, shown, gone_count, capped_count}
"""
_RESERVE = _TEXT % _NUMBERS

RESERVE = Script(_RESERVE)
DIGEST_BYTES = 16
NO_CAP: npt.NDArray[np.int32] = np.zeros((1, 2), "i4")


@dataclass(frozen=True)
class Answered:
    """What a request id was answered with."""

    digest: bytes  # of the request's parameters
    kept: list[int]  # positions in the payload's candidates
    gone: int
    capped: int
    payload: bytes


@dataclass(frozen=True)
class Reservation:
    """The positions to show, in order; or the earlier answer of this request id."""

    kept: list[int]
    gone: int = 0
    capped: int = 0
    answered: Answered | None = None


class NotBelieved(Exception):
    """Valkey is not of the generation that Postgres vouches for: nothing was counted, held or logged."""


@dataclass(frozen=True)
class Order:
    """All that the script is told about one list."""

    surface: str
    kind: str  # of the candidates
    viewer: int
    generation: int
    limit: int
    now: float
    hold_seconds: int
    candidates: npt.NDArray[np.int32]  # ranked, the reserve at the end
    payload: bytes
    viewer_state: bytes
    delivery: UUID
    # [n, 2] or [1, 2] for all: exposures in a day, in an hour; 0: no cap
    caps: npt.NDArray[np.int32] = field(default_factory=lambda: NO_CAP)
    request_key: str = ""
    request_digest: bytes = b""
    last_list: bytes = b""
    features: bytes = b""


def reserve(order: Order) -> Reservation:
    """Checks, counts, holds and logs in one round trip. Raises NotBelieved, RedisError."""
    keys, args = keys_and_args(order)
    answer = cast("list[Any]", RESERVE.run(keys, args))
    if answer[0] == 0:
        raise NotBelieved
    if answer[0] == 2:
        return Reservation([], answered=read_answered(answer[1]))
    return Reservation(_positions(answer[1]), gone=int(answer[2]), capped=int(answer[3]))


def keys_and_args(order: Order) -> tuple[list[str], list[Any]]:
    """An order as the script reads it."""
    keys = [
        online.MARKER,
        online.GONE[order.kind],
        online.counters_key(order.surface),
        online.held_key(order.surface, order.viewer),
        online.STREAM,
        online.capped_key(order.surface),
        order.request_key or "o:q:none",
        online.last_key(order.surface, order.viewer),
        online.exposures_key(order.surface, order.viewer),
        online.due_key(order.surface),
    ]
    numbers = np.ascontiguousarray(order.candidates, "<i4").tobytes()
    args = [order.generation, order.limit, _caps(order), repr(order.now), order.hold_seconds, numbers]
    args += [order.payload, order.viewer_state, order.request_digest, order.last_list]
    args += [wait_seconds(order.hold_seconds), order.delivery.bytes[8:], order.viewer, order.features]
    return keys, args


def _caps(order: Order) -> bytes:
    """Caps as the script reads them: once when they are the same for all."""
    caps = order.caps if len(order.caps) else NO_CAP
    if len(caps) > 1 and (caps == caps[0]).all():
        caps = caps[:1]
    return caps.astype("<u2").tobytes()


def read_answered(entry: bytes) -> Answered:
    """The entry of a request id as the script wrote it."""
    count, gone, capped = np.frombuffer(entry[:6], "<u2").tolist()
    digest, rest = entry[6 : 6 + DIGEST_BYTES], entry[6 + DIGEST_BYTES :]
    return Answered(digest, _positions(rest[: count * 2]), gone, capped, rest[count * 2 :])


def _positions(packed: bytes) -> list[int]:
    return cast("list[int]", np.frombuffer(packed, "<u2").tolist())
