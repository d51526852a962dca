"""The order of a surface's rows: those whom the same viewers can see lie together; others are skipped.

Takes a table, gives it sorted by market, then by the bucket of the eligibility set, then along a curve
through the cells on which neighbours lie near each other, then by age, then by number.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from apps.pipeline.table import Table

CELL = 500  # of 10 m, as homes are snapped
BITS = 8  # of each axis of the curve: 256 cells, more than a market is wide


def in_order(table: Table, eligibility: str) -> Table:
    """The rows of the table in a surface's order."""
    keys = [
        table["number"],
        *_ages(table),
        along_curve(table["x"], table["y"]),
        *_buckets(table, eligibility),
    ]
    return table.gather(np.lexsort([*keys, table["market"]]))


def along_curve(x: npt.NDArray[Any], y: npt.NDArray[Any]) -> npt.NDArray[np.uint32]:
    """The place of a cell on the Z-order curve (Morton, 1966): the bits of both axes in turn."""
    code = np.zeros(len(x), "u4")
    for shift, axis in ((0, x), (1, y)):
        cell = np.clip(np.floor_divide(axis.astype("i4"), CELL) + (1 << BITS - 1), 0, (1 << BITS) - 1)
        for bit in range(BITS):
            code |= (cell.astype("u4") >> bit & 1) << (2 * bit + shift)
    return code


def _ages(table: Table) -> list[npt.NDArray[Any]]:
    return [table["birth_date"]] if table.kind == "member" else []


def _buckets(table: Table, eligibility: str) -> list[npt.NDArray[Any]]:
    """Columns that say who can see a row; the last is the first to sort by."""
    if table.kind == "place":
        return []
    if eligibility == "dating":
        return [table["seeking"], table["gender"]]
    lowest = table["industries"] & (~table["industries"] + np.uint64(1))  # a member's first industry
    return [lowest]
