"""A viewer's last list per surface, kept for the day the pipeline can't run.

Takes a slate; gives a slate again, without reasons, from what the reserve script kept of it. It is bounded in
size and time, and passes the same guard as any other list: who was shown is held, who is gone is refused.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt

from apps.common.online import last_key
from apps.common.valkey import ask
from apps.pipeline.contracts import I32, Slate
from apps.pipeline.params import PipelineParams
from apps.pipeline.rules import LiveRules
from apps.pipeline.trace import Trace

MOST_KEPT = 50
LAST_SECONDS = 24 * 3600
KEPT = np.dtype([("number", "<i4"), ("score", "<f4"), ("caps", "<u2", 2)])
HEAD_BYTES = 4  # under which caps


@dataclass(frozen=True)
class LastList:
    """What was ranked last: in order, with the caps that each had; 0: none. `under`: see mark_of_caps."""

    under: int
    kept: npt.NDArray[np.void]

    @property
    def numbers(self) -> I32:
        return np.ascontiguousarray(self.kept["number"])


def mark_of_caps(release: int, params: PipelineParams, rules: LiveRules | None) -> int:
    """The same while the same caps are live for a viewer, under one release."""
    live = rules.caps.tobytes() if rules is not None else b""
    return zlib.crc32(f"{release} {params.daily_cap} {params.hourly_cap} ".encode() + live)


def packed(slate: Slate, under: int) -> bytes:
    """The best MOST_KEPT of a slate; nothing when it is empty: an older list is worth more."""
    count = min(len(slate.numbers), MOST_KEPT)
    kept = np.zeros(count, KEPT)
    kept["number"], kept["score"] = slate.numbers[:count], slate.scores[:count]
    if len(slate.caps):
        kept["caps"] = slate.caps[:count]
    return int(under).to_bytes(HEAD_BYTES, "little") + kept.tobytes() if count else b""


def read_last(surface: str, viewer: int) -> LastList | None:
    """A viewer's last list; None when none is kept. Raises RedisError."""
    data = cast("bytes | None", ask("GET", last_key(surface, viewer)))
    if not data:
        return None
    return LastList(int.from_bytes(data[:HEAD_BYTES], "little"), np.frombuffer(data[HEAD_BYTES:], KEPT))


def slate_of(last: LastList, *, under: int | None, tightest: I32) -> Slate:
    """The list as the guard takes it. `tightest` [2]: the tightest caps that anybody has now.

    Under other caps than then nobody can say, without the pipeline, which of them a candidate has: the
    tightest hold for all. None: nobody can say under which.
    """
    caps = last.kept["caps"].astype("i4")
    if under != last.under:
        caps = np.where((caps > 0) & ((tightest == 0) | (caps < tightest)), caps, tightest).astype("i4")
    n, trace = len(last.kept), Trace()
    trace.add("last_list", n, n)
    return Slate(
        numbers=last.numbers,
        scores=np.ascontiguousarray(last.kept["score"]),
        propensity=np.ones(n, "f4"),
        sources=np.zeros(n, "u4"),
        reasons=((),) * n,
        eligible=n,
        trace=trace,
        caps=caps,
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
