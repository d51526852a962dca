"""Everything that a viewer is dealt of a release, flags and experiments, in one compiled pass.

Takes what is open, packed once per moment; gives which part of each the viewer fell into. The hashes are
GrowthBook's (FNV-1a); their plain form, and the oracle of this one, is apps.common.hashing and
apps.experiments.assignment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from apps.pipeline.passes import Passes

deal_loop = Passes("deal_loop")

U8 = npt.NDArray[np.uint8]
U64 = npt.NDArray[np.uint64]
I32 = npt.NDArray[np.int32]
F64 = npt.NDArray[np.float64]
WORD = 64


@dataclass(frozen=True)
class Deal:
    """What somebody may fall into a part of. `ranges`: the part of [0, 1) that each has."""

    seed: str
    ranges: Sequence[tuple[float, float]]
    layer: str = ""  # the seed of its layer; "": it is in none
    within: tuple[float, float] = (0.0, 1.0)  # its part of the layer
    conditions: int = 0  # bits of viewer conditions, of which one must be met; 0: everybody
    by_market: bool = False  # a market is dealt as a whole


@dataclass(frozen=True, eq=False)
class Deck:
    """Deals, packed. Deal i has the seed `data[starts[2 * i]:starts[2 * i + 1]]`; its layer's is the next."""

    data: U8
    starts: I32  # [2 x deals + 1]
    conditions: U64  # [deals, words]
    bounds: F64  # [deals, 5] by market, from and to where in the layer, from and to which of `ranges`
    ranges: F64  # [ranges, 2]
    asks_market: bool


def pack(deals: Sequence[Deal]) -> Deck:
    """In their order."""
    seeds = [_bytes(seed) for deal in deals for seed in (deal.seed, deal.layer)]
    words = max((-(-deal.conditions.bit_length() // WORD) for deal in deals), default=0)
    conditions = b"".join(deal.conditions.to_bytes(8 * words, "little") for deal in deals)
    ends = [*accumulate((len(deal.ranges) for deal in deals), initial=0)]
    bounds = [(d.by_market, *d.within, *ends[i : i + 2]) for i, d in enumerate(deals)]
    return Deck(
        np.frombuffer(b"".join(seeds), "u1"),
        np.array([0, *accumulate(map(len, seeds))], "i4"),
        np.frombuffer(conditions, "<u8").reshape(len(deals), words),
        np.array(bounds, "f8").reshape(-1, 5),
        np.array([part for deal in deals for part in deal.ranges], "f8").reshape(-1, 2),
        any(deal.by_market for deal in deals),
    )


def dealt(deck: Deck, viewer: str, *, market: str = "", met: U64) -> F64:
    """[3, deals] the part of each that a viewer falls into, -1: none; and where they stand in it and in its
    layer, in steps of 1/10,000 and of 1/1,000.

    `met`: [words] conditions that the viewer meets. `market`: its key; "": nobody is dealt by market.
    """
    found = np.empty((3, len(deck.bounds)))
    deal_loop.deal_all(
        deck.data,
        deck.starts,
        deck.conditions,
        deck.bounds,
        deck.ranges,
        np.frombuffer(_bytes(viewer), "u1"),
        np.frombuffer(_bytes(market), "u1") if deck.asks_market else NO_BYTES,
        met,
        found,
    )
    return found


NO_BYTES: U8 = np.zeros(0, "u1")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
