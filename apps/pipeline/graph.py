"""Who is linked to whom, as compressed rows: of members to members, or of members to places.

Takes and gives int32 numbers, never rows; reads and writes no files.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Graph:
    """Neighbours in compressed rows: those of `numbers[i]` are `targets[offsets[i]:offsets[i + 1]]`.

    `weights` (same length as targets, f4) is 1 where an edge has no weight.
    """

    numbers: npt.NDArray[np.int32]  # [n], sorted
    offsets: npt.NDArray[np.int64]  # [n + 1]
    targets: npt.NDArray[np.int32]
    weights: npt.NDArray[np.float32]

    def neighbours(self, number: int) -> npt.NDArray[np.int32]:
        """Targets of one number; empty when the graph does not know it."""
        start, stop = self.span(number)
        return self.targets[start:stop]

    def span(self, number: int) -> tuple[int, int]:
        """Where the targets of `number` start and stop; (0, 0) when the graph does not know it."""
        i = int(np.searchsorted(self.numbers, number))
        if i == len(self.numbers) or self.numbers[i] != number:
            return 0, 0
        return int(self.offsets[i]), int(self.offsets[i + 1])

    def two_steps(
        self, number: int, *, most: int = 500
    ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
        """Everybody two steps from `number`, sorted, and over how many neighbours each is reached.

        The first `most` neighbours by number are walked, so that the work is bounded and the answer the same.
        """
        near = np.sort(self.neighbours(number))[:most]
        at = np.searchsorted(self.numbers, near)
        known = at < len(self.numbers)
        near, at = near[known], at[known]
        at = at[self.numbers[at] == near]
        starts = self.offsets[at]
        lengths = self.offsets[at + 1] - starts
        ends = np.cumsum(lengths)
        index = np.arange(int(lengths.sum())) + np.repeat(starts - (ends - lengths), lengths)
        numbers, counts = np.unique(self.targets[index], return_counts=True)
        others = numbers != number
        return numbers[others], counts[others].astype("f4")


def empty_graph() -> Graph:
    """A graph without nodes."""
    return Graph(np.zeros(0, "i4"), np.zeros(1, "i8"), np.zeros(0, "i4"), np.zeros(0, "f4"))
