"""Simulating a market through the services, beside COPY of the same rows into tables like theirs.

Gives time and CPU by stage, of this process and of both stores, and memory. COPY takes the rows as they came
to be, into the same constraints and indexes, and nothing else: nobody checks, decides, audits or tells
anything. A repeat writes another market beside those before, of the next seed.
"""

from __future__ import annotations

import itertools
import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

from django.db import connection

from apps.simulation.bench.servers import postgres_cpu_seconds, valkey_cpu_seconds
from apps.simulation.services import simulate_market, world_for
from apps.simulation.store import kept_world
from apps.simulation.world import World

MEMBERS_A_PLACE = 10
TABLES = (
    "places_place", "members_member", "members_connection", "members_trip", "interactions_event",
    "interactions_relationship", "interactions_delivery",
)  # fmt: skip
_COLUMNS = """
SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
"""

Say = Callable[[str], object]


@dataclass(frozen=True)
class Plan:
    """What to measure."""

    members: int = 20_000
    days: int = 3  # of events
    repeat: int = 1


class Watch:
    """Seconds since the last look: on the clock, and of CPU of this process, Postgres and Valkey."""

    NAMES = ("seconds", "process_cpu_seconds", "postgres_cpu_seconds", "valkey_cpu_seconds")

    def __init__(self) -> None:
        self._before = self._now()

    def look(self) -> dict[str, float]:
        now = self._now()
        took = {name: now[name] - self._before[name] for name in self.NAMES}
        self._before = now
        return took | {"cpu_seconds": sum(took[name] for name in self.NAMES[1:])}

    def _now(self) -> dict[str, float]:
        times = (time.monotonic(), time.process_time(), postgres_cpu_seconds(), valkey_cpu_seconds())
        return dict(zip(self.NAMES, times, strict=True))


def bench_simulate(plan: Plan, say: Say) -> dict[str, float | None]:
    """Figures by name, medians of the repeats."""
    rounds = []
    for _ in range(plan.repeat):
        rounds.append(_round(plan, say))
        one = rounds[-1]
        say(
            f"{one['rows_per_second']:,.0f} rows a second, {one['cpu_us_per_row']:.0f} µs CPU a row, "
            f"{one['cpu_ratio_copy']:.1f} times COPY ({one['copy_cpu_us_per_row']:.1f} µs)"
        )
    return {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}


def _round(plan: Plan, say: Say) -> dict[str, float]:
    seed = next(seed for seed in itertools.count(World.seed) if kept_world(seed) is None)
    places = max(1, plan.members // MEMBERS_A_PLACE)
    world = world_for(members=plan.members, places=places, days=plan.days, seed=seed)
    rows_before, watch = _rows(), Watch()
    stages: dict[str, dict[str, float]] = {}
    written = simulate_market(world, say=say, ended=lambda stage: stages.update({stage: watch.look()}))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    total = {name: sum(took[name] for took in stages.values()) for name in (*Watch.NAMES, "cpu_seconds")}
    rows = _rows()
    copied = {name: took / rows for name, took in _copy().items()}  # of earlier markets too
    added = rows - rows_before
    return {
        "members": float(written.members),
        "events": float(written.events),
        "rows": float(added),
        "days": float(plan.days),
        **total,
        **{
            f"{name}_{stage}": took[name]
            for stage, took in stages.items()
            for name in ("seconds", "cpu_seconds")
        },
        "events_per_second": written.events / stages["events"]["seconds"],
        "rows_per_second": added / total["seconds"],
        "cpu_us_per_row": total["cpu_seconds"] / added * 1e6,
        "copy_rows_per_second": 1 / copied["seconds"],
        "copy_cpu_us_per_row": copied["cpu_seconds"] * 1e6,
        "cpu_ratio_copy": total["cpu_seconds"] / added / copied["cpu_seconds"],
        "peak_gib": peak,
    }


def _copy() -> dict[str, float]:
    """What it takes to copy every row of the tables into tables like them; reading them is not counted."""
    total = dict.fromkeys((*Watch.NAMES, "cpu_seconds"), 0.0)
    with connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(_COLUMNS, [table])
            (columns,) = cursor.fetchone()
            with cursor.copy(f"COPY (SELECT {columns} FROM {table}) TO STDOUT (FORMAT binary)") as out:
                rows = [bytes(part) for part in out]
            cursor.execute(f"CREATE TABLE bench_copy (LIKE {table} INCLUDING ALL)")
            watch = Watch()
            with cursor.copy(f"COPY bench_copy ({columns}) FROM STDIN (FORMAT binary)") as into:
                for part in rows:
                    into.write(part)
            took = watch.look()
            total = {name: total[name] + took[name] for name in total}
            cursor.execute("DROP TABLE bench_copy")
    return total


def _rows() -> int:
    found = 0
    with connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(f"SELECT count(*) FROM {table}")
            found += cursor.fetchone()[0]
    return found
