"""What the stores say of the promises: one question each. For the metrics, the health page and `doctor`."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, cast

from django.db import connection

from apps.common.changes import Position
from apps.common.online import BAD_STREAM, STREAM
from apps.common.valkey import background_client
from apps.delivery.overshoot import last_check
from apps.releases.unapproved import unapproved_live

_POSTGRES = """
SELECT coalesce((SELECT generation FROM common_onlinestate WHERE id = 1), 0),
    (SELECT count(*) FROM releases_emergency WHERE reviewed_at IS NULL),
    coalesce((SELECT extract(epoch FROM now() - max(finished_at)) FROM refresh_refreshjob
        WHERE status = 'done'), 0),
    coalesce((SELECT extract(epoch FROM now() - min(created_at)) FROM
        (SELECT created_at FROM common_change WHERE (transaction, id) > (%s, %s)
         ORDER BY transaction, id LIMIT 1) AS oldest), 0),
    coalesce((SELECT extract(epoch FROM now() - min(created_at)) FROM interactions_untold), 0),
    (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')::float
        / current_setting('max_connections')::int
"""


@dataclass(frozen=True)
class PostgresFacts:
    generation: int  # of the online state: rises with rebuilds and missed writes
    unapproved: int
    emergencies: int  # unreviewed
    refresh_age_seconds: float
    overlay_lag_seconds: float  # age of the oldest change after the position asked for
    untold_seconds: float  # age of the oldest batch of events that Valkey may not have
    connections_ratio: float


@dataclass(frozen=True)
class ValkeyFacts:
    stream: int  # deliveries that wait for the copier
    copier_lag_seconds: float  # age of the oldest of them
    set_aside: int
    memory_ratio: float  # 0: without a limit
    caps_overshot: int  # candidates, when it was last looked
    caps_checked_at: float  # 0: not within the hour


def postgres_facts(position: Position | None = None) -> PostgresFacts:
    """Raises DatabaseError."""
    after = position or Position(2**62, 2**62)
    with connection.cursor() as cursor:
        cursor.execute(_POSTGRES, [after.transaction, after.id])
        generation, emergencies, *figures = cursor.fetchone()
    return PostgresFacts(generation, unapproved_live(), emergencies, *map(float, figures))


def valkey_facts() -> ValkeyFacts:
    """Raises RedisError."""
    client = background_client()
    oldest = cast("list[tuple[bytes, Any]]", client.xrange(STREAM, count=1))
    memory = client.info("memory")
    lag = time.time() - int(oldest[0][0].partition(b"-")[0]) / 1000 if oldest else 0.0
    overshot, checked_at = last_check() or (0, 0.0)
    limit = int(memory.get("maxmemory", 0))
    return ValkeyFacts(
        stream=client.xlen(STREAM),
        copier_lag_seconds=max(lag, 0.0),
        set_aside=client.xlen(BAD_STREAM),
        memory_ratio=int(memory["used_memory"]) / limit if limit else 0.0,
        caps_overshot=overshot,
        caps_checked_at=checked_at,
    )
