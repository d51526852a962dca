"""What a snapshot must pass before it may serve. It is opened from disk, as a web process will open it.

Takes the opened snapshot and what Postgres said in other words; raises SnapshotRefused with the first fault.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from apps.pipeline.contracts import I32
from apps.pipeline.features.calendar import ADULT, date_of
from apps.pipeline.ranking.heavy import check_trees
from apps.pipeline.snapshot import Snapshot, SnapshotRefused, SurfaceData
from apps.pipeline.table import Table
from apps.refresh.identifiers import KINDS, open_identifiers


def check_snapshot(snapshot: Snapshot, may_be_shown: Mapping[str, I32]) -> None:
    """Counts, finiteness, order, and nobody who may not be shown."""
    for data in snapshot.surfaces.values():
        _check_numbers(data, may_be_shown[data.kind])
        _check_finite(data.key, data.candidates)
        _check_finite(data.key, data.viewers)
        _check_order(data)
        _check_trees(data)
        if data.kind == "member":
            _check_adults(data, date_of(snapshot.created_at))
    for name, weights in snapshot.content.items():
        _require(bool(np.isfinite(weights).all()), f"{name} of the content tower is not finite")
    _check_identifiers(snapshot, may_be_shown)


def _check_numbers(data: SurfaceData, expected: I32) -> None:
    numbers = np.sort(data.candidates["number"])
    stray = np.setdiff1d(numbers, expected)
    _require(
        len(stray) == 0, f"{data.key}: {len(stray)} candidates may not be shown, the first is {stray[:1]}"
    )
    _require(
        np.array_equal(numbers, expected),
        f"{data.key}: {len(numbers)} candidates, but {len(expected)} may be shown",
    )


def _check_finite(key: str, table: Table) -> None:
    for name in table.columns:
        column = table[name]
        if column.dtype.kind == "f":
            _require(bool(np.isfinite(column).all()), f"{key}: {name} is not finite everywhere")


def _check_order(data: SurfaceData) -> None:
    market = data.candidates["market"]
    _require(
        bool((np.diff(market.astype("i4")) >= 0).all()), f"{data.key}: candidates are not sorted by market"
    )


def _check_trees(data: SurfaceData) -> None:
    if "heavy" in data.models:
        try:
            check_trees(data.models["heavy"], data.arrays)
        except (ValueError, KeyError) as error:
            raise SnapshotRefused(f"{data.key}: the heavy ranker can't be walked: {error}") from error


def _check_adults(data: SurfaceData, today: int) -> None:
    age = (today - data.candidates["birth_date"].astype("i8")) // 10000
    grown = (data.candidates["birth_date"] > 0) & (age >= ADULT)
    _require(bool(grown.all()), f"{data.key}: {int((~grown).sum())} candidates are not known to be adults")


def _check_identifiers(snapshot: Snapshot, may_be_shown: Mapping[str, I32]) -> None:
    _require(snapshot.folder is not None, "it was not opened from a folder")
    for kind in KINDS:
        known = open_identifiers(snapshot.folder, kind) if snapshot.folder else None
        missing = np.setdiff1d(may_be_shown[kind], known.numbers if known else [])
        _require(len(missing) == 0, f"{len(missing)} {kind}s have no id")


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise SnapshotRefused(otherwise)
