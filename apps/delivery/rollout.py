"""Walks a staged rollout on while it is well, and back when it is not.

Compares the candidate release with the stable one over the same minutes. Errors, emptier lists and slow
answers turn it back by themselves; matches, reports and Gini only warn, since they take longer than a stage.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import redis
from django.db import connection

from apps.common.clock import now
from apps.common.errors import Conflict
from apps.common.valkey import background_client
from apps.delivery.comparison import gini
from apps.delivery.health import Health, health_of
from apps.policies.governance import GUARDS
from apps.releases.audit import PUBLISH
from apps.releases.models import LiveRelease
from apps.releases.notices import notify
from apps.releases.selectors import rollout
from apps.releases.services import step_up, turn_back

STAGE_TIME = timedelta(minutes=10)
ENOUGH = 200  # answers of the candidate before it is judged, or goes on
WINDOW = timedelta(minutes=15)
_DELIVERED = """
SELECT release, candidates FROM interactions_delivery WHERE served_at >= %s AND release = ANY(%s)
"""
_EVENTS = """
SELECT d.release, count(*) FILTER (WHERE e.type = 'match'), count(*) FILTER (WHERE e.type = 'report'),
    count(DISTINCT d.viewer)
FROM (SELECT viewer, max(release) AS release FROM interactions_delivery
      WHERE served_at >= %s AND release = ANY(%s) GROUP BY viewer) d
LEFT JOIN interactions_event e ON e.actor = d.viewer AND e.occurred_at >= %s
GROUP BY 1
"""


@dataclass(frozen=True)
class Watched:
    """Both releases over the same minutes."""

    stable: Health
    candidate: Health


def watch_rollout() -> str:
    """One look: nothing, waiting, stepped up, or turned back and why."""
    pointer = rollout()
    if pointer is None or pointer.candidate is None or pointer.stage_since is None:
        return "nothing is rolled out"
    try:
        seen = watched(pointer)
    except redis.RedisError:
        return "waiting: Valkey is away"
    if seen.candidate.answers + seen.candidate.errors < ENOUGH:
        return "waiting: too few answers to judge"
    percentage = pointer.candidate_percentage
    try:
        if reason := what_is_wrong(seen, pointer.stable.content.get("governance", {})):
            turn_back(actor=None, reason=reason, expected=percentage)
            return f"turned back: {reason}"
        _warn(pointer)
        if now() - pointer.stage_since >= STAGE_TIME:
            step_up(actor=None, expected=percentage)
            return "stepped up"
    except Conflict:
        return "somebody else moved it"
    return "well so far"


def watched(pointer: LiveRelease) -> Watched:
    """Both releases since the stage began, at most the last minutes. Raises RedisError."""
    assert pointer.candidate_id is not None
    assert pointer.stage_since is not None
    since, at = max(pointer.stage_since, now() - WINDOW).timestamp() - 60, now().timestamp()
    client = background_client()
    stable, candidate = (
        health_of(client, number, since=since, now=at) for number in (pointer.stable_id, pointer.candidate_id)
    )
    return Watched(stable, candidate)


def what_is_wrong(seen: Watched, governance: Mapping[str, Any]) -> str | None:
    """The first guard that the candidate breaks, as a sentence. Guards are the stable release's."""
    guard = {key: governance.get(key, knob.default) for key, knob in GUARDS.items()}
    stable, candidate = seen.stable, seen.candidate
    if candidate.error_rate > max(guard["max_error_rate"], stable.error_rate):
        return f"{candidate.error_rate:.1%} of its requests failed; {guard['max_error_rate']:.1%} is allowed."
    if candidate.fill < stable.fill * (1 - guard["max_fill_drop"]):
        return f"Its lists are {candidate.fill:.0%} full, the stable release's {stable.fill:.0%}."
    if candidate.p99_ms > max(guard["max_p99_ms"], stable.p99_ms):
        return (
            f"One answer in a hundred takes over {candidate.p99_ms:.0f} ms; {guard['max_p99_ms']} is allowed."
        )
    return None


def _warn(pointer: LiveRelease) -> None:
    """Matches, reports and Gini of those served since the stage began, told once per stage."""
    assert pointer.stage_since is not None
    numbers = [pointer.stable_id, pointer.candidate_id]
    with connection.cursor() as cursor:
        cursor.execute(_EVENTS, [pointer.stage_since, numbers, pointer.stage_since])
        events = {row[0]: row[1:] for row in cursor.fetchall()}
        cursor.execute(_DELIVERED, [pointer.stage_since, numbers])
        shown: dict[int, dict[int, int]] = {number: {} for number in numbers if number is not None}
        for release, candidates in cursor.fetchall():
            for one in candidates:
                shown[release][one] = shown[release].get(one, 0) + 1
    for sentence in _warnings(pointer, events, {n: gini(counts.values()) for n, counts in shown.items()}):
        notify(
            f"warning {pointer.candidate_id} {pointer.candidate_percentage} {sentence[:40]}",
            f"Release {pointer.candidate_id} at {pointer.candidate_percentage}%: look at this",
            sentence,
            permission=PUBLISH,
        )


def _warnings(pointer: LiveRelease, events: Mapping[int, Any], uneven: Mapping[int, float]) -> list[str]:
    stable = events.get(pointer.stable_id)
    candidate = events.get(pointer.candidate_id or 0)
    found = []
    if stable and candidate and min(stable[2], candidate[2]) >= 50:
        rates = [[side[0] / side[2], side[1] / side[2]] for side in (stable, candidate)]
        if rates[1][0] < 0.8 * rates[0][0]:
            found.append(f"Matches per viewer: {rates[1][0]:.3f} against {rates[0][0]:.3f}.")
        if rates[1][1] > 1.5 * rates[0][1] and candidate[1] >= 3:
            found.append(f"Reports per viewer: {rates[1][1]:.4f} against {rates[0][1]:.4f}.")
    if uneven.get(pointer.candidate_id or 0, 0) > uneven.get(pointer.stable_id, 0) + 0.1:
        found.append(f"Exposure is less even: Gini {uneven[pointer.candidate_id or 0]:.2f}.")
    return found
