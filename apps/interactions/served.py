"""The features that lists were made of, logged with a share of deliveries, so that training reads what was.

Which deliveries is a pure hash of their id. The bytes travel with the delivery through its stream; the copier
unpacks them into columns of its row, with whose partition they go. A delivery that only a grant file saved
comes without.
"""

from __future__ import annotations

from hashlib import blake2s
from typing import Any
from uuid import UUID

import numpy as np
import orjson
from django.conf import settings

from apps.interactions.models import Delivery
from apps.pipeline.contracts import Served

NOBODY = 0


def is_logged(delivery: UUID) -> bool:
    """Whether this delivery's features are kept (SERVED_FEATURES_SHARE of all)."""
    drawn = int.from_bytes(blake2s(delivery.bytes, digest_size=8, person=b"features").digest(), "big")
    share: float = settings.SERVED_FEATURES_SHARE
    return drawn < share * 2.0**64


def pack(served: Served | None) -> bytes:
    """Names, numbers and values; nothing of nothing."""
    if served is None:
        return b""
    head = orjson.dumps([served.names, served.numbers.tolist()])
    return len(head).to_bytes(4, "little") + head + np.ascontiguousarray(served.values, "<f4").tobytes()


def unpack(packed: bytes) -> dict[str, Any]:
    """The columns of a delivery's row. ValueError for bytes that don't agree."""
    if not packed:
        return {}
    start = 4 + int.from_bytes(packed[:4], "little")
    names, numbers = orjson.loads(packed[4:start])
    values = packed[start:]
    if len(values) != 4 * len(names) * len(numbers):
        raise ValueError("These bytes are no served features.")
    return {"feature_names": names, "feature_numbers": numbers, "features": values}


def without(row: Delivery, erased: set[int]) -> None:
    """Takes these numbers, and what was computed of them, out of a row that is not stored yet."""
    numbers = row.feature_numbers or []
    if row.features is None or not erased.intersection(numbers):
        return
    values = np.frombuffer(row.features, "<f4").reshape(len(numbers), -1).copy()
    values[np.isin(numbers, list(erased))] = 0.0
    row.features = values.tobytes()
    row.feature_numbers = [NOBODY if number in erased else number for number in numbers]
