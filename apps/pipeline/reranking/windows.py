"""Sliding windows: of a few places in a row at most so many candidates share an industry, craft or category.

Each place goes to the first in line who keeps to every limit, given the places just above; where nobody does,
to the first: a limit moves people, it never shortens a list. Who has no value of an attribute shares it with
nobody. Places that rules and lots give later may break a window.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from apps.pipeline.contracts import Pool, Request
from apps.pipeline.reranking.order import Order
from apps.pipeline.table import Table

LENGTH = 5  # places in a row
NO_CATEGORY = 255  # a place without one
REACH = 120  # how far down the line somebody is looked for


@dataclass(frozen=True)
class Window:
    """A limit that policies may set: `param` of PipelineParams, on a column of the table."""

    param: str
    column: str
    word: str  # for people: "an industry"


WINDOWS: Mapping[str, tuple[Window, ...]] = {
    "member": (
        Window("industry_window", "industries", "an industry"),
        Window("craft_window", "crafts", "a craft"),
    ),
    "place": (Window("category_window", "category", "the category"),),
}


def keep_windows(request: Request, pool: Pool, order: Order) -> Order:
    """The order with its shown places arranged so that windows hold; who is passed over comes soon after."""
    limits = [
        (window, most)
        for window in WINDOWS[pool.table.kind]
        if 0 < (most := int(getattr(request.params, window.param))) < LENGTH
    ]
    head = order.positions[:REACH]
    if not limits or len(head) < 2:
        return order
    table = pool.table.pick(head)
    values = [_values(table, window) for window, _ in limits]
    chosen = arrange(values, [most for _, most in limits], places=min(max(request.limit, 0), len(head)))
    moved = np.arange(len(order))
    moved[: len(head)] = chosen
    return replace(order, positions=order.positions[moved], propensity=order.propensity[moved])


def arrange(values: Sequence[Sequence[int]], most: Sequence[int], *, places: int) -> list[int]:
    """A permutation of the line. `values`: per limit, of each in line the bits that they have."""
    line: list[int] = list(range(len(values[0]) if values else 0))
    chosen: list[int] = []
    above: list[deque[int]] = [deque(maxlen=LENGTH - 1) for _ in most]
    for _ in range(places):
        full = [_full(window, limit) for window, limit in zip(above, most, strict=True)]
        fits = (
            i
            for i, one in enumerate(line)
            if not any(mine[one] & bits for mine, bits in zip(values, full, strict=True))
        )
        one = line.pop(next(fits, 0))
        chosen.append(one)
        for window, mine in zip(above, values, strict=True):
            window.append(mine[one])
    return chosen + line


def _full(window: Sequence[int], most: int) -> int:
    """The bits that `most` or more of these have."""
    at_least = [0] * most  # bits that one, two, ... have
    for bits in window:
        for i in range(most):
            at_least[i], bits = at_least[i] | bits, at_least[i] & bits
    return at_least[-1]


def _values(table: Table, window: Window) -> list[int]:
    found: list[int] = table[window.column].tolist()
    if window.column != "category":
        return found
    return [0 if value == NO_CATEGORY else 1 << value for value in found]
