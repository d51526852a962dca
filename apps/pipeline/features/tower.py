"""The content tower: from a profile to the columns that behaviour would give it.

Takes tables of members or places; gives the fixed encoding of their profile columns, and fills `taste`,
`looks`, `selectivity` and `appeal` by linear maps. It trains nothing: apps.learning fits exactly the arrays
named in `MAPS`.

The weights lie in `snapshot.content` under `<surface>.<name>`, float32, with d = width(kind of the row):
  <surface>.taste_weights        [d, 32]  members: what they like
  <surface>.looks_weights        [d, 32]  members on a surface of members: how they are liked
  <surface>.place_looks_weights  [d, 32]  places on a surface of places
  <surface>.selectivity_weights  [d]      members
  <surface>.appeal_weights       [d]      members
A map that is missing leaves its column as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from apps.pipeline.features.calendar import years_of
from apps.pipeline.features.finite import finite
from apps.pipeline.table import Table, row_blocks

F32 = npt.NDArray[np.float32]

MAPS: Mapping[str, Mapping[str, str]] = {  # kind -> column -> name of its weights
    "member": {
        "taste": "taste_weights",
        "looks": "looks_weights",
        "selectivity": "selectivity_weights",
        "appeal": "appeal_weights",
    },
    "place": {"looks": "place_looks_weights"},
}
MASKS = {"member": ("industries", "crafts", "skills", "interests"), "place": ("tags",)}
CATEGORIES = 64  # categories beyond the 64th share the encoding of none
BITS = np.arange(64, dtype="u8")


def width(kind: str) -> int:
    """Number of columns of `profile_matrix` for this kind."""
    return {"member": 4 * 64 + 3 + 3 + 16 + 8, "place": 64 + CATEGORIES + 5 + 1}[kind]


def profile_matrix(table: Table, kind: str, *, today: int) -> F32:
    """One fixed encoding [n, width(kind)] of the profile columns.

    `today` is yyyymmdd; the last column is always 1.
    """
    found = np.empty((len(table), width(kind)), "f4")
    for rows in row_blocks(len(table)):
        part = Table(kind, {name: column[rows] for name, column in table.columns.items()})
        masks = [multi_hot(part[name], 64) for name in MASKS[kind]]
        rest = _member_columns(part, today) if kind == "member" else _place_columns(part)
        np.concatenate([*masks, *rest, np.ones((len(part), 1), "f4")], axis=1, out=found[rows])
    return found


def embed(table: Table, *, surface: str, content: Mapping[str, npt.NDArray[Any]], today: int) -> Table:
    """The table with the columns of `MAPS` filled from the surface's weights in `content`."""
    found = {
        column: content[f"{surface}.{name}"]
        for column, name in MAPS[table.kind].items()
        if f"{surface}.{name}" in content
    }
    if not found or len(table) == 0:
        return table
    profiles = profile_matrix(table, table.kind, today=today)
    filled = {column: _apply(profiles, weights) for column, weights in found.items()}
    return Table(table.kind, {**table.columns, **filled})


def multi_hot(mask: npt.NDArray[np.unsignedinteger[Any]], bits: int) -> F32:
    """[n] sets of bits to [n, bits] zeros and ones."""
    return ((mask.astype("u8")[:, None] >> BITS[None, :bits]) & np.uint64(1)).astype("f4")


def _member_columns(table: Table, today: int) -> list[F32]:
    known = table["birth_date"] > 0
    age = np.where(known, years_of(today) - years_of(table["birth_date"]), 35.0)
    decades = np.clip((age - 35.0) / 10.0, -2.0, 6.0)
    numbers = [
        decades,
        decades**2,
        np.where(known, 0.0, 1.0),
        np.clip((table["age_min"].astype("f4") - 25.0) / 10.0, -2.0, 6.0),
        np.clip((table["age_max"].astype("f4") - 45.0) / 10.0, -3.0, 6.0),
        np.log1p(table["max_distance"].astype("f4")) / 5.0,
        np.bitwise_count(table["interests"]) / 8.0,
    ]
    return [
        multi_hot(table["gender"], 3),
        multi_hot(table["seeking"], 3),
        multi_hot(table["intents"], 16),
        np.stack(numbers, axis=1).astype("f4"),
    ]


def _place_columns(table: Table) -> list[F32]:
    return [_one_hot(table["category"], CATEGORIES), _one_hot(table["price_band"], 5)]


def _one_hot(values: npt.NDArray[np.uint8], size: int) -> F32:
    return np.asarray(values[:, None] == np.arange(size)[None, :], "f4")


def _apply(profiles: F32, weights: npt.NDArray[Any]) -> F32:
    product: F32 = profiles @ np.asarray(weights, "f4")
    return finite(product)
