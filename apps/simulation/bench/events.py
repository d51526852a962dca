"""Events a second through the API, and CPU per event beside a `COPY` of the same rows in the same run.

One API process takes batches over HTTP; then this process copies what it stored, in the same batches and
commits and over as many connections, into a table with the same columns, constraints and indexes and this
month's events in it. Postgres counts on both sides, Valkey on the API's. Beside it stands the cheapest copy
there is: over one connection into an empty table, while the other core rests. Then passes are timed until the
next list, likes until a candidate's inbox counts as fuller, and lists with all that the last minutes said are
served beside lists without, in one thread. It leaves events behind.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import orjson
import psycopg
from django.core.management.base import CommandError
from django.db import connection

from apps.common import clock
from apps.delivery import runtime as runtimes
from apps.interactions.delivery_ids import new_delivery_id
from apps.interactions.models import EventType
from apps.interactions.relationships import DECISIVE
from apps.policies.schema import put
from apps.releases.models import Release
from apps.releases.services import start_revision
from apps.simulation.bench.effect import measure_crowd, measure_effect
from apps.simulation.bench.market import ensure_market_of, ensure_snapshots, service_key
from apps.simulation.bench.paired import WARM, paired_cost
from apps.simulation.bench.processes import api, cpu_seconds
from apps.simulation.bench.servers import postgres_cpu_seconds, valkey_cpu_seconds
from apps.simulation.bench.serving import publish

DRIVER = Path(__file__).with_name("posting.py")
PATH = "/api/v1/events"
SURFACE, LIMIT = "dating", 20
MOST_PER_SECOND = 15_000  # bodies are made beforehand
WARM_BATCHES = 50
CROWDS = 50  # viewers of whom a candidate's inbox is filled
MIX = {  # shares of what members of the simulated market do, with a little of everything
    "impression": 0.50, "profile_view": 0.12, "like": 0.12, "pass": 0.16, "like_read": 0.02, "message": 0.03,
    "reply": 0.02, "match": 0.005, "unmatch": 0.003, "block": 0.005, "unblock": 0.002, "report": 0.001,
    "undo": 0.008, "feedback": 0.006,
}  # fmt: skip
ABOUT_A_LIST = frozenset({"impression", "profile_view", "like", "pass"})
# All that a list takes from the last minutes and days, and what is counted and held for it.
LIVE: Mapping[str, float] = {
    "session_reach": 0.3, "likes_share": 0.1, "weights.fatigue": -0.1, "weights.inbox_load": -0.1,
    "weights.presence": 0.1, "weights.less_like_this": -0.3, "daily_cap": 200, "hourly_cap": 60,
    "hold_minutes": 30,
}  # fmt: skip
ROUND = ("per_second", "cpu_ratio_copy", "cpu_us", "api_cpu_us", "postgres_cpu_us", "valkey_cpu_us",
         "copy_cpu_us", "cpu_ratio_copy_alone", "copy_alone_cpu_us", "p50_ms", "p99_ms")  # fmt: skip
MOST_BEFORE = 1_000_000  # rows in the table that is copied into
_COLUMNS = (
    "id, type, actor, target, target_kind, surface, delivery, position, occurred_at, received_at, context"
)


@dataclass(frozen=True)
class Plan:
    """What to measure."""

    members: int = 50_000
    seconds: float = 3.0  # per round
    repeat: int = 5
    batch: int = 100
    connections: int = 4
    effects: int = 100  # passes that are timed, and a third of the viewers who are served in turn


@dataclass(frozen=True)
class Person:
    id: str
    number: int


def bench_events(plan: Plan, say: Callable[[str], object]) -> dict[str, float | None]:
    """Figures by name. Raises CommandError when an event was not accepted."""
    ensure_market_of(plan.members, say)
    ensure_snapshots(1, say)
    people, key, releases = _people(), service_key("all"), _releases()
    draw = np.random.default_rng()
    rounds = []
    with api(workers=1) as (port, pid), _table("bench_copy", full=True) as full:
        post = Posting(port, pid, key, plan)
        make = partial(make_batch, people, plan.batch, draw)
        post.measure([make() for _ in range(WARM_BATCHES)])
        for i in range(plan.repeat):
            count = int(plan.seconds * MOST_PER_SECOND / plan.batch)
            rounds.append(_round(post, [make() for _ in range(count)], plan, full))
            say(_line(i + 1, rounds[-1]))
        viewers = [people[i].id for i in draw.integers(0, len(people), plan.effects)]
        effect = measure_effect(port, key, viewers, SURFACE)
        likers = [people[i].id for i in draw.permutation(len(people))]
        crowd = measure_crowd(port, key, viewers[:CROWDS], likers, SURFACE)
    served = [people[i].id for i in draw.integers(0, len(people), WARM + 3 * plan.effects)]
    added = paired_cost(releases, served, SURFACE, LIMIT)
    runtimes.stop()
    say(f"signals, caps and holds, in one thread, request by request in turn: {added}")
    return {
        **{name: statistics.median(one[name] for one in rounds) for name in ROUND},
        "effect_p99_ms": float(np.percentile(effect, 99)) if effect else None,
        "effect_crowd_p99_ms": float(np.percentile(crowd, 99)) if crowd else None,
        "serve_added_cpu_ms": added["added_median_ms"],
        **{f"serve_{name}": value for name, value in added.items()},
        "decisive_share": sum(share for kind, share in MIX.items() if kind in DECISIVE),
    }


def _releases() -> tuple[Release, Release]:
    """One without what is in LIVE, and one with it."""
    made = []
    for is_on in (False, True):
        draft = start_revision(actor=None, title="Benchmark")
        content = deepcopy(draft.content)
        for knob, value in LIVE.items():
            put(content["surfaces"][SURFACE], knob, value if is_on else 0)
        draft.content = content
        made.append(publish(draft))
    return made[0], made[1]


class Posting:
    """Posts batches to one server, and counts the CPU of all who work on them."""

    def __init__(self, port: int, pid: int, key: dict[str, str], plan: Plan) -> None:
        self.port, self.pid, self.plan = port, pid, plan
        self.headers = {"Content-Type": "application/json", **key}

    def measure(self, batches: Sequence[Sequence[dict[str, Any]]]) -> dict[str, Any]:
        with tempfile.NamedTemporaryFile() as file:
            file.write(b"\n".join(orjson.dumps(batch) for batch in batches))
            file.flush()
            before = self._cpu()
            seen = self._drive(file.name)
            api, postgres, valkey = (now - then for now, then in zip(self._cpu(), before, strict=True))
        if set(seen["statuses"]) != {"200"} or seen["accepted"] != seen["batches"] * self.plan.batch:
            raise CommandError(f"Not all events were accepted: {seen}")
        per_event = 1e6 / seen["accepted"]
        return seen | {
            "api_cpu_us": round(api * per_event, 1),
            "postgres_cpu_us": round(postgres * per_event, 1),
            "valkey_cpu_us": round(valkey * per_event, 1),
            "cpu_us": round((api + postgres + valkey) * per_event, 1),
        }

    def _drive(self, file: str) -> dict[str, Any]:
        command = [sys.executable, str(DRIVER), str(self.port), str(self.plan.seconds)]
        command += [str(self.plan.connections), file]
        said = orjson.dumps({"path": PATH, "headers": self.headers})
        done = subprocess.run(
            command, input=said, capture_output=True, timeout=self.plan.seconds + 120, check=False
        )
        if done.returncode:
            raise CommandError(f"The load driver failed: {done.stderr.decode()[-500:]}")
        found: dict[str, Any] = orjson.loads(done.stdout)
        return found

    def _cpu(self) -> tuple[float, float, float]:
        return cpu_seconds(self.pid), postgres_cpu_seconds(), valkey_cpu_seconds()


def _round(
    post: Posting, batches: Sequence[Sequence[dict[str, Any]]], plan: Plan, full: str
) -> dict[str, Any]:
    seen = post.measure(batches)
    rows = _stored(batches[: seen["batches"]])
    copied = [rows[start : start + plan.batch] for start in range(0, len(rows), plan.batch)]
    beside = _copy(full, copied, plan.connections)
    with _table("bench_copy_alone", full=False) as empty:
        alone = _copy(empty, copied, 1)
    return seen | {
        "copy_cpu_us": beside,
        "copy_alone_cpu_us": alone,
        "cpu_ratio_copy": round(seen["cpu_us"] / beside, 2),
        "cpu_ratio_copy_alone": round(seen["cpu_us"] / alone, 2),
    }


def _copy(table: str, batches: Sequence[Sequence[tuple[Any, ...]]], connections: int) -> float:
    """CPU microseconds per row of copying these: this process and Postgres."""
    with ThreadPoolExecutor(connections) as pool:
        before = time.process_time() + postgres_cpu_seconds()
        list(pool.map(partial(_copy_some, table), [batches[i::connections] for i in range(connections)]))
        took = time.process_time() + postgres_cpu_seconds() - before
    return round(took * 1e6 / sum(map(len, batches)), 2)


def _copy_some(table: str, batches: Sequence[Sequence[tuple[Any, ...]]]) -> None:
    with (
        psycopg.connect(**connection.get_connection_params(), autocommit=True) as own,
        own.cursor() as cursor,
    ):
        for rows in batches:
            with cursor.copy(f"COPY {table} ({_COLUMNS}) FROM STDIN") as copy:  # each commits by itself
                for row in rows:
                    copy.write_row(row)


@contextmanager
def _table(name: str, *, full: bool) -> Iterator[str]:
    """Like that of events: with this month's of before the last hour in it, or empty. Nothing cleans it up
    meanwhile, and both tables start from the same checkpoint."""
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS {name}")
        cursor.execute(
            f"CREATE TABLE {name} (LIKE interactions_event INCLUDING ALL) WITH (autovacuum_enabled = off)"
        )
        if full:
            cursor.execute(
                f"INSERT INTO {name} ({_COLUMNS}) SELECT {_COLUMNS} FROM interactions_event "
                "WHERE occurred_at > now() - interval '31 days' AND received_at < now() - interval '1 hour' "
                "LIMIT %s",
                [MOST_BEFORE],
            )
            cursor.execute(f"VACUUM ANALYZE {name}")
            cursor.execute("CHECKPOINT")
        yield name
        cursor.execute(f"DROP TABLE {name}")


def _stored(batches: Sequence[Sequence[dict[str, Any]]]) -> list[tuple[Any, ...]]:
    """The rows of these events as Postgres has them, in the order sent."""
    ids = [UUID(event["id"]) for batch in batches for event in batch]
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {_COLUMNS.replace('context', 'context::text')} FROM interactions_event "
            "WHERE received_at > now() - interval '1 hour'"
        )
        found = {row[0]: row for row in cursor.fetchall()}
    return [found[one] for one in ids]


def _people() -> list[Person]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT external_id, number FROM members_member ORDER BY number")
        return [Person(*row) for row in cursor.fetchall()]


def make_batch(people: Sequence[Person], size: int, draw: np.random.Generator) -> list[dict[str, Any]]:
    """New events of the mix; an undo takes back one of its own batch."""
    kinds = draw.choice(list(MIX), size, p=np.array(list(MIX.values())) / sum(MIX.values())).tolist()
    pairs = draw.integers(0, len(people), (size, 2)).tolist()
    now = clock.now().isoformat()
    events: list[dict[str, Any]] = []
    for kind, (a, b) in zip(kinds, pairs, strict=True):
        events.append(_event(kind, people[a], people[b if a != b else b - 1], now, events))
    return events


def _event(
    kind: str, actor: Person, target: Person, now: str, before: list[dict[str, Any]]
) -> dict[str, Any]:
    said: dict[str, Any] = {"id": str(uuid4()), "occurred_at": now}
    if kind == EventType.UNDO:
        mine = next((one for one in before if one["type"] in ("like", "pass")), None)
        if mine is None:
            return _event("like", actor, target, now, before)
        return said | {"type": kind, "actor": mine["actor"], "target": mine["id"]}
    said |= {"type": kind, "actor": actor.id, "target": target.id, "surface": SURFACE}
    if kind in ABOUT_A_LIST:
        said |= {"delivery": str(new_delivery_id(actor.number)), "position": len(before) % 20}
        said |= {"context": {"platform": "ios", "app_version": "5.2.0"}}
    return said


def _line(number: int, found: dict[str, Any]) -> str:
    return (
        f"round {number}: {found['per_second']:,.0f} events a second, p99 {found['p99_ms']} ms a batch; "
        f"{found['cpu_us']} µs CPU an event (API {found['api_cpu_us']}, Postgres {found['postgres_cpu_us']}, "
        f"Valkey {found['valkey_cpu_us']}), {found['cpu_ratio_copy']} times COPY ({found['copy_cpu_us']} "
        f"µs), {found['cpu_ratio_copy_alone']} times one alone ({found['copy_alone_cpu_us']} µs)"
    )
