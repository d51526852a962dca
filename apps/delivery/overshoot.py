"""Whether anybody was shown more often in 24 hours than any cap of that time allows, from Postgres alone.

Independent of the ledger and its counters. An exposure counts when its viewer's impression came within ten
minutes, or when it is not older than that: the least that the ledger counts. So what is found here is an
overshoot; a cap that is passed only by impressions that came late is not found.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any, cast

from django.db import connection

from apps.common.valkey import background_client
from apps.releases.models import Release

FOUND = "w:caps_overshot"  # "how many:when", for whoever tells Prometheus
KEPT_SECONDS = 3600
_RELEASES = """
SELECT surface, array_agg(DISTINCT release) FROM interactions_delivery
WHERE served_at > now() - interval '24 hours' GROUP BY surface
"""
_OVERSHOT = """
WITH shown AS (
    SELECT viewer, candidate, served_at FROM interactions_delivery, unnest(candidates) AS candidate
    WHERE surface = %(surface)s AND served_at > now() - interval '24 hours'
), often AS (
    SELECT candidate FROM shown GROUP BY candidate HAVING count(*) > %(cap)s
)
SELECT count(*) FROM (
    SELECT candidate FROM shown s JOIN often USING (candidate)
    WHERE served_at > now() - interval '10 minutes' OR EXISTS (
        SELECT 1 FROM interactions_event e WHERE e.type = 'impression' AND e.surface = %(surface)s
        AND e.actor = s.viewer AND e.target = s.candidate AND e.occurred_at > s.served_at - interval '1 day'
        AND e.received_at BETWEEN s.served_at AND s.served_at + interval '10 minutes')
    GROUP BY candidate HAVING count(*) > %(cap)s
) AS overshot
"""


def check_caps() -> int:
    """Counts, and leaves the result for the metrics. Raises DatabaseError, RedisError."""
    found = overshot()
    background_client().set(FOUND, f"{found}:{time.time():.0f}", ex=KEPT_SECONDS)
    return found


def overshot() -> int:
    """How many candidates, of all surfaces, were shown more often than the highest cap they could have."""
    with connection.cursor() as cursor:
        cursor.execute(_RELEASES)
        served = cursor.fetchall()
        total = 0
        for surface, releases in served:
            contents = Release.objects.filter(number__in=releases).values_list("content", flat=True)
            if cap := highest_cap(contents, surface):
                cursor.execute(_OVERSHOT, {"surface": surface, "cap": cap})
                total += int(cursor.fetchone()[0])
    return total


def last_check() -> tuple[int, float] | None:
    """How many, and when it was looked; None when nobody looked within the hour. Raises RedisError."""
    told = cast("bytes | None", background_client().get(FOUND))
    if told is None:
        return None
    found, _, at = told.decode().partition(":")
    return int(found), float(at)


def highest_cap(contents: Iterable[Mapping[str, Any]], surface: str) -> int:
    """Of all that policies, flags and experiments of these releases say; 0: somewhere there is none."""
    caps: list[int] = []
    for content in contents:
        caps += _values_of(content["surfaces"].get(surface, {}), "daily_cap")
        caps += _values_of([content.get("flags"), content.get("experiments")], "daily_cap")
    return max(caps) if caps and all(caps) else 0


def _values_of(tree: Any, key: str) -> list[int]:
    if isinstance(tree, Mapping):
        here = [int(tree[key])] if isinstance(tree.get(key), int) else []
        return here + [value for branch in tree.values() for value in _values_of(branch, key)]
    return [value for branch in tree for value in _values_of(branch, key)] if isinstance(tree, list) else []
