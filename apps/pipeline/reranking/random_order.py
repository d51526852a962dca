"""The order of the few viewers who get everybody eligible in a uniformly random order, the measure of all
estimates.

Takes the count of eligible candidates, gives the first places of a uniform permutation. Every eligible
candidate stands at each position with probability 1 / n, and that is the propensity logged.
"""

from __future__ import annotations

import numpy as np

from apps.pipeline.contracts import I64
from apps.pipeline.reranking.order import generator

STREAM = 2


def draw(seed: int, eligible: int, most: int) -> I64:
    """At most `most` positions of 0..eligible-1 in uniformly random order, without repetition."""
    return generator(seed, STREAM).permutation(np.arange(eligible, dtype="i8"))[: max(most, 0)]
