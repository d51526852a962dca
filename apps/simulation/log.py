"""Events as columns while a history is drawn, and sets of pairs that a day's draws are checked against."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from apps.simulation.population import F64, I64, Mask
from apps.simulation.world import SURFACES

TYPES = (
    "impression",
    "profile_view",
    "like",
    "pass",
    "like_read",
    "message",
    "reply",
    "block",
    "report",
    "save",
    "visit",
)
GLOBAL = ("block", "report")  # said of a person, not of a surface


@dataclass(frozen=True)
class Events:
    """Row i is one event; rows are in order of time. On travel, `target` is a place's index."""

    type: I64  # index into TYPES
    actor: I64
    target: I64
    surface: I64  # index into SURFACES; -1: global
    position: I64  # -1: none
    at: I64  # seconds since 1970-01-01 UTC

    def __len__(self) -> int:
        return len(self.type)

    def of(self, type: str, surface: str | None = None) -> Mask:
        """Which rows are of this type (and surface)."""
        mask = self.type == TYPES.index(type)
        return np.asarray(mask if surface is None else mask & (self.surface == SURFACES.index(surface)))


@dataclass
class Log:
    """Collects events; those after `end` have not happened yet and are left out."""

    end: int
    rows: list[npt.NDArray[np.int64]] = field(default_factory=list)

    def add(
        self, type: str, surface: str, actor: I64, target: I64, at: I64 | F64, position: I64 | int = -1
    ) -> None:
        where = -1 if type in GLOBAL else SURFACES.index(surface)
        parts = (TYPES.index(type), actor, target, where, position, np.floor(at).astype("i8"))
        row = np.stack(np.broadcast_arrays(*parts)).astype("i8")
        self.rows.append(row[:, row[5] <= self.end])

    def events(self) -> Events:
        """Everything, in order of time; at the same second in order of happening."""
        every = np.concatenate([np.zeros((6, 0), "i8"), *self.rows], axis=1)
        return Events(*every[:, np.argsort(every[5], kind="stable")])


@dataclass
class PairSet:
    """A set of ordered pairs of indices."""

    keys: I64 = field(default_factory=lambda: np.zeros(0, "i8"))  # sorted

    def add(self, a: I64, b: I64) -> None:
        self.keys = np.sort(np.concatenate([self.keys, pair_key(a, b)]), kind="stable")

    def has(self, a: I64, b: I64) -> Mask:
        return among(pair_key(a, b), self.keys)


def pair_key(a: I64, b: I64) -> I64:
    """One number for an ordered pair."""
    return np.asarray((np.asarray(a, "i8") << 32) | np.asarray(b, "i8"))


def among(keys: I64, known: I64) -> Mask:
    """Which keys are in `known`, which is sorted. (np.isin and np.union1d took 50 times as long.)"""
    if len(known) == 0:
        return np.zeros(len(keys), bool)
    return np.asarray(known[np.minimum(np.searchsorted(known, keys), len(known) - 1)] == keys)
