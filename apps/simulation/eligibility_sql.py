"""An independent look at lists: may this person be shown to that viewer, by plain SQL over Postgres.

It shares no code with the pipeline's filters: ages, genders, ranges, intents, the great circle between two
cells and every relation are worked out here once more. Takes ids; gives what is broken. Writes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import connection

TOLERANCE = 0.01  # of a distance, plus 0.1 km: the pipeline measures in the plane of a market

# Who is where: on a trip (of several on the one that no other began after), in another market than home, or
# at home. And the point: away the centre of the market; at home that of the cell, of which 13 bits are the
# column, rows are 0.045 degrees and columns about 5 km.
_PLACES = """
person AS (
    SELECT m.*, coalesce(trip.market_id, m.current_market_id, m.home_market_id) AS pool
    FROM members_member m LEFT JOIN (
        SELECT member_id, market_id FROM members_trip t
        WHERE t.starts_on <= %(today)s AND t.ends_on >= %(today)s AND NOT EXISTS (
            SELECT 1 FROM members_trip u
            WHERE u.starts_on <= %(today)s AND u.ends_on >= %(today)s
              AND u.member_id = t.member_id AND (u.starts_on, u.id) > (t.starts_on, t.id))
    ) trip ON trip.member_id = m.number
),
place_of(number, latitude, longitude) AS (
    SELECT number, latitude, -180 + ((home_cell & 8191) + 0.5) * 360.0
           / greatest(1, floor(360 * cos(radians(latitude)) / 0.045))
    FROM (SELECT number, home_cell, -90 + ((home_cell >> 13) + 0.5) * 0.045 AS latitude
          FROM person WHERE home_cell IS NOT NULL AND pool = home_market_id) cells
    UNION ALL
    SELECT p.number, k.latitude, k.longitude
    FROM person p JOIN surfaces_market k ON k.id = p.pool WHERE p.pool IS DISTINCT FROM p.home_market_id
)"""
# When they are there: today, by the clocks there; and on the next trips that begin within some days, the
# first to each market.
_STAYS = """
stay(number, market_id, starts_on, ends_on) AS (
    SELECT p.number, p.pool, there.today, there.today FROM person p LEFT JOIN (
        SELECT id, (%(now)s AT TIME ZONE timezone)::date AS today FROM surfaces_market
    ) there ON there.id = p.pool
    UNION ALL
    SELECT member_id, market_id, starts_on, ends_on FROM (
        SELECT *, row_number() OVER (PARTITION BY member_id ORDER BY starts_on, id) AS place FROM (
            SELECT DISTINCT ON (t.member_id, t.market_id) t.*
            FROM members_trip t JOIN person p ON p.number = t.member_id
            WHERE t.starts_on > %(today)s AND t.starts_on <= %(today)s::date + %(trip_days)s
              AND t.market_id IS DISTINCT FROM p.pool
            ORDER BY t.member_id, t.market_id, t.starts_on, t.id
        ) first_there
    ) coming WHERE place <= 2
)"""
_VIEWERS = "viewer AS (SELECT * FROM person WHERE external_id = ANY(%(viewers)s))"
_SHOWN = (
    "shown(viewer_id, candidate_id) AS (SELECT * FROM unnest(%(viewers)s::text[], %(candidates)s::text[]))"
)
_HAVERSINE = """2 * 6371.0088 * asin(sqrt(least(1,
    power(sin(radians(pc.latitude - pv.latitude) / 2), 2)
    + cos(radians(pv.latitude)) * cos(radians(pc.latitude))
    * power(sin(radians(pc.longitude - pv.longitude) / 2), 2))))"""
_WITHIN = """({who}.max_distance_km IS NULL
    OR {distance} <= {who}.max_distance_km * (1 + %(slack)s) + 10 * %(slack)s)"""
_INTENTS = """EXISTS (SELECT 1 FROM unnest(%(intents)s::text[]) AS intent
    WHERE (cardinality(v.intents) = 0 OR intent = ANY(v.intents))
      AND (cardinality(c.intents) = 0 OR intent = ANY(c.intents)))"""
_ADULT = "coalesce({who}.birth_date <= %(today)s::date - interval '18 years', false)"
_ACCEPTS = (
    """date_part('year', age(%(today)s::date, {other}.birth_date)) BETWEEN {who}.age_min AND {who}.age_max"""
)
_ACTED = """NOT EXISTS (SELECT 1 FROM interactions_relationship r WHERE r.actor = v.number
    AND r.target = c.number AND r.target_kind = %(kind)s AND r.surface IN (%(surface)s, ''))"""
_SEEN = """NOT EXISTS (SELECT 1 FROM interactions_event e WHERE e.actor = v.number AND e.target = c.number
    AND e.target_kind = %(kind)s AND e.type = 'impression' AND e.surface = %(surface)s
    AND e.occurred_at > %(seen_since)s)"""

BASIC = {
    "viewer is an active adult": f"v.status = 'active' AND v.stopped_at IS NULL AND {_ADULT.format(who='v')}",
    "not acted on before": _ACTED,
    "not seen lately": _SEEN,
}
PEOPLE = {
    "somebody else": "c.number <> v.number",
    "active": "c.status = 'active'",
    "visible": "c.visibility = 'visible' AND c.stopped_at IS NULL",
    "adult": _ADULT.format(who="c"),
    "same market": "c.pool = v.pool",
    "intents meet": _INTENTS,
    "near enough for the viewer": _WITHIN.format(who="v", distance=_HAVERSINE),
    "near enough for the candidate": _WITHIN.format(who="c", distance=_HAVERSINE),
    "no block between them": """NOT EXISTS (SELECT 1 FROM interactions_relationship r
        WHERE r.state IN ('blocked', 'reported') AND r.target_kind = 'member'
          AND ((r.actor = v.number AND r.target = c.number)
            OR (r.actor = c.number AND r.target = v.number)))""",
    "not connected": """NOT EXISTS (SELECT 1 FROM members_connection k
        WHERE k.a_id = least(v.number, c.number) AND k.b_id = greatest(v.number, c.number))""",
}
DATING = {
    "viewer seeks that gender": "c.gender = ANY(v.seeking)",
    "candidate seeks that gender": "v.gender = ANY(c.seeking)",
    "viewer accepts the age": _ACCEPTS.format(who="v", other="c"),
    "candidate accepts the age": _ACCEPTS.format(who="c", other="v"),
}
PLACES = {
    "visible": "c.visibility = 'visible' AND c.stopped_at IS NULL",
    "open when the viewer is there": "c.is_open OR coalesce(c.opens_on <= stay.ends_on, false)",
    "in season": """c.open_months = '{}' OR EXISTS (
        SELECT 1 FROM generate_series(stay.starts_on::timestamp, stay.ends_on, interval '1 day') AS day
        WHERE date_part('month', day)::int = ANY(c.open_months))""",
    "where the viewer is or will be": "stay.number IS NOT NULL",
}
INTENTS = {
    "dating": ["long_term", "short_term", "casual", "friends"],
    "networking": ["collaborate", "hire", "find_work", "mentor", "invest"],
    "travel": [],
}


@dataclass(frozen=True)
class Question:
    """What the rules need to know besides ids."""

    surface: str
    eligibility: str  # dating, networking, travel
    now: datetime
    seen_since: datetime
    trip_days: int = 0  # how long before a trip its places are shown; 0: not before it begins

    @property
    def rules(self) -> dict[str, str]:
        if self.eligibility == "travel":
            return {**BASIC, **PLACES}
        return {**BASIC, **PEOPLE, **(DATING if self.eligibility == "dating" else {})}


@dataclass(frozen=True)
class Violation:
    viewer: str
    candidate: str
    broken: tuple[str, ...]


def violations(question: Question, pairs: Sequence[tuple[str, str]]) -> list[Violation]:
    """The pairs (viewer, candidate) that may not be shown, with the rules they break; unknown ids too."""
    broken = ", ".join(
        f"CASE WHEN ({rule}) THEN NULL ELSE '{name}' END" for name, rule in question.rules.items()
    )
    sql = f"""WITH {_PLACES}, {_STAYS}, {_VIEWERS}, {_SHOWN}
        SELECT s.viewer_id, s.candidate_id, CASE WHEN c.number IS NULL OR v.number IS NULL THEN ARRAY['known']
               ELSE array_remove(ARRAY[{broken}], NULL) END
        FROM shown s LEFT JOIN viewer v ON v.external_id = s.viewer_id
        LEFT JOIN {_table(question)} c ON c.external_id = s.candidate_id {_points(question)}"""
    rows = _rows(sql, question, TOLERANCE, [v for v, _ in pairs], [c for _, c in pairs])
    return [Violation(viewer, candidate, tuple(rules)) for viewer, candidate, rules in rows if rules]


def eligible_counts(question: Question, viewers: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Per viewer how many could be shown: with every distance read strictly, and read generously."""
    condition = " AND ".join(f"({rule})" for rule in question.rules.values())
    where = (
        "pool = v.pool"
        if question.eligibility != "travel"
        else ("market_id IN (SELECT market_id FROM stay WHERE stay.number = v.number)")
    )
    sql = f"""WITH {_PLACES}, {_STAYS}, {_VIEWERS}
        SELECT v.external_id, count(*) FROM viewer v
        JOIN {_table(question)} c ON c.{where} {_points(question)}
        WHERE {condition} GROUP BY v.external_id"""
    strict, generous = (dict(_rows(sql, question, slack, viewers, ())) for slack in (-TOLERANCE, TOLERANCE))
    return {viewer: (strict.get(viewer, 0), generous.get(viewer, 0)) for viewer in viewers}


def _table(question: Question) -> str:
    return "places_place" if question.eligibility == "travel" else "person"


def _points(question: Question) -> str:
    if question.eligibility == "travel":
        return "LEFT JOIN stay ON stay.number = v.number AND stay.market_id = c.market_id"
    return "LEFT JOIN place_of pv ON pv.number = v.number LEFT JOIN place_of pc ON pc.number = c.number"


def _rows(
    sql: str, question: Question, slack: float, viewers: Sequence[str], candidates: Sequence[str]
) -> list[tuple[Any, ...]]:
    values = {
        "surface": question.surface,
        "kind": "place" if question.eligibility == "travel" else "member",
        "now": question.now,
        "today": question.now.astimezone(UTC).date(),
        "seen_since": question.seen_since,
        "trip_days": question.trip_days,
        "intents": INTENTS[question.eligibility],
        "slack": slack,
        "viewers": list(viewers),
        "candidates": list(candidates),
    }
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return list(cursor.fetchall())
