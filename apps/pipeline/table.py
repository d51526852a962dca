"""A table of members or places: columns of equal length, by the schema that a snapshot stores."""

from __future__ import annotations

from collections.abc import Callable, Collection, ItemsView, Iterator, KeysView, Mapping, ValuesView
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from apps.pipeline.vectors import VECTORS, decoded, encoded

LEARNT = ("selectivity", "appeal", "taste", "looks")  # columns that belong to a surface's models
DIMENSIONS = 32  # of `taste` and of `looks`: 64 in all per member and surface

# name -> (dtype, shape of one row). Masks are 64-bit sets: bit i stands for entry i of the manifest's
# vocabulary.
MEMBER_COLUMNS: dict[str, tuple[str, tuple[int, ...]]] = {
    "number": ("i4", ()),
    "market": ("i2", ()),  # where they are: home, or where they travel; -1: nowhere
    "gender": ("u1", ()),  # one bit
    "seeking": ("u1", ()),  # bits of the genders this member looks for
    "birth_date": ("i4", ()),  # yyyymmdd, so that an age is exact: (today - birth_date) // 10000; 0: unknown
    "age_min": ("u1", ()),
    "age_max": ("u1", ()),
    "intents": ("u2", ()),  # bits of INTENTS; a member who names none has all bits set
    "x": ("i2", ()),  # east of the market's centre, in units of 10 m, from the snapped cell; see pairs.MIDDLE
    "y": ("i2", ()),  # north of the market's centre, in units of 10 m
    "max_distance": ("u2", ()),  # kilometres; 0: no limit
    "industries": ("u8", ()),
    "crafts": ("u8", ()),
    "skills": ("u8", ()),
    "interests": ("u8", ()),
    "joined_day": ("i4", ()),  # days since 1970-01-01 UTC
    "active_hour": ("i4", ()),  # hours since 1970-01-01 UTC of the last activity; 0: never
    "selectivity": ("f4", ()),  # log-odds by which this member's likes exceed the surface's mean
    "appeal": ("f4", ()),  # log-odds by which likes of this member exceed the surface's mean
    "popularity": ("f4", ()),  # likes received in the last 30 days
    "price": ("f4", ()),  # capacity price, in Phi's units; subtracted from the score
    "taste": ("f4", (DIMENSIONS,)),  # what this member likes
    "looks": ("f4", (DIMENSIONS,)),  # how this member is liked; affinity of a to b = taste[a] . looks[b]
}
PLACE_COLUMNS: dict[str, tuple[str, tuple[int, ...]]] = {
    "number": ("i4", ()),
    "market": ("i2", ()),
    "x": ("i2", ()),
    "y": ("i2", ()),
    "category": ("u1", ()),  # index into the manifest's vocabulary "categories"
    "tags": ("u8", ()),
    "price_band": ("u1", ()),  # 1 to 4; 0: unknown
    "is_open": ("u1", ()),  # 1: open for business
    "opens_on": ("i4", ()),  # yyyymmdd from which a closed place is open; 0: nobody knows
    "open_months": ("u2", ()),  # bit m: open in month m, 1 to 12; 0: all year
    "best_months": ("u2", ()),  # the same: at its best; 0: in none in particular
    "popularity": ("f4", ()),  # saves and visits in the last 90 days, log1p
    "curated": ("f4", ()),  # 1 / (1 + best position) over the curated lists that are live; 0: in none
    "price": ("f4", ()),
    "looks": ("f4", (DIMENSIONS,)),
}
COLUMNS = {"member": MEMBER_COLUMNS, "place": PLACE_COLUMNS}
# Columns that older snapshots don't have: they mean zero there.
LATER = frozenset({"opens_on", "open_months", "best_months"})

# What only a refresh knows of a member or a place: an edit since then leaves it as it was.
OF_REFRESH = ("selectivity", "appeal", "taste", "looks", "popularity", "price")


BLOCK_ROWS = 65_536


def row_blocks(n: int) -> Iterator[slice]:
    """Rows 0..n-1 in blocks: what is worked out of a million rows at once needs gigabytes beside them."""
    return (slice(start, min(start + BLOCK_ROWS, n)) for start in range(0, n, BLOCK_ROWS))


class OnUse(dict[str, npt.NDArray[Any]]):
    """Columns by name that are made when they are first asked for, and then kept.

    One that is there is found without a call of Python: a list asks a hundred times. Whoever goes through all
    of them, or spreads them into another dictionary, has all of them made.
    """

    def __init__(self, names: Collection[str], make: Callable[[str], npt.NDArray[Any]]) -> None:
        super().__init__()
        self._names, self._make = names, make

    def __missing__(self, name: str) -> npt.NDArray[Any]:
        if name not in self._names:
            raise KeyError(name)
        column = self[name] = self._make(name)
        return column

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(name, default) if name not in self._names else self[name]

    def keys(self) -> KeysView[str]:  # type: ignore[override]
        return KeysView(self)

    def items(self) -> ItemsView[str, npt.NDArray[Any]]:  # type: ignore[override]
        return ItemsView(self)

    def values(self) -> ValuesView[npt.NDArray[Any]]:  # type: ignore[override]
        return ValuesView(self)


@dataclass(frozen=True)
class Table:
    """Columns of equal length. `kind` names its schema in COLUMNS.

    `columns` are as stored; vectors may be bfloat16 there (see apps.pipeline.vectors) and are float32 for
    everybody who asks the table for a column or for rows.
    """

    kind: str
    columns: Mapping[str, npt.NDArray[Any]]

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        column = self.columns[name]
        return decoded(column) if name in VECTORS else column

    def __len__(self) -> int:
        return len(self.columns["number"])

    def gather(self, rows: npt.NDArray[np.integer[Any]]) -> Table:
        """Copies these rows, in this order."""
        rows = np.asarray(rows, "i8")  # numpy would widen them once per column
        columns = {name: column[rows] for name, column in self.columns.items() if name not in VECTORS}
        columns |= {name: self.take(name, rows) for name in VECTORS if name in self.columns}
        return Table(self.kind, columns)

    def pick(self, rows: npt.NDArray[np.integer[Any]]) -> Table:
        """These rows, in this order; a column of them is copied when it is first asked for.

        For the time of one request, which reads few columns: it holds on to the whole table, and to `rows`.
        """
        rows = np.asarray(rows, "i8")
        return Table(self.kind, OnUse(self.columns, lambda name: self.take(name, rows)))

    def row(self, at: int) -> Table:
        """One row, as views."""
        return Table(self.kind, {name: column[at : at + 1] for name, column in self.columns.items()})

    def take(self, name: str, rows: npt.NDArray[np.integer[Any]]) -> npt.NDArray[Any]:
        """Copies one column of these rows; nothing but these rows is decoded."""
        column = self.columns[name]
        if name in VECTORS:
            return decoded(column.take(rows, axis=0))  # a row at once: a third of what indexing costs
        copied: npt.NDArray[Any] = column[rows]
        return copied

    def concat(self, other: Table) -> Table:
        """These rows, then the other's."""
        if len(other) == 0:
            return self
        return Table(self.kind, {n: np.concatenate([self[n], other[n]]) for n in self.columns})

    def stored(self, vectors: str) -> Table:
        """The same with its vectors in one of DTYPES."""
        as_wanted = {n: encoded(self[n], vectors) for n in VECTORS if n in self.columns}
        return Table(self.kind, {**self.columns, **as_wanted})


def as_refreshed(table: Table, known: Table) -> Table:
    """Rows of today with what the last refresh knew of them. `known`: the snapshot's rows of the same."""
    columns = dict(table.columns)
    columns |= {name: np.asarray(known[name]) for name in OF_REFRESH if name in columns}
    if "active_hour" in columns:
        columns["active_hour"] = np.maximum(table["active_hour"], known["active_hour"])
    return Table(table.kind, columns)


def without_refreshed(table: Table, rows: npt.NDArray[np.integer[Any]]) -> Table:
    """The table with zeros where `as_refreshed` would fill these rows again."""
    columns = dict(table.columns)
    for name in OF_REFRESH:
        if name in columns:
            columns[name] = columns[name].copy()
            columns[name][rows] = 0
    return Table(table.kind, columns)


@cache
def empty_table(kind: str) -> Table:
    """A table of `kind` without rows."""
    return table_from_columns(kind, {}, 0)


def table_from_columns(kind: str, given: Mapping[str, npt.ArrayLike], n: int) -> Table:
    """A table of `n` rows with the schema's dtypes; columns that are not given are zero."""
    columns: dict[str, npt.NDArray[Any]] = {}
    for name, (dtype, shape) in COLUMNS[kind].items():
        column = np.zeros((n, *shape), dtype)
        if name in given:
            column[...] = given[name]
        columns[name] = column
    return Table(kind, columns)
