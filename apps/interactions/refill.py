"""The online state from Postgres in whole columns: read by COPY, sorted, packed, written key by key.

Gives each viewer's records exactly as apps.interactions.online writes them one by one. A key that somebody
wrote meanwhile is merged, never overwritten: the later fact wins.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import redis
from redis.commands.core import Script

from apps.common import online
from apps.common.copy_out import Columns, columns_of, many_columns_of
from apps.common.valkey import background_client
from apps.interactions.exposure_counts import Exposures, counters_of, records_of
from apps.interactions.online import (
    ANSWERED,
    BY_OTHER,
    BY_VIEWER,
    CODES,
    GLOBAL_STATES,
    MOST_SEEN,
    SEEN,
    WAITING,
    State,
)
from apps.interactions.signals import MOST_RECEIVED, READ, READ_SECONDS, count_unread
from apps.surfaces.selectors import kinds_of_active_surfaces

I32 = npt.NDArray[np.int32]
KEYS_PER_FILL = 1000
FIELDS_PER_CALL = 5000

# KEYS: one per value. ARGV: seconds to keep them (0: for good), then values. Gives which keys were there.
_FILL = """
local found = {}
for k = 1, #KEYS do
  local done
  if ARGV[1] == '0' then done = redis.call('SET', KEYS[k], ARGV[k + 1], 'NX')
  else done = redis.call('SET', KEYS[k], ARGV[k + 1], 'NX', 'EX', ARGV[1]) end
  if not done then found[#found + 1] = k - 1 end
end
return found
"""
# KEYS: just written. ARGV: seconds to keep them.
_EXPIRE = "for k = 1, #KEYS do redis.call('EXPIRE', KEYS[k], ARGV[1]) end"
# ARGV: what the key must hold still, and what instead.
_REPLACE = """
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
return 1
"""
_RELATIONSHIPS = """
SELECT actor, target, (CASE state %(cases)s END)::int AS state, target_kind = 'member' AS member,
    coalesce(array_position(%%(surfaces)s::text[], surface::text), 0)::int AS place,
    version::float8 AS at, decided_at
FROM interactions_relationship WHERE surface = '' OR surface = ANY(%%(surfaces)s::text[])
"""
_RELATIONSHIP = {
    "actor": "int", "target": "int", "state": "int", "member": "boolean", "place": "int", "at": "float",
    "decided_at": "moment",
}  # fmt: skip
_WHO_WHOM = {"actor": "int", "target": "int", "place": "int", "occurred_at": "moment"}
_READS = f"""
SELECT actor, target, coalesce(array_position(%(surfaces)s::text[], surface::text), 0)::int AS place,
    occurred_at
FROM interactions_event
WHERE type = 'like_read' AND target IS NOT NULL
    AND occurred_at > now() - make_interval(secs => {READ_SECONDS})
    AND (surface = '' OR surface = ANY(%(surfaces)s::text[]))
"""
_IMPRESSIONS = f"""
SELECT actor, target, array_position(%(surfaces)s::text[], surface::text) AS place, occurred_at
FROM interactions_event
WHERE type = 'impression' AND occurred_at > now() - interval '{SEEN.days} days' AND target IS NOT NULL
    AND surface = ANY(%(surfaces)s::text[])
"""
_CONNECTIONS = """
SELECT a_id AS actor, b_id AS target, version::float8 AS at FROM members_connection
"""
_HELD = """
SELECT array_position(%(surfaces)s::text[], surface::text) AS place, viewer, candidate,
    extract(epoch FROM served_at)::float8 + hold_seconds AS until
FROM interactions_delivery, unnest(candidates) AS candidate
WHERE served_at > now() - interval '24 hours' AND served_at + hold_seconds * interval '1 second' > now()
    AND surface = ANY(%(surfaces)s::text[])
    AND (%(since)s::float8 IS NULL OR (NOT counted AND copied_at > to_timestamp(%(since)s)))
"""
GLOBAL_CODE = 100  # stands for every state that holds on all surfaces


def read_relationships(surfaces: Sequence[str]) -> Columns:
    """The state of every pair: actor, target, state (a code), member, place, at (its version), decided_at.

    `place`: 0 is everywhere, 1 the first surface. What holds on all surfaces has GLOBAL_CODE.
    """
    codes = {state: GLOBAL_CODE if state in GLOBAL_STATES else code for state, code in _states()}
    cases = " ".join(f"WHEN '{state}' THEN {code}" for state, code in codes.items())
    return many_columns_of(_RELATIONSHIPS % {"cases": cases}, _RELATIONSHIP, {"surfaces": list(surfaces)})


def write_relationships(client: redis.Redis, surfaces: Sequence[str], rows: Columns) -> None:
    """Blocks both ways, whom a viewer acted on."""
    everywhere = _those(rows, rows["state"] == GLOBAL_CODE)
    _fill_both(client, everywhere, online.BLOCKED_BY_VIEWER, online.BLOCKED_BY_OTHER, online.global_key)
    for place, surface in enumerate(surfaces, 1):
        here = _those(rows, (rows["place"] == place) & (rows["state"] != GLOBAL_CODE))
        are_both = np.isin(here["state"], [CODES[State.MATCHED], CODES[State.UNMATCHED]])
        both = _those(here, are_both & (here["member"] > 0))
        owners = np.concatenate([here["actor"], both["target"]])
        acted = np.concatenate(
            [
                _records(here["target"], BY_VIEWER, here["state"], here["at"]),
                _records(both["actor"], BY_OTHER, both["state"], both["at"]),
            ]
        )
        fill(client, partial(online.acted_key, surface), owners, acted)


def read_reads(surfaces: Sequence[str]) -> Columns:
    """Which likes their receivers read: actor (who read), target, place, occurred_at."""
    return many_columns_of(_READS, _WHO_WHOM, {"surfaces": list(surfaces)})


def write_received(client: redis.Redis, surfaces: Sequence[str], rows: Columns, reads: Columns) -> None:
    """Likes received, which of them the viewer read, and how many wait unread.

    The array of those first: whoever finds a key complete afterwards counts right, and of those that were
    there already it is counted again.
    """
    kinds = kinds_of_active_surfaces()
    for place, surface in enumerate(surfaces, 1):
        people = _those(
            rows, (rows["place"] == place) & (rows["member"] > 0) & (rows["state"] != GLOBAL_CODE)
        )
        liked = _those(people, people["state"] == CODES[State.LIKED])
        answered = _among(pairs(liked["actor"], liked["target"]), pairs(people["target"], people["actor"]))
        everywhere = (reads["place"] == 0) & (kinds.get(surface) == "member")
        read = _those(reads, (reads["place"] == place) | everywhere)
        owners = np.concatenate([liked["target"], read["actor"]])
        received = np.concatenate(
            [
                _records(liked["actor"], 0, np.where(answered, ANSWERED, WAITING), liked["at"]),
                _records(read["target"], READ, 1, in_seconds(read["occurred_at"])),
            ]
        )
        owners, received = newest(owners, received, MOST_RECEIVED)
        fill_array(client, online.unread_key(surface), _unread(owners, received))
        key = partial(online.received_key, surface)
        for there in write_in_turn(client, key, owners, received, 0):
            online.merge(client, there, MOST_RECEIVED)
            count_unread(client, surface, there)


def read_impressions(surfaces: Sequence[str]) -> Columns:
    """Who saw whom of late: actor, target, place, occurred_at."""
    return many_columns_of(_IMPRESSIONS, _WHO_WHOM, {"surfaces": list(surfaces)})


def write_seen(client: redis.Redis, surfaces: Sequence[str], rows: Columns) -> None:
    """When each viewer saw whom, once a day."""
    for place, surface in enumerate(surfaces, 1):
        here = _those(rows, rows["place"] == place)
        at = in_seconds(here["occurred_at"])
        records = _records(here["target"], at // 86_400 % 256, 1, at)
        fill(client, partial(online.seen_key, surface), here["actor"], records, keep=MOST_SEEN)


def read_connections() -> Columns:
    """Who is connected with whom, each pair once: actor, target, at (its version)."""
    types = {"actor": "int", "target": "int", "at": "float"}
    return many_columns_of(_CONNECTIONS, types, {})


def write_connections(client: redis.Redis, rows: Columns) -> None:
    _fill_both(client, rows, online.CONNECTED, online.CONNECTED, online.global_key)


def write_erased(client: redis.Redis, numbers: I32) -> None:
    """Who was erased gets no list, whichever process still knows them."""
    nothing = np.zeros(len(numbers))
    fill(client, online.global_key, numbers, _records(nothing, online.ERASED, 1, nothing))


def write_held(client: redis.Redis, surfaces: Sequence[str], *, uncounted_since: float | None = None) -> None:
    """Who is held for whom. `uncounted_since`: only by lists that were answered without Valkey since then."""
    types = {"place": "int", "viewer": "int", "candidate": "int", "until": "float"}
    given = {"surfaces": list(surfaces), "since": uncounted_since}
    rows = columns_of(_HELD, types, given)
    for place, surface in enumerate(surfaces, 1):
        here = _those(rows, rows["place"] == place)
        records = _records(here["candidate"], 0, 1, here["until"])
        fill(client, partial(online.held_key, surface), here["viewer"], records, seconds=86_400)


def write_exposures(client: redis.Redis, found: Exposures) -> None:
    """Counters first, then what waits: an impression that comes between finds nothing to undo."""
    for surface, counters in counters_of(found).items():
        numbers = list(counters)
        for start in range(0, len(numbers), FIELDS_PER_CALL):
            part = numbers[start : start + FIELDS_PER_CALL]
            fields: dict[Any, Any] = {str(number): counters[number] for number in part}
            client.hset(online.counters_key(surface), mapping=fields)
    for place, surface in enumerate(found.surfaces):
        viewers, records = records_of(found, place)
        key = partial(online.exposures_key, surface)
        write_in_turn(client, key, viewers, records, online.EXPOSURES_KEPT_SECONDS)
        waits = records["released"] == 0
        owners, starts = np.unique(viewers[waits], return_index=True)
        first = np.minimum.reduceat(records["due"][waits], starts) if len(owners) else records["due"][:0]
        due = list(zip(owners.tolist(), first.tolist(), strict=True))
        for start in range(0, len(due), FIELDS_PER_CALL):
            scores = {str(viewer): until for viewer, until in due[start : start + FIELDS_PER_CALL]}
            client.zadd(online.due_key(surface), scores)


def fill(
    client: redis.Redis,
    key: Callable[[int], str],
    owners: I32,
    records: npt.NDArray[Any],
    *,
    keep: int = 0,
    seconds: int = 0,
) -> None:
    """Writes the owners' records: of several with one name the latest, at most the latest `keep`."""
    owners, records = newest(owners, records, keep)
    for there in write_in_turn(client, key, owners, records, seconds):
        online.merge(client, there, keep)
        if seconds:
            _script(_EXPIRE)(keys=list(there), args=[seconds], client=client)


def newest(owners: I32, records: npt.NDArray[Any], keep: int = 0) -> tuple[I32, npt.NDArray[Any]]:
    """By owner: of several with one name the latest, and at most the latest `keep`, in order of time."""
    names, slots, at = pairs(owners, records["number"]), records["slot"].copy(), records["at"].copy()
    order = np.lexsort((at, slots, names))
    names, slots = names[order], slots[order]
    last = np.append((names[1:] != names[:-1]) | (slots[1:] != slots[:-1]), True)[: len(names)]
    order = order[last]
    owners, records = owners[order], records[order]
    return latest(owners, records, keep) if keep else (owners, records)


def latest(owners: I32, records: npt.NDArray[Any], keep: int) -> tuple[I32, npt.NDArray[Any]]:
    order = np.lexsort((records["at"].copy(), owners))
    owners, records = owners[order], records[order]
    ends = np.searchsorted(owners, owners, side="right")
    kept = ends - np.arange(len(owners)) <= keep
    return owners[kept], records[kept]


def write_in_turn(
    client: redis.Redis, key: Callable[[int], str], owners: I32, records: npt.NDArray[Any], seconds: int
) -> list[online.Rows]:
    """Writes owners' records, which stand in their order; those whose keys were there already, by call.

    As a rule none was, and one MSETNX does for a thousand keys what a script would do one by one.
    """
    unique, starts = np.unique(owners, return_index=True)
    bounds = [*starts.tolist(), len(owners)]
    keys, data, size = [key(owner) for owner in unique.tolist()], records.tobytes(), records.dtype.itemsize
    there = []
    for start in range(0, len(keys), KEYS_PER_FILL):
        part = range(start, min(start + KEYS_PER_FILL, len(keys)))
        values = {keys[i]: data[bounds[i] * size : bounds[i + 1] * size] for i in part}
        if client.msetnx(cast("dict[Any, Any]", values)):
            if seconds:
                _script(_EXPIRE)(keys=list(values), args=[seconds], client=client)
            continue
        args: list[int | bytes] = [seconds, *values.values()]
        found = cast("list[int]", _script(_FILL)(keys=list(values), args=args, client=client))
        if found:
            there.append(
                {keys[start + i]: records[bounds[start + i] : bounds[start + i + 1]].tolist() for i in found}
            )
    return there


def fill_array(client: redis.Redis, key: str, values: npt.NDArray[Any]) -> None:
    """Writes an array by number, beside what others wrote to it meanwhile: the greater value stays."""
    while len(values):
        there = cast("bytes | None", client.get(key)) or b""
        found = np.frombuffer(there, values.dtype)
        merged = np.zeros(max(len(found), len(values)), values.dtype)
        merged[: len(values)] = values
        merged[: len(found)] = np.maximum(merged[: len(found)], found)
        if _script(_REPLACE)(keys=[key], args=[there, merged.tobytes()], client=client):
            return


def in_seconds(moments: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    return np.asarray(moments / 1e6)


def pairs(a: Any, b: Any) -> npt.NDArray[np.int64]:
    """Two numbers as one."""
    return np.asarray(a.astype("i8") << 32 | b.astype("i8"))


def _fill_both(client: redis.Redis, rows: Columns, mine: int, theirs: int, key: Callable[[int], str]) -> None:
    owners = np.concatenate([rows["actor"], rows["target"]])
    records = np.concatenate(
        [_records(rows["target"], mine, 1, rows["at"]), _records(rows["actor"], theirs, 1, rows["at"])]
    )
    fill(client, key, owners, records)


def _records(number: Any, slot: Any, state: Any, at: Any) -> npt.NDArray[Any]:
    records = np.empty(len(number), online.RECORD)
    records["number"], records["slot"], records["state"], records["at"] = number, slot, state, at
    return records


def _among(wanted: npt.NDArray[np.int64], known: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """numpy.isin, several times as fast for a million distinct values. `known`: at least one."""
    known = np.sort(known)
    return np.asarray(known[np.searchsorted(known, wanted).clip(max=len(known) - 1)] == wanted)


def _unread(owners: I32, received: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """By number: how many likes wait that the owner has not read, at most 255."""
    waits = (received["slot"] != READ) & (received["state"] == WAITING)
    names = pairs(owners, received["number"])
    unread = waits & ~np.isin(names, names[received["slot"] == READ])
    return np.asarray(np.minimum(np.bincount(owners[unread]), 255).astype("u1"))


def _those(rows: Columns, which: Any) -> Columns:
    return {name: column[which] for name, column in rows.items()}


def _states() -> list[tuple[str, int]]:
    return [(state.value, CODES.get(state, GLOBAL_CODE)) for state in State]


@cache
def _script(text: str) -> Script:
    return background_client().register_script(text)
