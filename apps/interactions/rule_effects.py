"""What each rule did in the deliveries of a surface: how many it was live in, whom it touched, who was shown.

Takes a surface and a time, gives counts by rule; reads what the pipeline noted in each delivery's trace.
"""

from __future__ import annotations

from datetime import datetime

from django.db import connection

MOST_DELIVERIES = 2000  # the latest
COUNTED = ("deliveries", "touched", "shown", "ranked", "places")

_EFFECTS = """
SELECT rule.key, count(*), sum(rule.pool::bigint), sum(rule.shown::bigint),
    sum((stage ->> 'received')::bigint), sum(latest.places)
FROM (SELECT trace, cardinality(candidates) AS places FROM interactions_delivery
      WHERE surface = %s AND served_at >= %s ORDER BY served_at DESC LIMIT %s) AS latest,
     jsonb_array_elements(latest.trace) AS stage,
     ROWS FROM (
         jsonb_array_elements_text(stage -> 'rules' -> 'keys'),
         jsonb_array_elements_text(stage -> 'rules' -> 'pool'),
         jsonb_array_elements_text(stage -> 'rules' -> 'shown')
     ) AS rule (key, pool, shown)
WHERE stage ->> 'stage' = 'rules' AND rule.pool <> '0'
GROUP BY rule.key
"""


def rule_effects(surface: str, since: datetime, *, most: int = MOST_DELIVERIES) -> dict[str, dict[str, int]]:
    """Rule id -> deliveries in which it met somebody; candidates it met, and those of them in the list; and
    in the same deliveries, how many were ranked, and how many places there were."""
    with connection.cursor() as cursor:
        cursor.execute(_EFFECTS, [surface, since, most])
        return {key: dict(zip(COUNTED, map(int, counts), strict=True)) for key, *counts in cursor.fetchall()}
