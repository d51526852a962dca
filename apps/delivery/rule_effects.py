"""What each rule did in the deliveries of a surface: how many it was live in, whom it touched, who was shown.

Takes a surface and a time, gives counts by rule; reads what the pipeline noted in each delivery's trace. That
has a number for each rule in the order in which they apply: which rules those are, the release says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import connection

from apps.policies.older import brought_up
from apps.releases.models import Release

MOST_DELIVERIES = 2000  # the latest
COUNTED = ("deliveries", "touched", "shown", "ranked", "places")

_EFFECTS = """
SELECT latest.release, rule.place, count(*), sum(rule.pool::bigint), sum(rule.shown::bigint),
    sum((stage ->> 'received')::bigint), sum(latest.places)
FROM (SELECT release, trace, cardinality(candidates) AS places FROM interactions_delivery
      WHERE surface = %s AND served_at >= %s ORDER BY served_at DESC LIMIT %s) AS latest,
     jsonb_array_elements(latest.trace) AS stage,
     ROWS FROM (
         jsonb_array_elements_text(stage -> 'rules' -> 'pool'),
         jsonb_array_elements_text(stage -> 'rules' -> 'shown')
     ) WITH ORDINALITY AS rule (pool, shown, place)
WHERE stage ->> 'stage' = 'rules' AND rule.pool <> '0'
GROUP BY latest.release, rule.place
"""


def rule_effects(surface: str, since: datetime, *, most: int = MOST_DELIVERIES) -> dict[str, dict[str, int]]:
    """Rule id -> deliveries in which it met somebody; candidates it met, and those of them in the list; and
    in the same deliveries, how many were ranked, and how many places there were."""
    with connection.cursor() as cursor:
        cursor.execute(_EFFECTS, [surface, since, most])
        counted = cursor.fetchall()
    releases = Release.objects.filter(number__in={release for release, *_ in counted})
    keys = {release.number: _keys(release.content, surface) for release in releases}
    found: dict[str, dict[str, int]] = {}
    for release, place, *counts in counted:
        did = found.setdefault(keys[release][place - 1], dict.fromkeys(COUNTED, 0))
        for name, count in zip(COUNTED, counts, strict=True):
            did[name] += int(count)
    return found


def _keys(content: Mapping[str, Any], surface: str) -> Sequence[str]:
    """Of a content's rules, in the order of SurfaceRules."""
    rules = brought_up(content)["surfaces"][surface].get("rules", [])
    return [key for _, key in sorted((rule["priority"], rule["id"]) for rule in rules)]
