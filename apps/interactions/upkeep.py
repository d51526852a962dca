"""Months of events and deliveries: made before they are needed, dropped when the retention policy says so.

What outlives its month: kept facts and relationships (dropping a month lifts no block) and undos. Ids of
dropped events go too; so that none comes twice, nothing from before the kept months is taken any more.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime

from django.conf import settings
from django.db import OperationalError, connection, transaction

from apps.interactions.bonds import ERASING
from apps.interactions.partitions import PARTITIONED, drop_partition, ensure_partitions
from apps.interactions.retention import kept_since

log = logging.getLogger(__name__)
AHEAD = 2  # months after this one
# What is asked less of counts for 240 days; a release is compared with the deliveries of last month.
LEAST = {"interactions_event": 9, "interactions_delivery": 2}

# Shuts out batches that looked at the older moment; it only moves forward.
_CLOSE = """
INSERT INTO interactions_keptsince ("table", since) VALUES (%s, %s)
ON CONFLICT ("table") DO UPDATE SET since = greatest(interactions_keptsince.since, excluded.since)
"""
_MONTHS = """
SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = %s::regclass ORDER BY c.relname
"""


def keep_months(now: datetime, kept: Mapping[str, int] | None = None) -> list[str]:
    """Makes the months to come; which old ones were dropped. One that is in use goes the next time.

    `kept`: for how many whole months before this one each table keeps its rows (0: for good); by default what
    the settings say. Raises ValueError when that is less than something else needs.
    """
    dropped: list[str] = []
    policy = settings.KEPT_MONTHS if kept is None else kept
    for table in PARTITIONED:
        ensure_partitions(table, [_first_of_month(now, -months) for months in range(AHEAD + 1)])
        months = policy.get(table, 0)
        if not months:
            continue
        if months < LEAST[table]:
            raise ValueError(f"{table} keeps at least {LEAST[table]} months, not {months}")
        _close(table, _first_of_month(now, months))
        dropped += [name for name in months_before(table, kept_since(table)) if _drop(name)]
    if any(name.startswith("interactions_event") for name in dropped):
        _forget_ids()
    return dropped


def months_before(table: str, moment: datetime) -> list[str]:
    """The partitions that end before a moment, oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(_MONTHS, [table])
        names = [name for (name,) in cursor.fetchall()]
    return [name for name in names if name < f"{table}_{moment:%Y_%m}"]


def _close(table: str, since: datetime) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [ERASING])
        cursor.execute(_CLOSE, [table, since])


def _drop(name: str) -> bool:
    try:
        drop_partition(name)
    except OperationalError as error:
        log.warning("%s is in use and is dropped later: %r", name, error)
        return False
    log.info("%s is dropped", name)
    return True


def _forget_ids() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM interactions_eventkey WHERE occurred_at < %s", [kept_since("interactions_event")]
        )


def _first_of_month(now: datetime, before: int) -> datetime:
    months = now.astimezone(UTC).year * 12 + now.astimezone(UTC).month - 1 - before
    return datetime(months // 12, months % 12 + 1, 1, tzinfo=UTC)
