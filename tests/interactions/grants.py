"""Lists granted by the reserve script as the serve path does it, without a pipeline before it."""

from datetime import datetime
from typing import Any
from uuid import UUID

import numpy as np
import orjson

from apps.common import online
from apps.common.valkey import writing_client
from apps.delivery.ledger import Order, Reservation, reserve
from apps.interactions.delivery_ids import new_delivery_id
from apps.interactions.grants import grant_file

HOLD = 1800


def believe() -> None:
    """Postgres vouches for the Valkey of the tests as it is."""
    from apps.interactions.rebuild import rebuild

    assert rebuild()


def order(viewer: int, candidates: list[int], at: datetime, **values: Any) -> Order:
    delivery = values.pop("delivery", None) or new_delivery_id(viewer)
    hold, cap = values.pop("hold", HOLD), values.pop("cap", 0)
    n = len(candidates)
    payload = {
        "id": str(delivery), "served_at": at.timestamp(), "viewer": viewer, "surface": "dating",
        "kind": "member", "market": None, "release": 1, "snapshot": "s", "variants": {}, "seed": 1,
        "random_order": False, "degraded": [], "requested": n, "overlay_position": 0, "key_prefix": "",
        "candidates": candidates, "scores": [0.5] * n, "propensities": [1.0] * n, "sources": [1] * n,
        "reasons": [[]] * n, "trace": [], "exhausted": False, "capped_before": 0,
        "hold_seconds": hold, "counted": True, "price_version": 0,
    }  # fmt: skip
    given: dict[str, Any] = {
        "surface": "dating",
        "kind": "member",
        "viewer": viewer,
        "generation": online.current_belief().generation,
        "limit": n,
        "now": at.timestamp(),
        "hold_seconds": hold,
        "candidates": np.array(candidates, "i4"),
        "payload": orjson.dumps(payload),
        "viewer_state": b"",
        "delivery": delivery,
        "caps": np.array([[cap, 0]], "i4"),
    }
    return Order(**{**given, **values})


def grant(one: Order) -> list[int]:
    """Who was granted, by number; also in this process's file."""
    found: Reservation = reserve(one)
    append(one, found)
    return [int(one.candidates[i]) for i in found.kept]


def append(one: Order, found: Reservation) -> None:
    grant_file().append(payload=one.payload, state=b"", kept=found.kept, gone=found.gone, capped=found.capped)


def counted(number: int) -> int:
    """Exposures of all hours, as Valkey has them."""
    packed: Any = writing_client().hget(online.counters_key("dating"), str(number)) or b""
    return int(np.frombuffer(packed, [("hour", "<u4"), ("count", "<u2")])["count"].sum())


def show(viewer: int, candidates: list[int], at: datetime, **values: Any) -> UUID:
    """The delivery that showed them."""
    one = order(viewer, candidates, at, **values)
    grant(one)
    return one.delivery
