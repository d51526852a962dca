"""What is known of each block of 256 rows, so that a pass skips whole blocks that hold no candidate.

Takes columns of members, gives one row of numbers per block: bounds that hold for every row in it. A bound
may be loose, but never excludes a row: a block that is skipped holds nobody who could be shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

ROWS = 256
UNLIMITED = 1 << 20  # kilometres, for a member without a limit: no market is as wide
# Places in a row of statistics.
(
    GENDERS, SEEKING, INTENTS, BORN_FIRST, BORN_LAST, AGE_MIN, AGE_MAX, WEST, EAST, SOUTH, NORTH, LIMIT,
) = range(12)  # fmt: skip
WIDTH = 12
NO_BLOCKS: npt.NDArray[np.int32] = np.zeros((0, WIDTH), "i4")


def block_statistics(columns: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.int32]:
    """[blocks, WIDTH] of rows 0..255, 256..511, and so on; the last block may be short."""
    starts = np.arange(0, len(columns["number"]), ROWS)
    blocks = np.zeros((len(starts), WIDTH), "i4")
    if not len(starts):
        return blocks
    limit = columns["max_distance"].astype("i4")
    limit[limit == 0] = UNLIMITED
    born = columns["birth_date"]
    known = np.where(born > 0, born, np.iinfo("i4").max)
    for place, reduce, values in (
        (GENDERS, np.bitwise_or, columns["gender"]),
        (SEEKING, np.bitwise_or, columns["seeking"]),
        (INTENTS, np.bitwise_or, columns["intents"]),
        (BORN_FIRST, np.minimum, known),
        (BORN_LAST, np.maximum, born),
        (AGE_MIN, np.minimum, columns["age_min"]),
        (AGE_MAX, np.maximum, columns["age_max"]),
        (WEST, np.minimum, columns["x"]),
        (EAST, np.maximum, columns["x"]),
        (SOUTH, np.minimum, columns["y"]),
        (NORTH, np.maximum, columns["y"]),
        (LIMIT, np.maximum, limit),
    ):
        blocks[:, place] = reduce.reduceat(values, starts)
    return blocks
