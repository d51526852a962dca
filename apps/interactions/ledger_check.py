"""Whether the counters in Valkey equal what Postgres says they must be. For operators, tests and fault runs.

Call it when nothing is served meanwhile: grants between the two readings would look like differences.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple, cast

import numpy as np

from apps.common import online
from apps.common.valkey import background_client
from apps.interactions.copier import copy_all
from apps.interactions.exposure_counts import COUNTED_HOURS, HOUR, counters_of, read_exposures
from apps.interactions.exposures import release_due
from apps.interactions.grants import settle_grants
from apps.surfaces.models import Surface

_FIELD = np.dtype([("hour", "<u4"), ("count", "<u2")])


class Difference(NamedTuple):
    """One candidate's exposures in one hour (since 1970), as each store has them."""

    surface: str
    candidate: int
    hour: int
    counted: int  # Valkey
    committed: int  # Postgres


def ledger_differences(now: datetime | None = None) -> list[Difference]:
    """Brings everything to Postgres, releases what is due, compares. Raises RedisError, DatabaseError."""
    surfaces = list(Surface.objects.order_by("key").values_list("key", flat=True))
    moment = now or online.current_belief().now()
    copy_all()
    settle_grants(everything=True)
    release_due(surfaces, now=moment)
    committed = counters_of(read_exposures(surfaces, moment.timestamp()))
    client, oldest = background_client(), int(moment.timestamp()) // HOUR - COUNTED_HOURS
    found = []
    for surface in surfaces:
        raw = cast("dict[bytes, bytes]", client.hgetall(online.counters_key(surface)))
        counted = {int(number): packed for number, packed in raw.items()}
        for number in sorted(counted.keys() | committed[surface].keys()):
            have, must = _hours(counted.get(number, b"")), _hours(committed[surface].get(number, b""))
            for hour in sorted(have.keys() | must.keys()):
                if hour >= oldest and have.get(hour, 0) != must.get(hour, 0):
                    found.append(Difference(surface, number, hour, have.get(hour, 0), must.get(hour, 0)))
    return found


def _hours(packed: bytes) -> dict[int, int]:
    return {int(row["hour"]): int(row["count"]) for row in np.frombuffer(packed, _FIELD) if row["count"]}
