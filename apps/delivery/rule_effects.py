"""What each rule and flag did in the deliveries of a surface: how many it was live in, whom it touched, who
was shown, who was kept away.

Takes a surface and a time, gives counts; reads what was noted in each delivery's trace. That has a number for
each rule in the order in which they apply: which rules those are, the release says. Who stands at a cap is
asked of the ledger.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import redis
from django.db import connection

from apps.common.valkey import polling_client
from apps.delivery.capped import read_capped
from apps.pipeline.filters.eligibility import rows_of
from apps.pipeline.masks import condition_words
from apps.pipeline.ranking.matching import meets
from apps.pipeline.snapshot import SnapshotRefused
from apps.policies.older import brought_up
from apps.refresh.selectors import active_snapshot_id
from apps.refresh.store import open_here
from apps.releases.models import Release
from apps.releases.params import compiled
from apps.releases.selectors import live

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
_LATEST = """
    SELECT trace, variants FROM interactions_delivery
    WHERE surface = %s AND served_at >= %s ORDER BY served_at DESC LIMIT %s
"""
_KEPT_AWAY = f"""
SELECT kept.key, count(*), sum(kept.value::bigint)
FROM ({_LATEST}) AS latest, jsonb_array_elements(latest.trace) AS stage,
    jsonb_each_text(stage -> 'kept_away') AS kept
WHERE stage ->> 'stage' = 'cooldown' AND kept.value <> '0'
GROUP BY 1
"""
_SWITCHED = f"""
SELECT flag.key, count(*) FILTER (WHERE flag.value = 'on'), count(*)
FROM ({_LATEST}) AS latest, jsonb_each_text(latest.variants - 'salts') AS flag
WHERE flag.value IN ('on', 'off')
GROUP BY 1
"""


def rule_effects(surface: str, since: datetime, *, most: int = MOST_DELIVERIES) -> dict[str, dict[str, int]]:
    """Rule id -> deliveries in which it met somebody; candidates it met, and those of them in the list; and
    in the same deliveries, how many were ranked, and how many places there were."""
    counted = _counted(_EFFECTS, surface, since, most)
    releases = Release.objects.filter(number__in={release for release, *_ in counted})
    keys = {release.number: _keys(release.content, surface) for release in releases}
    found: dict[str, dict[str, int]] = {}
    for release, place, *counts in counted:
        did = found.setdefault(keys[release][place - 1], dict.fromkeys(COUNTED, 0))
        for name, count in zip(COUNTED, counts, strict=True):
            did[name] += int(count)
    for key, deliveries, away in _counted(_KEPT_AWAY, surface, since, most):
        found.setdefault(key, dict.fromkeys(COUNTED, 0)).update(cooled_lists=deliveries, kept_away=int(away))
    for key, standing in _at_caps(surface).items():
        found.setdefault(key, dict.fromkeys(COUNTED, 0))["standing"] = standing
    return found


def flag_effects(surface: str, since: datetime, *, most: int = MOST_DELIVERIES) -> dict[str, dict[str, int]]:
    """Flag key -> lists in which it was on, of how many in which it was decided. Lists of the hold-out decide
    no flag."""
    counted = _counted(_SWITCHED, surface, since, most)
    return {key: {"on": on, "lists": lists} for key, on, lists in counted}


def _counted(sql: str, *given: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, given)
        return list(cursor.fetchall())


def _at_caps(surface: str) -> dict[str, int]:
    """Cap rule -> how many stand at it now, and are left out until their count falls. Empty where nothing can
    say so: no snapshot, no release, no ledger. Newcomers whom the snapshot lacks are not looked at."""
    release, active = live(), active_snapshot_id()
    if release is None or active is None:
        return {}
    rules = compiled(release.stable_content).surface(surface).rules
    caps = [spec for spec in rules.specs if spec.kind == "cap"]
    if not caps:
        return {}
    try:
        records = read_capped(polling_client(), [surface])[surface].records
        snapshot = open_here(active, verify=False)
        data = snapshot.surfaces[surface]
    except (redis.RedisError, SnapshotRefused, KeyError):
        return {}
    rows = rows_of(data, np.ascontiguousarray(records["number"]))
    records, rows = records[rows >= 0], rows[rows >= 0]
    words = condition_words(rules.candidate_conditions, data.candidates.pick(rows), snapshot).T
    standing = {}
    for spec in caps:
        limit = np.where(records["hourly"] == 1, spec.hourly, spec.daily)
        reached = (limit > 0) & (records["cap"] >= limit) & meets(words, spec.candidates, len(records))
        standing[spec.key] = len(np.unique(records["number"][reached]))
    return standing


def _keys(content: Mapping[str, Any], surface: str) -> Sequence[str]:
    """Of a content's rules, in the order of SurfaceRules."""
    rules = brought_up(content)["surfaces"][surface].get("rules", [])
    return [key for _, key in sorted((rule["priority"], rule["id"]) for rule in rules)]
