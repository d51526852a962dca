"""Turns floors and share targets into small corrections of prices, once a minute, from what was delivered.

One transaction per surface reads the step before, measures the deliveries since, and writes the next one. The
minute is its key: woken twice, it is done once. How each rule moves is apps.delivery.pacing.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from django.db import connection, transaction

from apps.common import clock
from apps.common.copy_out import columns_of
from apps.delivery.models import PacingPrices
from apps.delivery.pacing import (
    DAY_MINUTES,
    FLOOR_MINUTES,
    SHARE_MINUTES,
    Shown,
    Traffic,
    next_shown,
    next_step,
    smoothed_spread,
)
from apps.delivery.rules import dead_rules
from apps.pipeline.features.calendar import day_of
from apps.pipeline.filters.eligibility import rows_of
from apps.pipeline.rules import RuleMasks, SurfaceRules
from apps.pipeline.snapshot import Snapshot, SurfaceData
from apps.policies.uses import is_used
from apps.refresh.masks import ensure_masks
from apps.refresh.selectors import active_snapshot_id
from apps.refresh.store import open_here
from apps.releases.params import compiled
from apps.releases.selectors import live

ON_THEIR_WAY = timedelta(seconds=10)  # deliveries reach Postgres a few seconds after they are answered
KEPT = timedelta(days=2)
PACED = ("floor", "share_target")

_SHOWN = """
SELECT viewer, candidate FROM interactions_delivery, unnest(candidates) AS candidate
WHERE surface = %(surface)s AND served_at >= %(since)s AND served_at < %(until)s AND candidate > 0
"""
_TRAFFIC = """
SELECT coalesce(sum(cardinality(candidates)) FILTER (WHERE served_at >= %(recent)s), 0)::float8,
    coalesce(sum(cardinality(candidates)), 0)::float8,
    coalesce(extract(epoch FROM %(until)s - min(served_at)) / 60, 0)::float8
FROM interactions_delivery
WHERE surface = %(surface)s AND served_at >= %(since)s AND served_at < %(until)s
"""
_SPREAD = """
SELECT coalesce(avg(deviation), 0)::float8 FROM (
    SELECT (SELECT stddev_pop(score) FROM unnest(scores) AS score) AS deviation FROM interactions_delivery
    WHERE surface = %s AND served_at >= %s AND served_at < %s AND NOT random_order AND cardinality(scores) > 4
    LIMIT 500) AS lists
"""


def pace(now: datetime | None = None) -> int:
    """One step for every surface that has something to pace; how many were taken. Raises DatabaseError."""
    moment, release, active = now or clock.now(), live(), active_snapshot_id()
    if active is None or release is None:
        return 0
    PacingPrices.objects.filter(created_at__lt=clock.now() - KEPT).delete()
    content = release.stable_content
    surfaces = compiled(content).surfaces
    wanted = {
        key: one.rules
        for key, one in surfaces.items()
        if _is_paced(one.rules) or is_used(content, key, "newcomer_subsidy")
    }
    if not wanted:
        return 0
    snapshot = open_here(active, verify=False)
    masks = ensure_masks(snapshot, content)
    return sum(
        _pace_surface(key, rules, masks[key, rules.digest], snapshot, release.killed, moment)
        for key, rules in wanted.items()
        if key in snapshot.surfaces
    )


def _is_paced(rules: SurfaceRules) -> bool:
    return any(spec.kind in PACED for spec in rules.specs)


def _pace_surface(
    surface: str,
    rules: SurfaceRules,
    masks: RuleMasks,
    snapshot: Snapshot,
    killed: frozenset[str],
    now: datetime,
) -> int:
    slot, data, until = int(now.timestamp() // 60), snapshot.surfaces[surface], now - ON_THEIR_WAY
    dead, at = dead_rules(surface, killed), now.timestamp()
    specs = [s for s in rules.in_order if s.starts_at <= at < s.ends_at and s.key not in dead]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [f"pacing:{surface}"])
        before = PacingPrices.objects.filter(surface=surface).first()
        if before is not None and before.slot >= slot:
            return 0
        since, traffic = _known(surface, before, until)
        shown = _shown(surface, data, since, until)
        traffic = traffic.after(shown.minutes, len(shown.number))
        shown = replace(shown, busyness=traffic.busyness)
        spread = smoothed_spread(
            before.spread if before is not None else 0.0, _spread(surface, since, until), shown.minutes
        )
        known = (before.rules, bytes(before.floors)) if before is not None else ({}, b"")
        numbers = np.asarray(data.candidates["number"])
        said, floors = next_step(specs, known, shown, masks, numbers, spread)
        newcomers = b""
        if data.kind == "member":
            counted = bytes(before.newcomers) if before is not None else b""
            joined = np.asarray(data.candidates["joined_day"])
            newcomers = next_shown(counted, shown.number, numbers, joined, day_of(at))
        PacingPrices.objects.create(
            surface=surface,
            slot=slot,
            measured_until=until,
            rules=said,
            floors=floors,
            newcomers=newcomers,
            spread=spread,
            recent=traffic.recent,
            usual=traffic.usual,
        )
    return 1


def _known(surface: str, before: PacingPrices | None, until: datetime) -> tuple[datetime, Traffic]:
    """From when on to measure, and the traffic up to then: of the last step, when that is not long ago."""
    since = until - timedelta(minutes=SHARE_MINUTES)
    if before is not None and before.usual and before.measured_until >= since:
        return before.measured_until, Traffic(before.recent, before.usual)
    since = since if before is None else max(before.measured_until, since)
    return since, _traffic(surface, since)


def _traffic(surface: str, until: datetime) -> Traffic:
    """Of the day before `until`; of a surface that is younger than a day, as if it had gone on like that."""
    given: dict[str, Any] = {"surface": surface, "until": until}
    given |= {"recent": until - timedelta(minutes=FLOOR_MINUTES), "since": until - timedelta(days=1)}
    with connection.cursor() as cursor:
        cursor.execute(_TRAFFIC, given)
        recent, usual, age = cursor.fetchone()
    known = (max(min(age, over), 1.0) / over for over in (FLOOR_MINUTES, DAY_MINUTES))
    return Traffic(*(places / part for places, part in zip((recent, usual), known, strict=True)))


def _shown(surface: str, data: SurfaceData, since: datetime, until: datetime) -> Shown:
    given = {"surface": surface, "since": since, "until": until}
    found = columns_of(_SHOWN, {"viewer": "int", "candidate": "int"}, given)
    viewers, row_of = found["viewer"], np.asarray(data.viewer_row_of)
    known = (viewers >= 0) & (viewers < len(row_of))
    viewer_rows: Any = (
        np.where(known, row_of[np.where(known, viewers, 0)], -1) if len(row_of) else viewers * 0 - 1
    )
    minutes = (until - since).total_seconds() / 60
    return Shown(minutes, found["candidate"], rows_of(data, found["candidate"]), viewer_rows)


def _spread(surface: str, since: datetime, until: datetime) -> float:
    """The standard deviation of scores within a list: the unit of all corrections."""
    with connection.cursor() as cursor:
        cursor.execute(_SPREAD, [surface, since, until])
        return float(cursor.fetchone()[0])
