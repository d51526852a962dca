"""The compiled loops that look numbers up among the eligible. Named where they are used by Passes.

Whoever stands in row r of the candidates is at the position of r in `rows` (ascending); after all of these
come `newcomers` (ascending numbers). `row_of`: the candidate row of a number, -1 for none.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from apps.pipeline import sets_loop
from apps.pipeline.compiled import columns, compiled, part
from apps.pipeline.retrieval import scan
from apps.pipeline.retrieval.scan import cut, ordered, rank
from apps.pipeline.sets_loop import place_in

ELIGIBLE = columns("i4", "i4", "i4")  # row_of, rows, newcomers


@part
def position_of(number: int, row_of: Any, rows: Any, newcomers: Any) -> int:
    """Of one number; -1: not eligible."""
    row = int(row_of[number]) if 0 <= number < len(row_of) else -1
    at = place_in(rows, row) if row >= 0 else -1
    if at >= 0:
        return at
    at = place_in(newcomers, number)
    return len(rows) + at if at >= 0 else -1


@compiled(*columns("i8"), *ELIGIBLE, *columns("=i8"), uses=[sets_loop])
def find(numbers: Any, row_of: Any, rows: Any, newcomers: Any, positions: Any) -> None:
    """Writes the position of each of `numbers`; -1: not eligible."""
    for i in range(len(numbers)):
        positions[i] = position_of(numbers[i], row_of, rows, newcomers)


@compiled(
    *columns("i4", "f4", "i4"), *ELIGIBLE, "int64", *columns("=u8:2", "=i4:2"),
    returns="int64", uses=[sets_loop, scan],
)  # fmt: skip
def find_heaviest(
    numbers: Any, weights: Any, without: Any, row_of: Any, rows: Any, newcomers: Any,
    most: int, ranks: Any, best: Any,
) -> int:  # fmt: skip
    """Writes the positions of the `most` with the highest weights of those of `numbers` who are eligible, and
    none of `without`, into best[0], in no order, and their ranks (see scan.py) into ranks[0]; returns how
    many they are. Both have room for twice as many, or for all."""
    kept, left_out = 0, np.sort(without)
    for i in range(len(numbers) if most > 0 else 0):
        if place_in(left_out, numbers[i]) >= 0:
            continue
        at = position_of(numbers[i], row_of, rows, newcomers)
        if at < 0:
            continue
        ranks[0, kept], best[0, kept] = rank(ordered(weights[i]), numbers[i]), at
        kept += 1
        if kept == 2 * most:
            cut(ranks, best, 0, kept, most)
            kept = most
    if kept > most:
        cut(ranks, best, 0, kept, most)
        kept = most
    return kept


@compiled(*columns("i8"), "uint32", *columns("=u4"), returns="boolean")
def mark(positions: Any, bit: int, bits: Any) -> bool:
    """Sets a bit at each of these positions; False, and none is set, where one of them is not there."""
    for at in positions:
        if not 0 <= at < len(bits):
            return False
    for at in positions:
        bits[at] |= bit
    return True
