"""The online state in Valkey: its keys, how it is written, and whether it may be believed.

Per-viewer keys hold packed records (see RECORD); a later `at` wins, so that writes may arrive in any order
and more than once. Writers of safety facts either reach Valkey or mark the state as missed in Postgres, and
wait until no web process can still believe it. What the records mean is said in apps.interactions.online.
"""

from __future__ import annotations

import hashlib
import logging
import struct
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt
import redis
from django.db import DatabaseError, connection
from redis.commands.core import Script
from redis.exceptions import NoScriptError

from apps.common import clock
from apps.common.errors import Unavailable
from apps.common.prepared import rows_of
from apps.common.valkey import writing_client

log = logging.getLogger(__name__)

LEASE_SECONDS = 0.5  # how long a web process believes Valkey after it last asked Postgres
# A process for which Postgres hung knows what it says at most 0.9 s after it is back: a question that still
# hangs, the rest after it, and the polls around both (apps.delivery.runtime).
MARGIN_SECONDS = 0.5
PREFIX = "o:"
EVICTIONS = "o:evictions"  # how many keys the server had evicted when it was last whole
MARKER = "o:generation"  # gone after a flush; another number after a missed write
STREAM = "o:deliveries"  # answered lists on their way to Postgres
BAD_STREAM = "o:deliveries:bad"  # entries that could not be read
GONE = {"member": "o:gone:member", "place": "o:gone:place"}
KEYS_PER_CALL = 300
EXPOSURES_KEPT_SECONDS = 26 * 3600  # an hour counts for 24 more; the longest hold is 24 hours

# One fact about one number. `slot` tells facts of different meaning about the same number apart.
RECORD = np.dtype([("number", "<i4"), ("slot", "u1"), ("state", "u1"), ("at", "<f8")])
_pack = struct.Struct("<iBBd").pack  # one RECORD; twenty times as fast as an array of one
# A viewer's latest decisions: what they decided when, and when that was told (the later `version` wins).
DECISION = np.dtype([("number", "<i4"), ("slot", "u1"), ("state", "u1"), ("version", "<f8"), ("at", "<f8")])
# What a viewer asked less of, by the first 8 bytes of the event's id; state 2: taken back.
LESS = np.dtype(
    [
        ("event", "<u8"),
        ("number", "<i4"),
        ("surface", "<u4"),
        ("reason", "u1"),
        ("state", "u1"),
        ("at", "<f8"),
    ]
)
ACTIVE = "o:active"  # array by number: hours since 1970-01-01 UTC of the last activity (<i4)
MOVED = "o:moved"  # stream of what changed in the arrays
Records = npt.NDArray[np.void]
Rows = dict[str, list[tuple[int, int, int, float]]]  # records by key


class Call(NamedTuple):
    """One call of a script."""

    script: str
    keys: Sequence[str]
    args: Sequence[Any]


# Somebody whose exposures reached a cap. Another cap of the same kind may let them through.
CAPPED = np.dtype([("number", "<i4"), ("hourly", "u1"), ("cap", "<u2")])

# One candidate in one delivery, from the grant until an impression makes it final: it counts while it waits.
# Released: the time-out passed without an impression, and the count was taken back. `tag`: the second half of
# the delivery's id. Kept for as long as the hour of the grant counts.
EXPOSURE = np.dtype(
    [("number", "<i4"), ("granted", "<u4"), ("due", "<u4"), ("released", "u1"), ("tag", "<u8")]
)

# Slots of the key that holds what is true on every surface.
BLOCKED_BY_VIEWER, BLOCKED_BY_OTHER, CONNECTED, ERASED = 0, 1, 2, 3

# KEYS: one per viewer. ARGV, per key: most records to keep (0: all), packed records.
# A record is found by its first 5 bytes (number, slot). The later `at` wins; on a tie the last writer.
# State 0 says that nothing is left: it is kept, for what it took back may still be on its way. Of too many,
# seven eighths stay, the newest: so the sorting is rare, and history that comes late pushes nothing out.
_MERGE = """
local size = 14
local function newest(data, keep)
  local order, kept = {}, {}
  for i = 1, #data, size do order[#order + 1] = {struct.unpack('<d', data, i + 6), i} end
  table.sort(order, function(x, y) return x[1] > y[1] or (x[1] == y[1] and x[2] > y[2]) end)
  for n = 1, keep / size * 7 / 8 do kept[n] = string.sub(data, order[n][2], order[n][2] + size - 1) end
  return table.concat(kept)
end
for k = 1, #KEYS do
  local keep, given = tonumber(ARGV[2 * k - 1]) * size, ARGV[2 * k]
  local data = redis.call('GET', KEYS[k]) or ''
  local fresh = {}
  local changed = false
  for i = 1, #given, size do
    local record = string.sub(given, i, i + size - 1)
    local name = string.sub(record, 1, 5)
    local found = data ~= '' and string.find(data, name, 1, true) or nil
    while found and (found - 1) % size ~= 0 do
      found = string.find(data, name, found + 1, true)
    end
    if not found then
      fresh[#fresh + 1] = record
    elseif struct.unpack('<d', record, 7) >= struct.unpack('<d', data, found + 6) then
      data = string.sub(data, 1, found - 1) .. record .. string.sub(data, found + size)
      changed = true
    end
  end
  if changed or #fresh > 0 then
    data = data .. table.concat(fresh)
    if keep > 0 and #data > keep then data = newest(data, keep) end
    redis.call('SET', KEYS[k], data)
  end
end
return #KEYS
"""

_MISSED = """
INSERT INTO common_onlinestate (id, run_id, generation, lost_at, trusted, reason, updated_at)
VALUES (1, '', 1, CASE WHEN %s THEN 1 ELSE 0 END, false, %s, now())
ON CONFLICT (id) DO UPDATE SET trusted = false, generation = common_onlinestate.generation + 1,
    lost_at = CASE WHEN %s THEN common_onlinestate.generation + 1 ELSE common_onlinestate.lost_at END,
    reason = excluded.reason, updated_at = now()
"""


@dataclass(frozen=True)
class Belief:
    """What Postgres says of Valkey."""

    run_id: str
    generation: int
    trusted: bool
    reason: str
    lost_at: int = 0  # the generation that began when something was lost which nobody tells again
    behind: timedelta = field(default=clock.NOTHING, compare=False)  # this process's clock behind Postgres's

    def now(self) -> datetime:
        """By Postgres's clock: holds, exposures and caps are counted by one, whichever machine counts."""
        return clock.now() + self.behind


def global_key(viewer: int) -> str:
    """Blocks both ways and connections of a viewer; or that they were erased, and get no list any more."""
    return f"o:g:{viewer}"


def acted_key(surface: str, viewer: int) -> str:
    """Whom (or what) a viewer acted on, on one surface."""
    return f"o:a:{surface}:{viewer}"


def received_key(surface: str, viewer: int) -> str:
    """Who liked a viewer, on one surface."""
    return f"o:l:{surface}:{viewer}"


def session_key(surface: str, viewer: int) -> str:
    """A viewer's latest decisions on one surface (packed DECISION)."""
    return f"o:t:{surface}:{viewer}"


def less_key(viewer: int) -> str:
    """What a viewer asked less of (packed LESS)."""
    return f"o:f:{viewer}"


def unread_key(surface: str) -> str:
    """Array by number: likes that wait unread, at most 255 (u1)."""
    return f"o:unread:{surface}"


def surface_mark(surface: str, kind: str) -> int:
    """A surface in four bytes; an empty one: every surface of this kind of candidate."""
    return zlib.crc32((surface or f"every {kind}").encode())


def seen_key(surface: str, viewer: int) -> str:
    return f"o:s:{surface}:{viewer}"


def held_key(surface: str, viewer: int) -> str:
    return f"o:h:{surface}:{viewer}"


def last_key(surface: str, viewer: int) -> str:
    """What a viewer's last list was drawn from (apps.delivery.last_lists)."""
    return f"o:lists:{surface}:{viewer}"


def counters_key(surface: str) -> str:
    """Exposures per candidate of a surface: (hour as u4, count as u2) pairs, packed."""
    return f"o:c:{surface}"


def exposures_key(surface: str, viewer: int) -> str:
    """Whom a viewer was shown without an impression so far: packed EXPOSURE."""
    return f"o:e:{surface}:{viewer}"


def due_key(surface: str) -> str:
    """Viewers by the second in which the first of their waiting exposures runs out."""
    return f"o:due:{surface}"


def capped_key(surface: str) -> str:
    """Who reached which cap (packed CAPPED), by the second in which they first may be below it again."""
    return f"o:capped:{surface}"


def request_key(key_prefix: str, request_id: object) -> str:
    """What was answered to a request id of one service key."""
    return f"o:q:{key_prefix}:{request_id}"


def merge(client: redis.Redis, records: Rows, keep: int = 0) -> None:
    """Adds (number, slot, state, at) records to their keys. Raises RedisError."""
    merge_each(client, [(records, keep)])


def merge_each(client: redis.Redis, kinds: Iterable[tuple[Rows, int]]) -> None:
    """The same for records of which different numbers are kept, in one call."""
    for call in merging(kinds):
        script(client, call.script)(keys=call.keys, args=call.args)


def merging(kinds: Iterable[tuple[Rows, int]]) -> Iterator[Call]:
    """What `merge_each` calls."""
    found = [(key, keep, rows) for records, keep in kinds for key, rows in records.items()]
    for start in range(0, len(found), KEYS_PER_CALL):
        chunk = found[start : start + KEYS_PER_CALL]
        given: list[int | bytes] = []
        for _, keep, rows in chunk:
            given += keep, packed(rows)
        yield Call(_MERGE, [key for key, _, _ in chunk], given)


def run_together(client: redis.Redis, calls: Sequence[Call]) -> list[Any]:
    """Their answers, sent in one go; each may run twice, in any order. Raises RedisError."""
    anyhow: Any = client
    pipeline = anyhow.pipeline(transaction=False)
    for text, keys, args in calls:
        pipeline.execute_command("EVALSHA", _digest(text), len(keys), *keys, *args)
    answers = pipeline.execute(raise_on_error=False)
    for i, (text, keys, args) in enumerate(calls):
        if isinstance(answers[i], NoScriptError):  # it is kept from now on
            answers[i] = anyhow.execute_command("EVAL", text, len(keys), *keys, *args)
        if isinstance(answers[i], Exception):
            raise answers[i]
    return list(answers)


def packed(records: Sequence[tuple[int, int, int, float]]) -> bytes:
    """Records as a script merges them: one per (number, slot)."""
    return b"".join([_pack(*record) for record in _newest(records)])


def read_records(data: bytes | None) -> Records:
    """The records under one key; none for a missing key."""
    return np.frombuffer(data or b"", RECORD)


def publish_connections(versions: Mapping[tuple[int, int], int], *, connected: bool = True) -> None:
    """Both sides stop (or may start again) seeing each other in lists. Call after the commit.

    By pair the version of this word, taken in the transaction that said so: of two the higher stands.
    """
    records = connection_records((a, b, connected, version) for (a, b), version in versions.items())
    if records:
        write_safely("connection", lambda client: merge(client, records), safety=False)


def connection_records(pairs: Iterable[tuple[int, int, bool, float]]) -> Rows:
    """Records for both sides of (a, b, connected, version)."""
    records: Rows = {}
    for a, b, connected, at in pairs:
        records.setdefault(global_key(a), []).append((b, CONNECTED, int(connected), at))
        records.setdefault(global_key(b), []).append((a, CONNECTED, int(connected), at))
    return records


def write_safely(
    what: str, write: Callable[[redis.Redis], object], *, safety: bool, told_again: bool = False
) -> bool:
    """Runs `write(client)`; whether Valkey took it. If not, Postgres says so, and a safety fact also waits.

    When this returns, either Valkey has the fact or no web process believes Valkey without asking Postgres.
    `told_again`: the caller keeps in Postgres what is to be told when Valkey is back.
    """
    try:
        write(writing_client())
    except redis.RedisError as error:
        log.warning("Valkey did not take a write (%s): %s", what, error)
        mark_missed(f"{what}: {type(error).__name__}", told_again=told_again)
        if safety:
            wait_for_leases()
        return False
    return True


def mark_missed(reason: str, *, told_again: bool = False) -> None:
    """Valkey lacks a fact: it is not to be believed until it caught up, or (not `told_again`) is rebuilt.

    The raised generation also keeps a rebuild that started before from being believed. Raises Unavailable
    without Postgres.
    """
    try:
        with connection.cursor() as cursor:
            cursor.execute(_MISSED, [not told_again, reason[:100], not told_again])
    except DatabaseError as error:
        raise Unavailable("The stores are away. Try again.") from error


def marker(client: redis.Redis) -> int:
    """The generation that the server says it holds; -1 for one that was never built. Raises RedisError."""
    return int(cast("bytes | None", client.get(MARKER)) or -1)


def has_evicted(client: redis.Redis) -> bool:
    """Whether the server has thrown keys away since a rebuild began, or was emptied. Raises RedisError.

    A rebuild writes EVICTIONS with its first step; where it is missing, so are facts.
    """
    return int(cast("bytes | None", client.get(EVICTIONS)) or -1) != evictions(client)


def evictions(client: redis.Redis) -> int:
    """How many keys the server says it has evicted since it started. Raises RedisError."""
    said = cast("Mapping[str, Any]", client.info("stats"))
    return int(said["evicted_keys"])


def wait_for_leases() -> None:
    """Waits until no web process believes Valkey on an old lease, with Postgres there at the end."""
    time.sleep(LEASE_SECONDS + MARGIN_SECONDS)
    try:
        current_belief()
    except DatabaseError as error:
        raise Unavailable("The stores are away. Try again.") from error


_BELIEF = """
SELECT run_id, generation, trusted, reason, lost_at, statement_timestamp()
FROM common_onlinestate WHERE id = 1
"""


def current_belief() -> Belief:
    """What Postgres says of Valkey now, and what the time is; not trusted before the first rebuild."""
    asked_at = clock.now()
    rows = rows_of(_BELIEF)
    if not rows:
        return Belief("", 0, False, "never built")
    run_id, generation, trusted, reason, lost_at, theirs = rows[0]
    behind = clock.behind(theirs, asked_at=asked_at, answered_at=clock.now())
    return Belief(run_id, generation, trusted, reason, lost_at, behind)


@cache
def script(client: redis.Redis, text: str) -> Script:
    """Registered once per client."""
    return client.register_script(text)


@cache
def _digest(text: str) -> str:
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def _newest(records: Sequence[tuple[int, int, int, float]]) -> list[tuple[int, int, int, float]]:
    """One record per (number, slot): the latest, on a tie the last."""
    if len(records) == 1:
        return list(records)
    best: dict[tuple[int, int], tuple[int, int, int, float]] = {}
    for record in records:
        known = best.get(record[:2])
        if known is None or record[3] >= known[3]:
            best[record[:2]] = record
    return list(best.values())
