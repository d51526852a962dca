"""From the delivery stream in Valkey to rows in Postgres: once by delivery id, trimmed only after the commit.

Takes entries that apps.delivery.ledger wrote; gives Delivery rows. An entry that can't be read is set aside
on a stream of its own, so that it never stops the others.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

import numpy as np
import orjson
import redis
from django.db import transaction

from apps.common.online import BAD_STREAM, STREAM
from apps.common.valkey import background_client
from apps.interactions.erasure import without_erased
from apps.interactions.models import Delivery
from apps.interactions.partitions import ensure_partitions
from apps.interactions.served import unpack

log = logging.getLogger(__name__)
Entry = tuple[bytes, dict[bytes, bytes]]
PER_CANDIDATE = ("candidates", "scores", "propensities", "sources")
AS_SAID = (
    "viewer", "surface", "market", "release", "snapshot", "variants", "seed", "random_order", "degraded",
    "requested", "overlay_position", "key_prefix", "hold_seconds", "counted", "price_version",
)  # fmt: skip
BEFORE_THEY_WERE_SAID = {"hold_seconds": 1800, "counted": True, "price_version": 0}


def copy_deliveries(limit: int = 1000) -> int:
    """Copies the oldest `limit` entries; how many there were. Safe to repeat."""
    client = background_client()
    entries = cast("list[Entry]", client.xrange(STREAM, count=limit))
    if entries:
        store([row for row in (_read(client, entry) for entry in entries) if row is not None])
        _trim(client, entries[-1][0])
    return len(entries)


def copy_all() -> int:
    """Copies until the stream is empty; how many entries there were."""
    total = 0
    while copied := copy_deliveries():
        total += copied
    return total


def store(rows: list[Delivery]) -> None:
    """Writes delivery rows that may be there already."""
    if not rows:
        return
    ensure_partitions("interactions_delivery", [row.served_at for row in rows])
    with transaction.atomic():
        Delivery.objects.bulk_create(without_erased(rows), ignore_conflicts=True)


def delivery_of(
    payload: Mapping[str, Any],
    kept: list[int],
    *,
    gone: int,
    capped: int,
    viewer_state: bytes,
    features: bytes = b"",
) -> Delivery:
    """The row of a payload, of whose candidates the positions `kept` were shown, in that order."""
    columns = {name: [payload[name][i] for i in kept] for name in PER_CANDIDATE}
    payload = {**BEFORE_THEY_WERE_SAID, **payload}
    said = {name: payload[name] for name in AS_SAID}
    guard = {"stage": "guard", "received": len(payload["candidates"]), "kept": len(kept)}
    said_why = [payload["reasons"][i] for i in kept]  # codes; staff read them beside each candidate
    trace = [*payload["trace"], {**guard, "gone": gone, "capped": capped, "reasons": said_why}]
    return Delivery(
        shortfall=shortfall_of(payload, shown=len(kept), capped=capped),
        id=UUID(payload["id"]),
        served_at=datetime.fromtimestamp(payload["served_at"], UTC),
        viewer_state=viewer_state or None,
        inputs=payload.get("inputs", {}),
        trace=trace,
        **said,
        **columns,
        **unpack(features),
    )


def shortfall_of(payload: Mapping[str, Any], *, shown: int, capped: int) -> dict[str, Any]:
    """How many of the requested are missing, and why."""
    missing = max(payload["requested"] - shown, 0)
    reasons = {
        "viewer_not_eligible": payload.get("not_eligible", False),
        "capped": capped + payload.get("capped_before", 0) > 0,
        "degraded": bool(payload["degraded"]),
        "pool_exhausted": payload.get("exhausted", True),
    }
    said = [reason for reason, holds in reasons.items() if holds] if missing else []
    return {"missing": missing, "reasons": said[:1] if "viewer_not_eligible" in said else said}


def _read(client: redis.Redis, entry: Entry) -> Delivery | None:
    fields = entry[1]
    try:
        return delivery_of(
            orjson.loads(fields[b"p"]),
            np.frombuffer(fields[b"k"], "<u2").tolist(),
            gone=int(fields[b"g"]),
            capped=int(fields[b"c"]),
            viewer_state=fields.get(b"s", b""),
            features=fields.get(b"f", b""),
        )
    except (KeyError, ValueError, IndexError, TypeError) as error:
        log.error("A delivery can't be read and is set aside: %r", error)
        client.xadd(BAD_STREAM, cast(Any, fields), maxlen=1000)
        return None


def _trim(client: redis.Redis, last: bytes) -> None:
    """Drops everything up to and including `last`; newer entries stay."""
    milliseconds, _, sequence = last.decode().partition("-")
    client.xtrim(STREAM, minid=f"{milliseconds}-{int(sequence) + 1}", approximate=False)
