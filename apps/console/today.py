"""The first page: what waits for staff (waiting.py), and what the lists led to over the last 30 days.

One set-based query per figure, from events, relationships and deliveries; figures.py turns them into charts.
Days are UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.core.cache import cache
from django.db import connection
from redis import RedisError

from apps.common.clock import now, today
from apps.common.models import OnlineState
from apps.common.valkey import background_client
from apps.console.figures import draw
from apps.console.waiting import waiting
from apps.refresh.models import RefreshJob, SnapshotRow
from apps.releases.models import Release
from apps.releases.selectors import live_release
from apps.surfaces.models import Surface

DAYS = 30
FRESH_SECONDS = 60
STALE_AFTER = timedelta(hours=1)

LIKES = """
    SELECT surface, (occurred_at AT TIME ZONE 'UTC')::date, count(*) FROM interactions_event
    WHERE occurred_at >= %s AND type IN ('like', 'save') AND surface <> '' GROUP BY 1, 2
"""
MATCHES = """
    SELECT surface, (decided_at AT TIME ZONE 'UTC')::date, count(*) FROM interactions_relationship
    WHERE decided_at >= %s AND state = 'matched' AND actor < target GROUP BY 1, 2
"""
DELIVERIES = """
    SELECT surface, (served_at AT TIME ZONE 'UTC')::date, count(*),
        count(*) FILTER (WHERE cardinality(candidates) = 0)
    FROM interactions_delivery WHERE served_at >= %s GROUP BY 1, 2
"""
# Gini of exposures among those shown that day: 2 * sum(i * n_i) / (k * sum(n)) - (k + 1) / k, n ascending.
GINI = """
    WITH shown AS (
        SELECT surface, (served_at AT TIME ZONE 'UTC')::date AS day, candidate, count(*) AS n
        FROM interactions_delivery, unnest(candidates) AS candidate WHERE served_at >= %s GROUP BY 1, 2, 3
    ), ranked AS (
        SELECT surface, day, n, row_number() OVER (PARTITION BY surface, day ORDER BY n) AS i FROM shown
    )
    SELECT surface, day, 2.0 * sum(i * n) / (count(*) * sum(n)) - (count(*) + 1.0) / count(*)
    FROM ranked GROUP BY 1, 2
"""

Daily = dict[tuple[str, date], float]


@dataclass(frozen=True)
class Tile:
    """A fact at the top of the page."""

    label: str
    value: str
    mark: str = ""
    colour: str = ""


def today_page() -> dict[str, Any]:
    """Everything the template needs."""
    end = today()
    days = [end - timedelta(days=DAYS - 1 - i) for i in range(DAYS)]
    since = datetime.combine(days[0], time(), UTC)
    surfaces = list(Surface.objects.filter(is_active=True))
    releases = list(Release.objects.filter(published_at__gte=since).order_by("published_at"))
    # A million exposures take two seconds to weigh; nobody needs the figures fresher than a minute.
    figures = cache.get_or_set(f"console.figures.{end}", lambda: daily_figures(since), FRESH_SECONDS) or []
    charts = [
        draw(title, sentence, values, surfaces, days, releases, percent=percent)
        for title, sentence, values, percent in figures
    ]
    return {
        "waiting": waiting(),
        "tiles": tiles(),
        "charts": charts,
        "is_empty": not any(chart.series for chart in charts),
    }


def daily_figures(since: datetime) -> list[tuple[str, str, Daily, bool]]:
    """Title, sentence, value by (surface, day), whether it is a share."""
    likes = with_zeros({(s, d): float(n) for s, d, n in _rows(LIKES, since)})
    matches = {(s, d): int(n) for s, d, n in _rows(MATCHES, since)}
    delivered = {(s, d): (int(n), int(empty)) for s, d, n, empty in _rows(DELIVERIES, since)}
    gini = {(s, d): float(g) for s, d, g in _rows(GINI, since)}
    one_sided = set(Surface.objects.filter(kind="place").values_list("key", flat=True))
    return [
        ("Likes", "Likes on people, saves on places, per day.", likes, False),
        (
            "Matches per 100 deliveries",
            "How many people found each other for every hundred lists. Places have no matches.",
            {
                key: 100 * matches.get(key, 0) / n
                for key, (n, _) in delivered.items()
                if key[0] not in one_sided
            },
            False,
        ),
        (
            "Zero-result rate",
            "Share of lists that came back empty. Above a few percent, read the traces of those deliveries.",
            {key: empty / n for key, (n, empty) in delivered.items()},
            True,
        ),
        (
            "Exposure Gini",
            "How unevenly those who were shown were shown: 0 all alike, 1 one person takes everything.",
            gini,
            False,
        ),
    ]


def with_zeros(counts: Daily) -> Daily:
    """A day without a row had none: zeros from a surface's first day in the window until today."""
    first = {surface: min(day for s, day in counts if s == surface) for surface, _ in counts}
    return {
        (surface, day): counts.get((surface, day), 0.0)
        for surface, start in first.items()
        for day in (start + timedelta(days=i) for i in range((today() - start).days + 1))
    } | counts


def tiles() -> list[Tile]:
    """Release, snapshot, refresh, stores: is everything in order?"""
    release = live_release()
    return [
        Tile("Live release", f"Release {release.number}", f"since {release.published_at:%d %b %H:%M}"),
        _snapshot_tile(),
        _refresh_tile(),
        _online_tile(),
    ]


def _snapshot_tile() -> Tile:
    active = SnapshotRow.objects.filter(status="active").first()
    if active is None:
        return Tile("Snapshot", "None yet", "run a refresh", "warn")
    age = now() - active.built_at
    return Tile("Snapshot age", _age(age), *(("stale", "warn") if age > STALE_AFTER else ("fresh", "good")))


def _refresh_tile() -> Tile:
    job = RefreshJob.objects.first()
    if job is None:
        return Tile("Last refresh", "Never", "start the worker", "warn")
    colours = {"done": "good", "failed": "bad", "running": "info", "queued": "info"}
    return Tile(
        "Last refresh",
        _ago(now() - job.created_at),
        job.get_status_display().lower(),
        colours[job.status],
    )


def _online_tile() -> Tile:
    try:
        background_client().ping()
    except RedisError:
        return Tile("Online state", "Valkey is away", "lists follow Postgres", "bad")
    state = OnlineState.objects.first()
    if state is None or not state.trusted:
        return Tile(
            "Online state", "Being rebuilt", (state.reason if state else "") or "not trusted yet", "warn"
        )
    return Tile("Online state", "Trusted", "in order", "good")


def _age(age: timedelta) -> str:
    minutes = int(age.total_seconds() // 60)
    if minutes < 90:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 1440} days"


def _ago(age: timedelta) -> str:
    return "Just now" if age < timedelta(minutes=1) else f"{_age(age)} ago"


def _rows(sql: str, since: datetime) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, [since])
        return cursor.fetchall()
