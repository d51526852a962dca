"""A delivery's payload: what the stream, the request id's entry and the answer are all made from.

Takes a slate and its question; gives plain values. The same payload and positions give the same answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import numpy as np

from apps.delivery.reasons import in_words
from apps.delivery.world import World
from apps.interactions.copier import shortfall_of
from apps.pipeline.contracts import Slate

SCORE_DIGITS = 6


def base_payload(
    world: World, *, delivery: UUID, surface: str, limit: int, now: float, key_prefix: str
) -> dict[str, Any]:
    """A payload without candidates; what is not yet known keeps its empty value."""
    return {
        "id": str(delivery),
        "served_at": now,
        "viewer": 0,
        "surface": surface,
        "kind": world.kinds[surface],
        "market": None,
        "release": world.live.stable_number if world.live else 0,
        "snapshot": world.snapshot.id if world.snapshot else "",
        "variants": {},
        "seed": seed_of(delivery),
        "random_order": False,
        "degraded": [],
        "requested": limit,
        "overlay_position": world.overlay.position.transaction,
        "inputs": {},
        "key_prefix": key_prefix,
        "candidates": [],
        "scores": [],
        "propensities": [],
        "sources": [],
        "reasons": [],
        "trace": [],
        "exhausted": True,
        "capped_before": 0,
        "expires_at": now,
        "hold_seconds": 0,
        "counted": True,  # by the ledger
        "price_version": 0,
    }


def with_slate(payload: dict[str, Any], slate: Slate) -> dict[str, Any]:
    """The payload with a slate's candidates, the reserve included."""
    return payload | {
        "candidates": slate.numbers.tolist(),
        "scores": np.round(slate.scores.astype("f8"), SCORE_DIGITS).tolist(),
        "propensities": np.round(slate.propensity.astype("f8"), SCORE_DIGITS).tolist(),
        "sources": slate.sources.astype("i8").tolist(),
        "reasons": slate.reasons,
        "trace": [*payload["trace"], *slate.trace.as_json()],
    }


def answer_of(
    world: World, payload: Mapping[str, Any], kept: Sequence[int], *, capped: int = 0, dry_run: bool = False
) -> dict[str, Any]:
    """The REST answer: of the payload's candidates those at the positions `kept`."""
    numbers = [payload["candidates"][i] for i in kept]
    ids = world.ids_of(payload["kind"], numbers)
    named = [(i, one) for i, one in zip(kept, ids, strict=True) if one is not None]
    scores = scores_told(payload["kind"], [payload["scores"][i] for i, _ in named])
    items = [
        {
            "id": one,
            "rank": rank,
            "score": scores[rank - 1],
            "reasons": in_words(payload["reasons"][i]),
        }
        for rank, (i, one) in enumerate(named, 1)
    ]
    variants = dict(payload["variants"])
    variants.pop("salts", None)
    return {
        "delivery": None if dry_run else payload["id"],
        "surface": payload["surface"],
        "release": payload["release"],
        "snapshot": payload["snapshot"],
        "variants": variants,
        "degraded": payload["degraded"],
        "shortfall": shortfall_of(payload, shown=len(items), capped=capped),
        "expires_at": datetime.fromtimestamp(payload["expires_at"], UTC).isoformat(timespec="seconds"),
        "items": items,
    }


def scores_told(kind: str, scores: list[float]) -> list[float]:
    """Of members the scores of a list in falling order: whoever stands above their own score doesn't show."""
    return sorted(scores, reverse=True) if kind == "member" else scores


def seed_of(delivery: UUID) -> int:
    """The seed of a delivery's random draws: 62 bits of its id."""
    return delivery.int & ((1 << 62) - 1)
