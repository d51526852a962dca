"""The compiled loops of deal.py: FNV-1a (32 bits) of ids with seeds, and who falls into which part."""

from __future__ import annotations

from typing import Any

import numpy as np

from apps.pipeline.compiled import columns, compiled, part


@part
def hashed(state: Any, text: Any, start: int, stop: int) -> Any:
    """The hash of what came before, followed by these bytes."""
    for k in range(start, stop):
        state = ((state ^ np.uint64(text[k])) * np.uint64(16777619)) & np.uint64(0xFFFFFFFF)
    return state


@part
def first_version(data: Any, start: int, stop: int, value: Any) -> float:
    """Value, seed; modulo 1,000."""
    state = hashed(hashed(np.uint64(2166136261), value, 0, len(value)), data, start, stop)
    return np.float64(state % np.uint64(1000)) / 1000.0


@part
def second_version(data: Any, start: int, stop: int, value: Any, digits: Any) -> float:
    """Seed, value, then the digits of that hash anew; modulo 10,000."""
    state = hashed(hashed(np.uint64(2166136261), data, start, stop), value, 0, len(value))
    first = len(digits)
    while True:
        first -= 1
        digits[first] = np.uint8(48) + np.uint8(state % np.uint64(10))
        state = state // np.uint64(10)
        if state == 0:
            break
    state = hashed(np.uint64(2166136261), digits, first, len(digits))
    return np.float64(state % np.uint64(10000)) / 10000.0


@compiled(*columns("u1", "i4", "u8:2", "f8:2", "f8:2", "u1", "u1", "u8", "=f8:2"))
def deal_all(
    data: Any, starts: Any, conditions: Any, bounds: Any, ranges: Any, viewer: Any, market: Any, met: Any,
    found: Any,
) -> None:  # fmt: skip
    """Writes which part of each deal the viewer falls into (-1: none), and where they stand."""
    digits = np.empty(10, np.uint8)
    for d in range(len(bounds)):
        by_market = bounds[d, 0] > 0
        value = market if by_market else viewer
        seed, layer, end = starts[2 * d], starts[2 * d + 1], starts[2 * d + 2]
        place, in_layer = second_version(data, seed, layer, value, digits), 0.0
        if end > layer:
            in_layer = first_version(data, layer, end, value)
        found[0, d], found[1, d], found[2, d] = -1, place, in_layer
        asked, meets = np.uint64(0), np.uint64(0)
        for w in range(conditions.shape[1]):
            asked |= conditions[d, w]
            if w < len(met):
                meets |= conditions[d, w] & met[w]
        is_asked = (asked == 0 or meets != 0) and not (by_market and len(market) == 0)
        if is_asked and bounds[d, 1] <= in_layer < bounds[d, 2]:
            for r in range(int(bounds[d, 3]), int(bounds[d, 4])):
                if ranges[r, 0] <= place < ranges[r, 1]:
                    found[0, d] = r - bounds[d, 3]
                    break
