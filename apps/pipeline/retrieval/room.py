"""Who stays when the sources propose more than there is room for.

Takes what each source proposed, best first, and gives the candidates that are kept. Sources first get their
minimum shares, in the order of the line-up; the rest of the room goes to whoever stands best in some source's
list: by the place there, as a part of the source's quota, over its weight. So with weights of 1 all give up
about the same part, and one of weight 2 keeps twice as much. Of equals the lower number stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from apps.pipeline.contracts import I64, U32
from apps.pipeline.passes import Passes
from apps.pipeline.retrieval.eligible import Eligible

room_loop = Passes("retrieval.room_loop")

WHOLE = 10_000  # knobs have four decimals: shares and weights are counted in these


@dataclass(frozen=True)
class Bid:
    """What one source proposed: positions, best first, at most `quota` of them."""

    positions: I64
    quota: int
    weight: float = 1.0  # above 0
    share: float = 0.0  # of the room
    competes: bool = True

    def least(self, room: int) -> int:
        """How many of so much room are kept for it: its share, in whole candidates."""
        return max(round(self.share * WHOLE), 0) * room // WHOLE if self.competes else 0

    @property
    def divisor(self) -> float:
        """Quota by weight, in whole numbers: places over these are equal as floats only where they are equal,
        for with weights up to 10 and quotas up to 2,000 others are further apart."""
        return float(self.quota * max(round(self.weight * WHOLE), 1)) if self.competes else 0.0


def keep(room: int, bids: Sequence[Bid], eligible: Eligible, bits: U32, always: int) -> tuple[I64, list[int]]:
    """The positions that stay, ascending, and how many of them each source found.

    `bits` [eligible]: not 0 for whoever was proposed. Whoever has the bit `always` stays beside the room.
    """
    (merged,) = bits.nonzero()
    kept, counts = np.empty(len(merged), "i8"), np.empty(len(bids), "i8")
    many = room_loop.keep(
        np.concatenate([bid.positions for bid in bids]) if bids else kept[:0],
        np.cumsum([len(bid.positions) for bid in bids], dtype="i8"),
        np.array([bid.divisor for bid in bids], "f8"),
        np.array([bid.least(room) for bid in bids], "i8"),
        merged,
        bits,
        always,
        room,
        eligible.rows,
        eligible.table["number"],
        eligible.newcomers["number"],
        kept,
        counts,
    )
    return kept[:many], counts.tolist()
