"""The app's own ids beside a snapshot: from id to number and back, without Postgres.

Three files per kind in a snapshot's folder: numbers ascending, their ids as fixed-width UTF-8, and the order
that sorts the ids. Opened memory-mapped, a look-up is one binary search.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from apps.pipeline.snapshot import SnapshotRefused

KINDS = ("member", "place")


@dataclass(frozen=True)
class Identifiers:
    """Numbers and ids of one kind. An id is at most 64 characters and never ends in NUL."""

    numbers: npt.NDArray[np.int32]  # [n], ascending
    ids: npt.NDArray[Any]  # [n], bytes
    order: npt.NDArray[np.int32]  # [n]: ids[order] is ascending

    def number_of(self, external_id: str) -> int | None:
        """The number behind an id; None when it is not known here."""
        wanted = external_id.encode("utf-8", "surrogatepass")
        if len(wanted) > self.ids.dtype.itemsize:
            return None
        order, ids = self.order, self.ids  # numpy's own search would widen all of the order first
        i = bisect_left(range(len(order)), wanted, key=lambda place: ids[order[place]])
        if i == len(order) or ids[order[i]] != wanted:
            return None
        return int(self.numbers[order[i]])

    def ids_of(self, numbers: Iterable[int]) -> list[str | None]:
        """The ids behind numbers, in their order; None for those not known here."""
        wanted = np.array(list(numbers), self.numbers.dtype)  # of another, all numbers would be converted
        if not len(self.numbers):
            return [None] * len(wanted)
        rows = self.numbers.searchsorted(wanted)
        rows[rows == len(self.numbers)] = 0
        known = (self.numbers[rows] == wanted).tolist()
        found = self.ids[rows].tolist()
        return [one.decode() if here else None for one, here in zip(found, known, strict=True)]


def identifier_arrays(kind: str, numbers: Sequence[int], ids: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
    """The ids of one kind by the names of their files. Numbers and ids are each unique."""
    given = np.asarray(numbers, "i4")
    by_number = np.argsort(given, kind="stable")
    encoded = np.array([one.encode() for one in ids], "S") if len(ids) else np.zeros(0, "S1")
    encoded = encoded[by_number]
    return {
        f"{kind}.numbers": given[by_number],
        f"{kind}.ids": encoded,
        f"{kind}.order": np.argsort(encoded, kind="stable").astype("i4"),
    }


def open_identifiers(folder: Path, kind: str) -> Identifiers:
    """Opens the ids of one kind, memory-mapped. Raises SnapshotRefused unless they are whole."""
    try:
        parts = [
            np.asarray(np.load(folder / f"{kind}.{part}.npy", mmap_mode="r", allow_pickle=False))
            for part in ("numbers", "ids", "order")
        ]
    except (OSError, ValueError) as error:
        raise SnapshotRefused(f"{folder.name}: {kind} ids: {error}") from error
    if len({len(part) for part in parts}) != 1:
        raise SnapshotRefused(f"{folder.name}: {kind} ids do not belong together")
    return Identifiers(*parts)
