"""Walks a staged rollout on while it is well, and back when it is not.

Compares the candidate release with the stable one over the same minutes. Errors, emptier lists and slow
answers turn it back by themselves; matches, reports and Gini only warn, since they take longer than a stage.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import redis
from django.db import connection

from apps.common.clock import now
from apps.common.errors import Conflict
from apps.common.valkey import background_client
from apps.delivery.comparison import exposure, ginis
from apps.delivery.health import Health, health_of
from apps.policies.governance import GUARDS
from apps.releases.audit import PUBLISH
from apps.releases.models import LiveRelease
from apps.releases.notices import notify
from apps.releases.selectors import rollout
from apps.releases.services import step_up, turn_back
from apps.surfaces.models import Surface

STAGE_TIME = timedelta(minutes=10)
ENOUGH = 200  # answers of the candidate before it is judged, or goes on
WINDOW = timedelta(minutes=15)
VIEWERS = 50  # of each release before their matches and reports are compared
LESS_EVEN = 0.1  # of Gini
LISTS = 2000  # at most so many of each release are compared
_OF_VIEWERS = """
SELECT viewers.release, count(*), sum(matches.count), sum(reports.count)
FROM (SELECT viewer, max(release) AS release FROM interactions_delivery
      WHERE served_at >= %(since)s AND release = ANY(%(releases)s) GROUP BY viewer) AS viewers,
LATERAL (SELECT count(*) FROM interactions_relationship
         WHERE actor = viewer AND state = 'matched' AND decided_at >= %(since)s) AS matches,
LATERAL (SELECT count(*) FROM interactions_event
         WHERE actor = viewer AND type = 'report' AND occurred_at >= %(since)s) AS reports
GROUP BY viewers.release
"""
_LATEST = """
SELECT candidates FROM interactions_delivery
WHERE surface = %s AND release = %s AND served_at >= %s ORDER BY served_at DESC LIMIT %s
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
    """Matches, reports and Gini of those served since the stage began, each told once per stage."""
    for about, sentence in warnings(pointer):
        notify(
            f"warning {pointer.candidate_id} {pointer.candidate_percentage} {about}",
            f"Release {pointer.candidate_id} at {pointer.candidate_percentage}%: look at this",
            sentence,
            permission=PUBLISH,
        )


def warnings(pointer: LiveRelease) -> Iterator[tuple[str, str]]:
    """What the candidate brings that nobody wants, and what that is about."""
    releases = [pointer.stable_id, pointer.candidate_id]
    with connection.cursor() as cursor:
        cursor.execute(_OF_VIEWERS, {"since": pointer.stage_since, "releases": releases})
        counted = {release: tuple(map(int, counts)) for release, *counts in cursor.fetchall()}
    stable, candidate = (counted.get(release, (0, 0, 0)) for release in releases)
    if min(stable[0], candidate[0]) >= VIEWERS:
        (matches, reports), (their_matches, their_reports) = (
            (side[1] / side[0], side[2] / side[0]) for side in (candidate, stable)
        )
        if matches < 0.8 * their_matches:
            yield "matches", f"Matches per viewer: {matches:.3f} against {their_matches:.3f}."
        if reports > 1.5 * their_reports and candidate[2] >= 3:
            yield "reports", f"Reports per viewer: {reports:.4f} against {their_reports:.4f}."
    for surface in Surface.objects.values_list("key", flat=True):
        yield from _less_even(pointer, surface)


def _less_even(pointer: LiveRelease, surface: str) -> Iterator[tuple[str, str]]:
    """Of as many lists of each: Gini among those shown grows with how many lists there are."""

    def latest(release: int | None, most: int) -> list[list[int]]:
        with connection.cursor() as cursor:
            cursor.execute(_LATEST, [surface, release, pointer.stage_since, most])
            return [candidates for (candidates,) in cursor.fetchall()]

    candidates = latest(pointer.candidate_id, LISTS)
    stable = latest(pointer.stable_id, len(candidates))
    both = min(len(candidates), len(stable))
    if both < ENOUGH:
        return
    theirs, ours = ginis(*(exposure(lists[:both]) for lists in (stable, candidates)))
    if ours > theirs + LESS_EVEN:
        said = f"Gini {ours:.2f} against {theirs:.2f} over {both:,} lists each."
        yield f"gini {surface}", f"Exposure on {surface} is less even: {said}"
