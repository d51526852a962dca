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
from apps.common.copy_out import columns_of
from apps.interactions.exposure_counts import counters_of, read_exposures, records_of
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
from apps.interactions.signals import MOST_RECEIVED

I32 = npt.NDArray[np.int32]
Columns = dict[str, npt.NDArray[Any]]
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
_RELATIONSHIPS = """
SELECT (CASE state %(cases)s END)::int AS state, actor, target, target_kind = 'member' AS member,
    coalesce(array_position(%%(surfaces)s::text[], surface::text), 0)::int AS place,
    version::float8 AS at
FROM interactions_relationship WHERE surface = '' OR surface = ANY(%%(surfaces)s::text[])
"""
_IMPRESSIONS = f"""
SELECT actor, target, array_position(%(surfaces)s::text[], surface::text) AS place,
    extract(epoch FROM occurred_at)::float8 AS at
FROM interactions_event
WHERE type = 'impression' AND occurred_at > now() - interval '{SEEN.days} days' AND target IS NOT NULL
    AND surface = ANY(%(surfaces)s::text[])
"""
_CONNECTIONS = """
SELECT a_id AS actor, b_id AS target, extract(epoch FROM created_at)::float8 AS at FROM members_connection
"""
_HELD = """
SELECT array_position(%(surfaces)s::text[], surface::text) AS place, viewer, candidate,
    extract(epoch FROM served_at)::float8 + hold_seconds AS until
FROM interactions_delivery, unnest(candidates) AS candidate
WHERE served_at > now() - interval '24 hours' AND served_at + hold_seconds * interval '1 second' > now()
    AND surface = ANY(%(surfaces)s::text[])
"""
GLOBAL_CODE = 100  # stands for every state that holds on all surfaces


def write_relationships(client: redis.Redis, surfaces: Sequence[str]) -> None:
    """Blocks both ways, whom a viewer acted on, likes received."""
    codes = {state: GLOBAL_CODE if state in GLOBAL_STATES else code for state, code in _states()}
    cases = " ".join(f"WHEN '{state}' THEN {code}" for state, code in codes.items())
    types = {
        "state": "int",
        "actor": "int",
        "target": "int",
        "member": "boolean",
        "place": "int",
        "at": "float",
    }
    rows = columns_of(_RELATIONSHIPS % {"cases": cases}, types, {"surfaces": list(surfaces)})
    everywhere = _those(rows, rows["state"] == GLOBAL_CODE)
    _fill_both(client, everywhere, online.BLOCKED_BY_VIEWER, online.BLOCKED_BY_OTHER, online.global_key)
    for place, surface in enumerate(surfaces, 1):
        here = _those(rows, (rows["place"] == place) & (rows["state"] != GLOBAL_CODE))
        people = _those(here, here["member"] > 0)
        liked = _those(people, people["state"] == CODES[State.LIKED])
        both = _those(people, np.isin(people["state"], [CODES[State.MATCHED], CODES[State.UNMATCHED]]))
        owners = np.concatenate([here["actor"], both["target"]])
        acted = np.concatenate(
            [
                _records(here["target"], BY_VIEWER, here["state"], here["at"]),
                _records(both["actor"], BY_OTHER, both["state"], both["at"]),
            ]
        )
        fill(client, partial(online.acted_key, surface), owners, acted)
        answers = _pairs(people["target"], people["actor"])
        answered = np.isin(_pairs(liked["actor"], liked["target"]), answers)
        states = np.where(answered, ANSWERED, WAITING)
        received = _records(liked["actor"], 0, states, liked["at"])
        fill(client, partial(online.received_key, surface), liked["target"], received, keep=MOST_RECEIVED)


def write_seen(client: redis.Redis, surfaces: Sequence[str]) -> None:
    """When each viewer saw whom, once a day."""
    types = {"actor": "int", "target": "int", "place": "int", "at": "float"}
    rows = columns_of(_IMPRESSIONS, types, {"surfaces": list(surfaces)})
    for place, surface in enumerate(surfaces, 1):
        here = _those(rows, rows["place"] == place)
        records = _records(here["target"], here["at"] // 86_400 % 256, 1, here["at"])
        fill(client, partial(online.seen_key, surface), here["actor"], records, keep=MOST_SEEN)


def write_connections(client: redis.Redis) -> None:
    rows = columns_of(_CONNECTIONS, {"actor": "int", "target": "int", "at": "float"}, {})
    _fill_both(client, rows, online.CONNECTED, online.CONNECTED, online.global_key)


def write_held(client: redis.Redis, surfaces: Sequence[str]) -> None:
    types = {"place": "int", "viewer": "int", "candidate": "int", "until": "float"}
    rows = columns_of(_HELD, types, {"surfaces": list(surfaces)})
    for place, surface in enumerate(surfaces, 1):
        here = _those(rows, rows["place"] == place)
        records = _records(here["candidate"], 0, 1, here["until"])
        fill(client, partial(online.held_key, surface), here["viewer"], records, seconds=86_400)


def write_exposures(client: redis.Redis, surfaces: Sequence[str], now: float) -> None:
    """Counters first, then what waits: an impression that comes between finds nothing to undo."""
    found = read_exposures(surfaces, now)
    for surface, counters in counters_of(found).items():
        numbers = list(counters)
        for start in range(0, len(numbers), FIELDS_PER_CALL):
            part = numbers[start : start + FIELDS_PER_CALL]
            fields: dict[Any, Any] = {str(number): counters[number] for number in part}
            client.hset(online.counters_key(surface), mapping=fields)
    for place, surface in enumerate(surfaces):
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
    order = np.lexsort((records["at"], records["slot"], records["number"], owners))
    owners, records = owners[order], records[order]
    same = (owners[1:] == owners[:-1]) & (records["number"][1:] == records["number"][:-1])
    newest = np.append(~(same & (records["slot"][1:] == records["slot"][:-1])), True)[: len(owners)]
    owners, records = owners[newest], records[newest]
    if keep:
        owners, records = latest(owners, records, keep)
    for there in write_in_turn(client, key, owners, records, seconds):
        online.merge(client, there, keep)


def latest(owners: I32, records: npt.NDArray[Any], keep: int) -> tuple[I32, npt.NDArray[Any]]:
    order = np.lexsort((records["at"], owners))
    owners, records = owners[order], records[order]
    ends = np.searchsorted(owners, owners, side="right")
    kept = ends - np.arange(len(owners)) <= keep
    return owners[kept], records[kept]


def write_in_turn(
    client: redis.Redis, key: Callable[[int], str], owners: I32, records: npt.NDArray[Any], seconds: int
) -> list[online.Rows]:
    """Writes owners' records, which stand in their order; those whose keys were there already, by call."""
    unique, starts = np.unique(owners, return_index=True)
    bounds = [*starts.tolist(), len(owners)]
    keys, data, size = [key(owner) for owner in unique.tolist()], records.tobytes(), records.dtype.itemsize
    there = []
    for start in range(0, len(keys), KEYS_PER_FILL):
        stop = min(start + KEYS_PER_FILL, len(keys))
        values = [data[bounds[i] * size : bounds[i + 1] * size] for i in range(start, stop)]
        found = cast("list[int]", _script(client)(keys=keys[start:stop], args=[seconds, *values]))
        if found:
            there.append(
                {keys[start + i]: records[bounds[start + i] : bounds[start + i + 1]].tolist() for i in found}
            )
    return there


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


def _pairs(a: Any, b: Any) -> npt.NDArray[np.int64]:
    """Two numbers as one."""
    return np.asarray(a.astype("i8") << 32 | b.astype("i8"))


def _those(rows: Columns, which: Any) -> Columns:
    return {name: column[which] for name, column in rows.items()}


def _states() -> list[tuple[str, int]]:
    return [(state.value, CODES.get(state, GLOBAL_CODE)) for state in State]


@cache
def _script(client: redis.Redis) -> Script:
    return client.register_script(_FILL)
