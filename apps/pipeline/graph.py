"""Who is linked to whom, as compressed rows: of members to members, or of members to places.

Takes and gives int32 numbers, never rows; reads and writes no files.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from apps.pipeline.passes import Passes

graph_loop = Passes("graph_loop")

ALIKE_SCORE = 0.25  # of EASE, from which on a place has the weight NEAREST (see Snapshot.alike)
NEAREST = 255  # the weight of whom a walk reaches most (see Snapshot.pagerank)
NOBODY: npt.NDArray[np.int32] = np.zeros(0, "i4")


@dataclass(frozen=True)
class Graph:
    """Neighbours in compressed rows: those of `numbers[i]` are `targets[offsets[i]:offsets[i + 1]]`.

    `weights` (same length as targets) is 1 where an edge has no weight. Offsets and weights are stored in as
    few bytes as they need.
    """

    numbers: npt.NDArray[np.int32]  # [n], sorted
    offsets: npt.NDArray[np.integer[Any]]  # [n + 1]
    targets: npt.NDArray[np.int32]
    weights: npt.NDArray[np.floating[Any]] | npt.NDArray[np.uint8]

    def neighbours(self, number: int) -> npt.NDArray[np.int32]:
        """Targets of one number; empty when the graph does not know it."""
        start, stop = self.span(number)
        return self.targets[start:stop]

    def weighted(self, number: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
        """Targets of one number and the weights of its edges."""
        start, stop = self.span(number)
        return self.targets[start:stop], self.weights[start:stop].astype("f4")

    def span(self, number: int) -> tuple[int, int]:
        """Where the targets of `number` start and stop; (0, 0) when the graph does not know it."""
        i = int(self.numbers.searchsorted(np.int32(number)))  # of another width, numpy would copy them all
        if i == len(self.numbers) or self.numbers[i] != number:
            return 0, 0
        return int(self.offsets[i]), int(self.offsets[i + 1])

    def two_steps(
        self,
        number: int,
        *,
        gone: npt.NDArray[np.int32] = NOBODY,
        untied: npt.NDArray[np.int32] = NOBODY,
        most: int = 500,
    ) -> TwoSteps:
        """Everybody two steps from `number`, sorted.

        The first `most` neighbours by number are walked, so that the work is bounded and the answer the same;
        nobody of `gone` or `untied` (both sorted) is.
        """
        edges = self.numbers, self.offsets, self.targets
        return TwoSteps(*graph_loop.two_steps(*edges, number, gone, untied, most, self._worths))

    @cached_property
    def _worths(self) -> npt.NDArray[np.float64]:
        """[degrees] what a neighbour of each degree is worth, see TwoSteps."""
        degrees = np.arange(int(np.diff(self.offsets).max(initial=0)) + 1)
        return np.asarray(1.0 / np.log(np.maximum(degrees, 2)))


@dataclass(frozen=True)
class TwoSteps:
    """Who is two steps away: over how many neighbours, and over how rare ones.

    `adamic_adar` sums 1 / ln(degree) of those neighbours (Adamic and Adar 2003, Friends and neighbors on the
    Web): to share somebody who knows few says more than to share somebody who knows everybody.
    """

    numbers: npt.NDArray[np.int32]  # [n], sorted
    counts: npt.NDArray[np.float32]  # [n]
    adamic_adar: npt.NDArray[np.float32]  # [n]


def empty_graph() -> Graph:
    """A graph without nodes."""
    return Graph(np.zeros(0, "i4"), np.zeros(1, "i8"), np.zeros(0, "i4"), np.zeros(0, "f4"))
