"""A store returns to a site of many members: when it is believed, and that nothing is missing then."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
import redis

from tests.faults.breaking import outage
from tests.faults.checker import wrongs
from tests.faults.site import Site, wait_until
from tests.faults.traffic import Traffic

pytestmark = [pytest.mark.faults, pytest.mark.slow]

EACH = 10  # relations, impressions and exposures of a member
# Rows as the services write them, of members whom no snapshot knows. %(n)s members from number %(first)s on.
MANY = (
    """INSERT INTO members_member SELECT made.*
    FROM members_member m, generate_series(%(first)s, %(first)s + %(n)s - 1) n,
        jsonb_populate_record(m, jsonb_build_object('number', n, 'external_id', 'many' || n)) made
    WHERE m.external_id = 'w0'""",
    """INSERT INTO interactions_relationship
        (actor, target, target_kind, surface, state, decided_at, decided_by, version)
    SELECT n, n + k, 'member', 'dating', CASE k %% 2 WHEN 0 THEN 'liked' ELSE 'passed' END,
        now() - k * interval '1 hour', gen_random_uuid(), 1
    FROM generate_series(%(first)s, %(first)s + %(n)s - 1) n, generate_series(1, %(each)s) k""",
    """WITH seen AS (
        SELECT gen_random_uuid() AS id, n, k, now() - k * interval '1 minute' AS at
        FROM generate_series(%(first)s, %(first)s + %(n)s - 1) n, generate_series(1, %(each)s) k
    ), keys AS (
        INSERT INTO interactions_eventkey (id, digest, occurred_at) SELECT id, '\\x00', at FROM seen
    )
    INSERT INTO interactions_event
        (id, type, actor, target, target_kind, surface, occurred_at, received_at, context)
    SELECT id, 'impression', n, n + %(each)s + k, 'member', 'dating', at, at, '{}' FROM seen""",
    """INSERT INTO interactions_delivery SELECT made.*
    FROM interactions_delivery d, generate_series(%(first)s, %(first)s + %(n)s - 1) n,
        LATERAL (SELECT jsonb_build_object('candidates', jsonb_agg(n + %(each)s + k),
            'scores', jsonb_agg(0), 'propensities', jsonb_agg(1), 'sources', jsonb_agg(0)) AS of_each
            FROM generate_series(1, %(each)s) k) columns,
        jsonb_populate_record(d, columns.of_each || jsonb_build_object(
            'id', gen_random_uuid(), 'viewer', n, 'served_at', now() - interval '1 hour')) made
    WHERE d.id = (SELECT id FROM interactions_delivery WHERE counted LIMIT 1)""",
)


def test_a_store_that_returns_is_believed_once_nothing_is_missing(
    shared_site: Site, request: pytest.FixtureRequest
) -> None:
    site, members = shared_site, request.config.getoption("members")
    with Traffic(site, posters=1, askers=1) as traffic:
        traffic.wait_for_answers(10)
        traffic.wait_for_events(10)
    assert wrongs(traffic) == []  # brings a delivery to Postgres, too
    _fill(site, members)
    beat = site.start_beat("beat")  # which mends
    beat.wait_until(lambda: "beat: Starting" in beat.output(), 60)
    client = redis.Redis.from_url(site.servers.redis_url)
    with Traffic(site, posters=1, askers=2) as traffic:
        traffic.wait_for_events(20)
        flushed = _seconds_until_well(site, client.flushall)
        killed = _seconds_until_well(site, lambda: site.servers.restart_valkey(kill=True))
        with outage(site, "Postgres hangs"):
            traffic.wait_for_answers(50)
            wait_until(lambda: not site.is_well(), "that somebody notices", 10)
            returned = time.monotonic()
        wait_until(site.is_well, "recovery", 120)
        hung = time.monotonic() - returned
    print(
        f"{members} members: well {flushed:.1f} s after FLUSHALL, {killed:.1f} s after Valkey's start, "
        f"{hung:.1f} s after Postgres's return"
    )
    assert wrongs(traffic) == []


def _fill(site: Site, members: int) -> None:
    first = 1 + site.query("SELECT max(number) FROM members_member")[0][0]
    for sql in MANY:
        site.execute(sql, {"first": first, "n": members, "each": EACH})
    site.execute(
        "SELECT setval(pg_get_serial_sequence('members_member', 'number'), %(last)s)",
        {"last": first + members},
    )


def _seconds_until_well(site: Site, fault: Callable[[], object]) -> float:
    fault()
    start = time.monotonic()
    wait_until(lambda: not site.is_well(), "that somebody notices", 10)
    wait_until(site.is_well, "recovery", 120)
    return time.monotonic() - start
