"""How far back the partitioned tables reach. Nothing from before is stored, by whatever way it comes."""

from __future__ import annotations

from datetime import UTC, datetime

from apps.common.prepared import rows_of

ALWAYS = datetime(2000, 1, 1, tzinfo=UTC)  # the first moment that any body may name


def kept_since(table: str) -> datetime:
    """The first moment that this table keeps."""
    found = rows_of('SELECT since FROM interactions_keptsince WHERE "table" = %s', [table])
    return found[0][0] if found else ALWAYS
