"""The first page: what waits for staff (waiting.py), and what the lists led to over the last 30 days.

The figures are counted in the background (apps.interactions.daily); figures.py turns them into charts.
Days are UTC.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from redis import RedisError

from apps.common.clock import now, today
from apps.common.local_time import written
from apps.common.models import OnlineState
from apps.common.valkey import background_client
from apps.console.figures import draw
from apps.console.waiting import waiting
from apps.interactions.daily import DAYS
from apps.interactions.models import DailyFigure
from apps.refresh.models import RefreshJob, SnapshotRow
from apps.releases.models import Release
from apps.releases.selectors import live_release
from apps.surfaces.models import Surface

STALE_AFTER = timedelta(hours=1)

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
    rows = list(DailyFigure.objects.filter(day__gte=days[0]))
    charts = [
        draw(title, sentence, values, surfaces, days, releases, percent=percent)
        for title, sentence, values, percent in daily_figures(rows)
    ]
    return {
        "waiting": waiting(),
        "tiles": tiles(),
        "charts": charts,
        "is_empty": not any(chart.series for chart in charts),
        "counted_at": max((row.counted_at for row in rows), default=None),
    }


def daily_figures(rows: Sequence[DailyFigure]) -> list[tuple[str, str, Daily, bool]]:
    """Question, sentence, value by (surface, day), whether it is a share."""
    likes = with_zeros({(row.surface, row.day): float(row.likes) for row in rows if row.likes})
    delivered = {(row.surface, row.day): row for row in rows if row.deliveries}
    one_sided = set(Surface.objects.filter(kind="place").values_list("key", flat=True))
    matched = {key: row for key, row in delivered.items() if key[0] not in one_sided}
    return [
        ("How many likes are there a day?", "Likes on people, saves of places.", likes, False),
        (
            "How many matches do a hundred lists lead to?",
            "People who found each other, for every hundred lists. Places have no matches.",
            {key: 100 * row.matches / row.deliveries for key, row in matched.items()},
            False,
        ),
        (
            "How many lists come back empty?",
            "Share of all lists. Above a few percent, read the traces of those deliveries.",
            {key: row.empty / row.deliveries for key, row in delivered.items()},
            True,
        ),
        (
            "How unevenly are people shown?",
            "Exposure Gini of those who were shown: 0 all alike, 1 one person takes everything.",
            {key: row.gini for key, row in delivered.items() if row.gini is not None},
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
        Tile("Live release", f"Release {release.number}", f"since {written(release.published_at)}"),
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
