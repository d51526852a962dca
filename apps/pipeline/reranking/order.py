"""A list in the making: positions of the pool in order, and how probable each was at its place.

A reranker takes an order and gives an order; it may move and cut, never add whom the pool does not hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from numpy.random.bit_generator import ISeedSequence

from apps.pipeline.contracts import F32, I64, Pool, Request
from apps.pipeline.passes import Passes

exchange = Passes("reranking.exchange")

NO_PLACES: I64 = np.zeros(0, "i8")


@dataclass(frozen=True)
class Order:
    """Positions in the pool, best first. `propensity`: see contracts.Slate."""

    positions: I64
    propensity: F32
    held: I64 = field(default_factory=lambda: NO_PLACES)  # places of the list that rules gave: they stay
    kept_out: int = 0  # how many of the end may not come up: more of them than a rule allows
    mixed_in: I64 = field(default_factory=lambda: NO_PLACES)  # those of `held` that the lane of likes gave
    # positions in the pool that the lane drew from
    not_by_lot: I64 = field(default_factory=lambda: NO_PLACES)

    def __len__(self) -> int:
        return len(self.positions)

    def open_places(self, shown: int) -> I64:
        """Those of the first `shown` places that no rule gave away."""
        return without(0, shown, self.held)


@dataclass(frozen=True)
class Reranker:
    """One step from scores to a list."""

    name: str
    sentence: str
    apply: Callable[[Request, Pool, Order], Order]


def reranked(request: Request, pool: Pool, rerankers: Sequence[Reranker]) -> Iterator[tuple[str, Order]]:
    """The order by score under "", then what each reranker that is not switched off makes of it."""
    order = by_score(pool)
    yield "", order
    for reranker in rerankers:
        if reranker.name not in request.params.disabled_stages:
            order = reranker.apply(request, pool, order)
            yield reranker.name, order


def by_score(pool: Pool) -> Order:
    """Highest score first; equal scores by number."""
    down = -pool.score
    positions = down.argsort()
    ranked = down[positions]
    if (ranked[1:] == ranked[:-1]).any():  # seldom; to ask for numbers at once would cost as much again
        positions = np.lexsort((pool.table["number"], down))
    return Order(positions.astype("i8", copy=False), np.ones(len(positions), "f4"))


def without(start: int, stop: int, left_out: I64) -> I64:
    """start..stop-1 without those of `left_out`, ascending; `left_out` lies within 0..stop-1."""
    kept = np.ones(stop, "?")
    kept[:start] = False
    kept[left_out] = False
    return kept.nonzero()[0]


def exchanged(
    order: Order,
    shown: int,
    given: tuple[I64, I64],
    *,
    open_to: I64,
    below: I64,
    stays: float,
    comes: float,
    stays_below: float,
) -> Order:
    """The order with entries from below in places of the list; those who stood there head the reserve.

    `given`: the places, and the entries. It could have been any of `open_to` and of `below`: whoever stands
    at such a place keeps it with probability `stays`, each from below comes to a given one with `comes`, and
    to none with `stays_below`.
    """
    positions, propensity = np.empty(len(order), "i8"), np.empty(len(order), "f4")
    exchange.exchange(
        order.positions,
        order.propensity,
        shown,
        *given,
        open_to,
        below,
        stays,
        comes,
        stays_below,
        positions,
        propensity,
    )
    return replace(order, positions=positions, propensity=propensity)


def generator(seed: int, stage: int) -> np.random.Generator:
    """Random numbers of one stage of one request: the same for the same seed, independent between stages."""
    key: npt.NDArray[np.uint64] = np.array([seed & 0xFFFFFFFFFFFFFFFF, stage], "u8")
    return np.random.Generator(np.random.Philox(cast(Any, Key(key))))


class Key(ISeedSequence):
    """A key as it is. Philox(key=...) gives the same numbers, but asks the system for entropy before."""

    def __init__(self, key: npt.NDArray[np.uint64]) -> None:
        self.key = key

    def generate_state(self, n_words: int, dtype: Any = np.uint64) -> npt.NDArray[np.uint64]:
        """The two words that Philox asks for."""
        return self.key
