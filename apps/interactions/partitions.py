"""Monthly partitions of events and deliveries: made when first needed, or ahead (upkeep.py)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from django.db import connection, transaction

PARTITIONED = ("interactions_event", "interactions_delivery")
_known: set[tuple[str, int, int]] = set()


def ensure_partitions(table: str, times: Iterable[datetime]) -> None:
    """Makes the months that hold `times` (aware); free once a process knows it. ValueError: other table."""
    if table not in PARTITIONED:
        raise ValueError(f"{table} is not partitioned")
    months = {(t.year, t.month) for t in (time.astimezone(UTC) for time in times)}
    for year, month in sorted(months):
        if (table, year, month) not in _known:
            _make_month(table, year, month)


def drop_partition(name: str) -> None:
    """Raises OperationalError when somebody uses it: whoever waited would make every batch wait too."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '1s'")
        cursor.execute(f"DROP TABLE {name}")
    _known.clear()


def _make_month(table: str, year: int, month: int) -> None:
    start = datetime(year, month, 1, tzinfo=UTC)
    end = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)
    with transaction.atomic(), connection.cursor() as cursor:
        # Two processes may want the same month at once; the lock makes the second one wait, then see it.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [table])
        cursor.execute(
            f"CREATE TABLE IF NOT EXISTS {table}_{year:04d}_{month:02d} PARTITION OF {table} "
            f"FOR VALUES FROM ('{start.isoformat()}') TO ('{end.isoformat()}')"
        )
    if not connection.in_atomic_block:  # a roll-back would take the month with it
        _known.add((table, year, month))
