"""Tables as they are when many use the app: filled by the database itself, in a few statements.

The rows are strangers to the town's own few members: what is measured is how much of them a page reads.
"""

from __future__ import annotations

from django.db import connection

LARGE = (
    "members_member",
    "members_connection",
    "places_place",
    "interactions_event",
    "interactions_delivery",
    "interactions_relationship",
    "common_change",
    "common_auditentry",
)

# Every row of these tables is audited by a trigger, so the audit trail grows with them.
MEMBERS = """
INSERT INTO members_member (external_id, display_name, photo_url, status, visibility, birth_date, gender,
    seeking, intents, age_min, age_max, max_distance_km, home_market_id, home_cell, industries, crafts,
    skills, interests, bio, joined_at, last_active_at, updated_at)
SELECT 'big-' || i, (ARRAY['Ada', 'Bao', 'Camille', 'Dalia', 'Elif', 'Zoe'])[1 + i %% 6] || ' ' || i, '',
    CASE WHEN i %% 50 = 0 THEN 'paused' ELSE 'active' END, 'visible', date '1980-01-01' + i %% 9000,
    (ARRAY['woman', 'man'])[1 + i %% 2], ARRAY[(ARRAY['man', 'woman'])[1 + i %% 2]], ARRAY['long_term'],
    18, 99, 100, market.id, member.home_cell, ARRAY['film'], ARRAY['acting'], ARRAY['editing'],
    '{"cinema": 0.9}', 'Makes short films about long train journeys, and cooks for whoever is on set.',
    now() - i %% 900 * interval '1 day', now() - i %% 90 * interval '1 hour', now()
FROM generate_series(1, %(members)s) i,
    (SELECT id FROM surfaces_market ORDER BY id LIMIT 1) market,
    (SELECT home_cell FROM members_member WHERE home_cell IS NOT NULL LIMIT 1) member
"""
CONNECTIONS = """
INSERT INTO members_connection (a_id, b_id, kind, visible)
SELECT number, number + 1, 'connection', true FROM members_member
WHERE external_id LIKE 'big-%%' AND external_id <> 'big-' || %(members)s
"""
PLACES = """
INSERT INTO places_place (external_id, name, photo_url, market_id, cell, category, tags, price_band, is_open,
    visibility, updated_at)
SELECT 'big-' || i, 'Café ' || i, '', market_id, cell, 'bar', ARRAY['late'], 2, true, 'visible', now()
FROM generate_series(1, %(members)s / 20) i, (SELECT market_id, cell FROM places_place LIMIT 1) place
"""
# What members do often; the rare kinds are the town's own.
EVENTS = """
INSERT INTO interactions_event (id, type, actor, target, target_kind, surface, occurred_at, received_at)
SELECT gen_random_uuid(), (ARRAY['impression', 'impression', 'profile_view', 'like', 'pass'])[1 + i %% 5],
    first + i %% %(members)s, first + (i * 7 + 1) %% %(members)s, 'member', 'dating', at, at
FROM generate_series(1, %(members)s * 2) i,
    LATERAL (SELECT now() - i * interval '10 days' / %(members)s AS at) times,
    (SELECT min(number) AS first FROM members_member WHERE external_id LIKE 'big-%%') big
WHERE i %% %(members)s <> (i * 7 + 1) %% %(members)s
"""
DELIVERIES = """
INSERT INTO interactions_delivery (id, served_at, viewer, surface, market, release, snapshot, variants, seed,
    requested, candidates, scores, propensities, sources, trace)
SELECT gen_random_uuid(), now() - i * interval '20 days' / %(members)s, first + i %% %(members)s,
    (ARRAY['dating', 'networking'])[1 + i %% 2], market, release, snapshot, variants, 7, 10,
    (SELECT array_agg(first + (i * 7 + n) %% %(members)s) FROM generate_series(1, 8) n), scores,
    propensities, sources, trace
FROM generate_series(1, %(members)s) i,
    (SELECT min(number) AS first FROM members_member WHERE external_id LIKE 'big-%%') big,
    (SELECT * FROM interactions_delivery WHERE cardinality(candidates) = 8 LIMIT 1) like_this
"""
RELATIONSHIPS = """
INSERT INTO interactions_relationship (actor, target, target_kind, surface, state, decided_at, decided_by,
    version)
SELECT first + i %% %(members)s, first + (i * 7 + 1) %% %(members)s, 'member', 'dating',
    (ARRAY['liked', 'passed', 'passed'])[1 + i %% 3], now() - i * interval '20 days' / %(members)s,
    gen_random_uuid(), 0
FROM generate_series(1, %(members)s * 3 / 2) i,
    (SELECT min(number) AS first FROM members_member WHERE external_id LIKE 'big-%%') big
WHERE i %% %(members)s <> (i * 7 + 1) %% %(members)s
ON CONFLICT DO NOTHING
"""
# Of a time before anything that serves was built, so that nothing follows them now.
CHANGES = """
INSERT INTO common_change (kind, number, transaction, payload)
SELECT 'relationship', i, 1, '{}' FROM generate_series(1, %(members)s) i
"""
# People look at members all day: acts that no search by action is about.
ACTS = """
INSERT INTO common_auditentry (kind, at, actor_name, action, subject, after)
SELECT 'act', now() - i * interval '1 minute', 'staff ' || i %% 20, 'member.looked_at', 'member big-' || i,
    '{"page": "preview", "reason": "A question"}'
FROM generate_series(1, %(members)s / 2) i
"""


def fill(members: int) -> None:
    """This many members more, with what they did; statistics as autovacuum leaves them."""
    with connection.cursor() as cursor:
        for sql in (MEMBERS, CONNECTIONS, PLACES, EVENTS, DELIVERIES, RELATIONSHIPS, CHANGES, ACTS):
            cursor.execute(sql, {"members": members})
        cursor.execute("VACUUM ANALYZE" if not connection.in_atomic_block else "ANALYZE")


def blocks_of(table: str) -> int:
    """The table's size in blocks of 8 KiB, all partitions together."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT sum(pg_relation_size(relid)) / 8192 FROM (SELECT %s::regclass AS relid UNION ALL "
            "SELECT inhrelid FROM pg_inherits WHERE inhparent = %s::regclass) parts",
            [table, table],
        )
        return int(cursor.fetchone()[0])
