"""Who was exposed to which variant, and what they did afterwards: from deliveries and events, set by set.

Takes an experiment as a release says it; gives one row per member: variant, market, and the metric's count
from their first exposure on. Computes no statistics.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
from django.db import connection

from apps.policies.experiments import salt_of
from apps.policies.fields import moment

# First exposure per member. A delivery counts when it names this experiment with its salt of this phase.
_EXPOSED = """
WITH exposed AS (
    SELECT viewer, variants->>%(key)s AS variant, min(served_at) AS first_at, min(market) AS market
    FROM interactions_delivery
    WHERE surface = %(surface)s AND served_at >= %(start)s AND served_at < %(end)s
        AND variants->'salts'->>%(key)s = %(salt)s
    GROUP BY 1, 2
)
"""
_ROWS = """
SELECT x.viewer, x.variant, coalesce(x.market, 0), coalesce(o.count, 0) FROM exposed x
LEFT JOIN LATERAL ({outcome}) o ON true
"""
_EVENTS = """
SELECT count(*) AS count FROM interactions_event e
WHERE e.{side} = x.viewer AND e.type = '{type}' AND (e.surface = %(surface)s OR e.surface = '')
    AND e.occurred_at >= x.first_at AND e.occurred_at < %(end)s {more}
"""
_MATCHES = """
SELECT count(*) AS count FROM interactions_relationship r
WHERE r.actor = x.viewer AND r.surface = %(surface)s AND r.state = 'matched'
    AND r.decided_at >= x.first_at AND r.decided_at < %(end)s
"""
# Metric -> side and type of the event that is counted.
_COUNTED: Mapping[str, tuple[str, str]] = {
    "likes_given": ("actor", "like"),
    "likes_received": ("target", "like"),
    "messages": ("actor", "message"),
    "replies": ("actor", "reply"),
    "saves": ("actor", "save"),
    "impressions": ("actor", "impression"),
    "passes": ("actor", "pass"),
    "reports": ("actor", "report"),
    "blocks": ("actor", "block"),
}
_BY_DAY = """
SELECT first_at::date, variant, count(*) FROM exposed GROUP BY 1, 2 ORDER BY 1
"""


@dataclass(frozen=True)
class Outcomes:
    """[members] each, in the same order; `variant` is an index into the experiment's variants."""

    variant: npt.NDArray[np.int64]
    market: npt.NDArray[np.int64]
    value: npt.NDArray[np.float64]


def outcomes(experiment: Mapping[str, Any], metric: str, *, until: datetime) -> Outcomes:
    """One metric of everybody exposed up to `until`, in one statement."""
    order = {variant["key"]: i for i, variant in enumerate(experiment["variants"])}
    with connection.cursor() as cursor:
        cursor.execute(_EXPOSED + _ROWS.format(outcome=_outcome(metric)), _given(experiment, until))
        rows = [row for row in cursor.fetchall() if row[1] in order]
    return Outcomes(
        variant=np.array([order[row[1]] for row in rows], "i8"),
        market=np.array([row[2] for row in rows], "i8"),
        value=np.array([row[3] for row in rows], "f8"),
    )


def exposed_by_day(experiment: Mapping[str, Any], *, until: datetime) -> list[tuple[Any, str, int]]:
    """Day, variant, and how many saw it first on that day."""
    with connection.cursor() as cursor:
        cursor.execute(_EXPOSED + _BY_DAY, _given(experiment, until))
        return [(day, variant, count) for day, variant, count in cursor.fetchall()]


def _outcome(metric: str) -> str:
    if metric == "matches":
        return _MATCHES
    side, event_type = _COUNTED[metric]
    more = "AND e.target_kind = 'member'" if side == "target" else ""
    return _EVENTS.format(side=side, type=event_type, more=more)


def _given(experiment: Mapping[str, Any], until: datetime) -> dict[str, Any]:
    return {
        "key": experiment["key"],
        "surface": experiment["surface"],
        "salt": salt_of(experiment),
        "start": moment(experiment["starts_at"]),
        "end": min(until, moment(experiment["ends_at"])),
    }
