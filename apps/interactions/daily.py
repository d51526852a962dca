"""The figures of a day, counted in the background: a page of a month would have to read everything.

Takes events, relationships and deliveries, gives DailyFigure rows. A day counted again is corrected, so it is
safe to repeat. What arrives more than a day late is not counted. Days are UTC.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.db import connection
from django.db.models import Max

from apps.common import clock
from apps.interactions.models import DailyFigure

DAYS = 30  # that are counted when nothing is counted yet

_LIKES = """
    SELECT surface, (occurred_at AT TIME ZONE 'UTC')::date, count(*) FROM interactions_event
    WHERE occurred_at >= %s AND type IN ('like', 'save') AND surface <> '' GROUP BY 1, 2
"""
_MATCHES = """
    SELECT surface, (decided_at AT TIME ZONE 'UTC')::date, count(*) FROM interactions_relationship
    WHERE decided_at >= %s AND state = 'matched' AND actor < target GROUP BY 1, 2
"""
_DELIVERIES = """
    SELECT surface, (served_at AT TIME ZONE 'UTC')::date, count(*),
        count(*) FILTER (WHERE cardinality(candidates) = 0)
    FROM interactions_delivery WHERE served_at >= %s GROUP BY 1, 2
"""
# Gini of exposures among those shown that day: 2 * sum(i * n_i) / (k * sum(n)) - (k + 1) / k, n ascending.
_GINI = """
    WITH shown AS (
        SELECT surface, (served_at AT TIME ZONE 'UTC')::date AS day, candidate, count(*) AS n
        FROM interactions_delivery, unnest(candidates) AS candidate WHERE served_at >= %s GROUP BY 1, 2, 3
    ), ranked AS (
        SELECT surface, day, n, row_number() OVER (PARTITION BY surface, day ORDER BY n) AS i FROM shown
    )
    SELECT surface, day, 2.0 * sum(i * n) / (count(*) * sum(n)) - (count(*) + 1.0) / count(*)
    FROM ranked GROUP BY 1, 2
"""
_FIGURES = {
    ("likes",): _LIKES,
    ("matches",): _MATCHES,
    ("deliveries", "empty"): _DELIVERIES,
    ("gini",): _GINI,
}


def count_days() -> int:
    """Counts from the day before the last one counted until today; how many rows that made."""
    return count_since(first_uncounted())


def first_uncounted() -> date:
    """The day to count from: one day back, since what happened arrives late."""
    earliest = clock.today() - timedelta(days=DAYS - 1)
    last: date | None = DailyFigure.objects.aggregate(last=Max("day"))["last"]
    return earliest if last is None else max(earliest, min(last, clock.today()) - timedelta(days=1))


def count_since(first: date) -> int:
    """Counts every day from `first` on, one statement per figure."""
    since, counted_at = datetime.combine(first, time(), UTC), clock.now()
    found: dict[tuple[str, date], dict[str, Any]] = {}
    for names, sql in _FIGURES.items():
        for surface, day, *values in _rows(sql, since):
            found.setdefault((surface, day), {}).update(zip(names, values, strict=True))
    rows = [
        DailyFigure(surface=surface, day=day, counted_at=counted_at, **figures)
        for (surface, day), figures in sorted(found.items())
    ]
    fields = [*(name for names in _FIGURES for name in names), "counted_at"]
    DailyFigure.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["day", "surface"], update_fields=fields
    )
    return len(rows)


def _rows(sql: str, since: datetime) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, [since])
        return list(cursor.fetchall())
