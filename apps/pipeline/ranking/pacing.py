"""The pacer's part of the price: what share targets and floors that are live for this viewer add.

Takes a request and a scored pool's words, gives one number per candidate, or None when nothing is paced, so
that scores stay bit for bit what they were.
"""

from __future__ import annotations

import numpy as np

from apps.pipeline.contracts import F32, Pool, Request
from apps.pipeline.ranking.matching import meets


def pacing_of(request: Request, pool: Pool) -> F32 | None:
    """[n] in Phi's units; negative lifts."""
    pacing, live = request.pacing, request.rules
    if pacing is None or live is None or not len(pool):
        return None
    price, numbers = np.zeros(len(pool), "f8"), pool.table["number"]
    paced = False
    for spec in live.specs:
        if spec.kind == "share_target" and pacing.shares.get(spec.key):
            price += pacing.shares[spec.key] * meets(pool.words, spec.candidates, len(pool))
            paced = True
        elif spec.kind == "floor" and spec.key in pacing.floors:
            known, corrections = pacing.floors[spec.key]
            if len(known):
                at = np.minimum(np.searchsorted(known, numbers), len(known) - 1)
                price += np.where(known[at] == numbers, corrections[at], 0.0)
                paced = True
    return price.astype("f4") if paced else None
