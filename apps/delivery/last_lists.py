"""A viewer's last list per surface, kept for the day the pipeline can't run.

Takes a slate; gives a slate again, without reasons, of those of what the reserve script kept of it whom the
caller found may still be shown. It is bounded in size and time, and passes the same guard as any other list:
who was shown is held, who is gone is refused.
"""

from __future__ import annotations

from typing import cast

import numpy as np
import numpy.typing as npt

from apps.common.online import last_key
from apps.common.valkey import ask
from apps.pipeline.contracts import I32, Slate
from apps.pipeline.sets import positions_in
from apps.pipeline.trace import Trace

MOST_KEPT = 50
LAST_SECONDS = 24 * 3600
KEPT = np.dtype([("number", "<i4"), ("score", "<f4")])
LastList = npt.NDArray[np.void]  # of KEPT: what was ranked last, in order


def packed(slate: Slate) -> bytes:
    """The best MOST_KEPT of a slate; nothing when it is empty: an older list is worth more."""
    count = min(len(slate.numbers), MOST_KEPT)
    kept = np.zeros(count, KEPT)
    kept["number"], kept["score"] = slate.numbers[:count], slate.scores[:count]
    return kept.tobytes()


def read_last(surface: str, viewer: int) -> LastList | None:
    """A viewer's last list; None when none is kept. Raises RedisError."""
    data = cast("bytes | None", ask("GET", last_key(surface, viewer)))
    return np.frombuffer(data, KEPT) if data else None


def slate_of(last: LastList, still: I32, caps: I32) -> Slate:
    """Those of the list who may be shown `still`, in its order, as the guard takes them. `caps` [still, 2]:
    of each of these now."""
    order = np.argsort(still)
    at = positions_in(still[order], last["number"])
    kept = np.flatnonzero(at >= 0)
    n, trace = len(kept), Trace()
    trace.add("last_list", len(last), n)
    return Slate(
        numbers=np.ascontiguousarray(last["number"][kept]),
        scores=np.ascontiguousarray(last["score"][kept]),
        propensity=np.ones(n, "f4"),
        sources=np.zeros(n, "u4"),
        reasons=((),) * n,
        eligible=n,
        trace=trace,
        caps=caps[order[at[kept]]],
    )


def only_those(slate: Slate, stays: npt.NDArray[np.bool_]) -> Slate:
    """The slate without those who don't stay."""
    kept = np.flatnonzero(stays)
    return Slate(
        numbers=slate.numbers[kept],
        scores=slate.scores[kept],
        propensity=slate.propensity[kept],
        sources=slate.sources[kept],
        reasons=tuple(slate.reasons[i] for i in kept.tolist()),
        eligible=slate.eligible,
        trace=slate.trace,
        caps=slate.caps[kept] if len(slate.caps) else slate.caps,
        served=slate.served,
    )
