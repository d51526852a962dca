"""The market that a benchmark works on, filled when the database holds nobody, and who may ask about it.

Markets of 50,000 members as pool.py draws them, with places, connections and 20 events each of the last 85
days, by COPY and a few statements of Postgres's own: no service and no audit takes part, event ids are not
kept, and nobody likes anybody for a reason. A simulated market has reasons, and takes far longer.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import numpy as np
import numpy.typing as npt
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection, transaction

from apps.common import clock, geo
from apps.interactions.partitions import ensure_partitions
from apps.pipeline.table import Table
from apps.refresh.models import SnapshotRow
from apps.refresh.selectors import snapshot_folder
from apps.simulation.bench.pool import DAY, HOUR, drawn_members
from apps.surfaces.services import ensure_market

PER_MARKET = 50_000
DAYS = 85  # of events: what a refresh reads goes back 90
SEED = 0.42

_COPIED = (
    "birth_date", "gender", "seeking", "intents", "age_min", "age_max", "max_distance", "industries",
    "crafts", "skills", "interests", "joined_day", "active_hour",
)  # fmt: skip
_DRAWN = (
    "CREATE TEMPORARY TABLE bench_drawn (number int, market smallint, cell int, "
    + ", ".join(f"{name} bigint" for name in _COPIED)
    + ") ON COMMIT DROP"
)


def _names(column: str, names: str) -> str:
    """The set bits of a column as an array of names."""
    named = f"unnest({names}) WITH ORDINALITY AS named(name, i)"
    return f"ARRAY(SELECT name FROM {named} WHERE {column} >> (i::int - 1) & 1 = 1)"


def _words(column: str, word: str) -> str:
    return f"ARRAY(SELECT '{word} ' || i FROM generate_series(0, 39) i WHERE {column} >> i & 1 = 1)"


_MEMBERS = f"""
INSERT INTO members_member (number, external_id, display_name, photo_url, status, visibility, birth_date,
    gender, seeking, intents, age_min, age_max, max_distance_km, home_market_id, home_cell, industries,
    crafts, skills, interests, bio, joined_at, last_active_at, updated_at)
SELECT number, 'm' || number, 'Member ' || number, '', 'active', 'visible',
    to_date(birth_date::text, 'YYYYMMDD'),
    CASE gender WHEN 1 THEN 'woman' WHEN 2 THEN 'man' ELSE 'nonbinary' END,
    {_names("seeking", "ARRAY['woman', 'man', 'nonbinary']")},
    CASE WHEN intents = 65535 THEN '{{}}' ELSE {_names("intents", "%(intents)s::text[]")} END,
    age_min, age_max, nullif(max_distance, 0), market, cell, {_words("industries", "industry")},
    {_words("crafts", "craft")}, {_words("skills", "skill")},
    (SELECT coalesce(jsonb_object_agg('interest ' || i, 0.8), '{{}}') FROM generate_series(0, 39) i
        WHERE interests >> i & 1 = 1),
    '', now() - (%(day)s - joined_day) * interval '1 day',
    now() - (%(hour)s - active_hour) * interval '1 hour', now()
FROM bench_drawn
"""
# The next statements know members by number: 1 to n, market after market.
_CONNECTIONS = """
INSERT INTO members_connection (a_id, b_id, kind, visible)
SELECT a, a + step, 'connection', true
FROM generate_series(1, %(members)s) a, unnest(ARRAY[1, 17, 289, 4913, 19652]) step
WHERE a + step <= %(members)s AND (a - 1) / %(per_market)s = (a + step - 1) / %(per_market)s
"""
_PLACES = """
INSERT INTO places_place (number, external_id, name, photo_url, market_id, cell, category, tags, price_band,
    is_open, visibility, updated_at)
SELECT number / 10, 'p' || number / 10, 'Place ' || number / 10, '', home_market_id, home_cell,
    'category ' || number / 10 %% 12, ARRAY['tag ' || number / 10 %% 40], 1 + number / 10 %% 4, true,
    'visible', now()
FROM members_member WHERE number %% 10 = 0
"""
# Somebody of one's own market, the first of it far more often than the last; in the order of time.
_PAIRS = """
SELECT i, actor, at, least(first + floor(size * random() ^ 1.5)::int, first + size - 1) AS target,
    random() AS lot
FROM (
    SELECT i, 1 + floor(random() * %(members)s)::int AS actor,
        now() - (1 - i::float8 / ({each} * %(members)s)) * interval '{days} days' - interval '1 minute' AS at
    FROM generate_series(1, {each} * %(members)s) i
) actors,
LATERAL (SELECT (actor - 1) / %(per_market)s * %(per_market)s + 1 AS first) starts,
LATERAL (SELECT least(%(per_market)s, %(members)s - first + 1) AS size) sizes
"""
_RELATIONSHIPS = f"""
INSERT INTO interactions_relationship (actor, target, target_kind, surface, state, decided_at, decided_by,
    version)
SELECT actor, target, 'member', CASE WHEN i %% 10 < 7 THEN 'dating' ELSE 'networking' END,
    CASE WHEN lot < 0.35 THEN 'liked' ELSE 'passed' END, at, uuidv7(), i
FROM ({_PAIRS.format(each=6, days=DAYS)}) pairs WHERE actor <> target
ON CONFLICT DO NOTHING
"""
_SAVES = f"""
INSERT INTO interactions_relationship (actor, target, target_kind, surface, state, decided_at, decided_by,
    version)
SELECT actor, target / 10, 'place', 'travel', 'saved', at, uuidv7(), i
FROM ({_PAIRS.format(each=1, days=DAYS)}) pairs WHERE target >= 10
ON CONFLICT DO NOTHING
"""
_DECISIONS = """
INSERT INTO interactions_event (id, type, actor, target, target_kind, surface, occurred_at, received_at)
SELECT decided_by, CASE state WHEN 'liked' THEN 'like' WHEN 'passed' THEN 'pass' ELSE 'save' END, actor,
    target, target_kind, surface, decided_at, decided_at
FROM interactions_relationship
"""
_EVENTS = f"""
INSERT INTO interactions_event (id, type, actor, target, target_kind, surface, occurred_at, received_at)
SELECT uuidv7(), CASE WHEN about_place OR lot < 0.8 THEN 'impression' WHEN lot < 0.95 THEN 'profile_view'
        ELSE 'message' END,
    actor, CASE WHEN about_place THEN target / 10 ELSE target END,
    CASE WHEN about_place THEN 'place' ELSE 'member' END,
    CASE WHEN about_place THEN 'travel' WHEN i %% 10 < 7 THEN 'dating' ELSE 'networking' END, at, at
FROM ({_PAIRS.format(each=13, days=DAYS)}) pairs,
    LATERAL (SELECT i %% 13 = 0 AND target >= 10 AS about_place) about
WHERE actor <> target
"""
_NUMBERED = """
SELECT setval(pg_get_serial_sequence('members_member', 'number'), (SELECT max(number) FROM members_member)),
    setval(pg_get_serial_sequence('places_place', 'number'),
        (SELECT coalesce(max(number), 1) FROM places_place))
"""


def ensure_market_of(members: int, say: Callable[[str], object]) -> None:
    """A market of this size. Raises CommandError when the database holds another."""
    if not _holds(members):
        say(f"Filling a market of {members:,} members (once)")
        _fill(members)


def ensure_simulated_market_of(members: int, say: Callable[[str], object]) -> None:
    """The same, of members who have reasons. Raises CommandError when the database holds another."""
    if not _holds(members):
        say(f"Simulating {members:,} members (once)")
        call_command("simulate", members=members, stdout=StringIO())


def ensure_snapshots(count: int, say: Callable[[str], object]) -> list[str]:
    """Ids of at least this many snapshots of the market on disk, the active one first."""
    rows = SnapshotRow.objects.exclude(status=SnapshotRow.Status.REMOVED).order_by("status", "-built_at")
    while True:
        found = [row.id for row in rows.all() if snapshot_folder(row.id).is_dir()]
        if len(found) >= count:
            return found
        say("Refreshing (once)")
        call_command("refresh", stdout=StringIO())


def service_key(*scopes: str) -> dict[str, str]:
    """The header of a new key of an app's back end."""
    out = StringIO()
    call_command("create_service_key", "bench", scopes=list(scopes), stdout=out)
    return {"Authorization": f"Api-Key {out.getvalue().strip()}"}


def _holds(members: int) -> bool:
    from apps.members.models import Member

    found = Member.objects.count()
    if found and abs(found - members) > members * 0.1:
        raise CommandError(f"The database holds {found:,} members, not {members:,}.")
    return bool(found)


def _fill(members: int) -> None:
    """All in one transaction: an interrupted fill leaves nobody."""
    from apps.pipeline.vocabulary import INTENTS

    now = clock.now()
    ensure_partitions("interactions_event", [now - timedelta(days=days) for days in range(DAYS + 2)])
    values: dict[str, Any] = {
        "members": members,
        "per_market": PER_MARKET,
        "day": DAY,
        "hour": HOUR,
        "intents": list(INTENTS),
    }
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")  # no row of the audit trail for each
        cursor.execute("SELECT setseed(%s)", [SEED])
        cursor.execute(_DRAWN)
        for i, start in enumerate(range(0, members, PER_MARKET)):
            _copy(i, start, min(PER_MARKET, members - start))
        for sql in (_MEMBERS, _CONNECTIONS, _PLACES, _RELATIONSHIPS, _SAVES, _DECISIONS, _EVENTS, _NUMBERED):
            cursor.execute(sql, values)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def _copy(i: int, start: int, size: int) -> None:
    """One market's members, as numbers."""
    centre = (48.86, -170.0 + 340.0 * (i % 64) / 64)
    market = ensure_market(f"bench-{i}", f"Bench {i}", *centre)
    drawn = drawn_members(size, np.random.default_rng(i))
    columns = [start + 1 + np.arange(size), np.full(size, market.pk), _cells(drawn, centre)]
    columns += [drawn[name].astype("i8") for name in _COPIED]
    rows = zip(*(column.tolist() for column in columns), strict=True)
    with connection.cursor() as cursor, cursor.copy("COPY bench_drawn FROM STDIN") as copy:
        copy.write("".join("\t".join(map(str, row)) + "\n" for row in rows))


def _cells(drawn: Table, centre: tuple[float, float]) -> npt.NDArray[np.int64]:
    """The cells of homes that were drawn on a plane, in units of 10 m around the centre."""
    plane = np.stack([drawn["x"], drawn["y"]], axis=1)
    spots, which = np.unique(plane, axis=0, return_inverse=True)
    north = centre[0] + spots[:, 1] / 100 / geo.KM_PER_DEGREE
    east = centre[1] + spots[:, 0] / 100 / geo.KM_PER_DEGREE / np.cos(np.radians(centre[0]))
    cells = [geo.cell_of(*spot) for spot in zip(north.tolist(), east.tolist(), strict=True)]
    return np.asarray(np.array(cells, "i8")[which.reshape(-1)])
