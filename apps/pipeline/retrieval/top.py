"""The best k of n, with ties settled by the smaller number: the same answer on every run and machine."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from apps.pipeline.contracts import I64


def best(scores: npt.NDArray[Any], numbers: npt.NDArray[np.int32], k: int) -> I64:
    """Positions of the k highest scores, best first; equal scores by ascending number. Fewer than k: all."""
    if k <= 0 or len(scores) == 0:
        return np.zeros(0, "i8")
    if k < len(scores):
        edge = np.partition(scores, len(scores) - k)[len(scores) - k]
        kept = np.flatnonzero(scores >= edge)  # a few more than k when there are ties at the edge
    else:
        kept = np.arange(len(scores))
    return kept[np.lexsort((numbers[kept], -scores[kept]))][:k].astype("i8")
