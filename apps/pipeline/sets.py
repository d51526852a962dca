"""Sets of numbers as sorted arrays. Of a few hundred, numpy's own set functions cost mostly their calls."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[Any]  # of integers


def distinct(numbers: Numbers) -> Numbers:
    """The numbers [n], sorted, each once; same dtype."""
    if len(numbers) < 2:
        return numbers
    ordered = numbers.copy()
    ordered.sort()
    first = np.empty(len(ordered), "?")
    first[0] = True
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    return ordered[first]


def union(*sets: Numbers) -> Numbers:
    """Who is in any of several sorted sets of one dtype, sorted. A set that is alone is not copied."""
    some = [one for one in sets if len(one)]
    if len(some) > 1:
        return distinct(np.concatenate(some))
    return some[0] if some else sets[0]


def is_in(numbers: Numbers, ordered: Numbers) -> npt.NDArray[np.bool_]:
    """Which of `numbers` [n] are among sorted ones."""
    if not len(ordered):
        return np.zeros(len(numbers), "?")
    at = ordered.searchsorted(numbers)
    at[at == len(ordered)] = 0
    return np.asarray(ordered[at] == numbers)


def positions_in(ordered: Numbers, numbers: Numbers) -> npt.NDArray[np.int64]:
    """Where each of `numbers` [n] stands among sorted ones; -1 where it does not."""
    if not len(ordered):
        return np.full(len(numbers), -1, "i8")
    at = np.minimum(ordered.searchsorted(numbers), len(ordered) - 1)
    return np.where(ordered[at] == numbers, at, -1)
