from pathlib import Path

import numpy as np
import pytest

from apps.pipeline.snapshot import SnapshotRefused
from apps.refresh.identifiers import identifier_arrays, open_identifiers


def write_identifiers(folder: Path, kind: str, numbers: list[int], ids: list[str]) -> None:
    for name, array in identifier_arrays(kind, numbers, ids).items():
        np.save(folder / f"{name}.npy", array)


def test_ids_lead_to_numbers_and_back(tmp_path: Path) -> None:
    write_identifiers(tmp_path, "member", [30, 10, 20], ["zoë", "b", "a-very-long-id"])
    ids = open_identifiers(tmp_path, "member")
    assert [ids.number_of(one) for one in ("zoë", "b", "a-very-long-id")] == [30, 10, 20]
    assert ids.ids_of([10, 30, 20]) == ["b", "zoë", "a-very-long-id"]


def test_what_is_not_known_is_none(tmp_path: Path) -> None:
    write_identifiers(tmp_path, "member", [10, 20], ["ab", "cd"])
    ids = open_identifiers(tmp_path, "member")
    assert [ids.number_of(one) for one in ("", "a", "abc", "zz", "x" * 64)] == [None] * 5
    assert ids.ids_of([0, 15, 99]) == [None, None, None]


def test_nobody_is_a_fine_set(tmp_path: Path) -> None:
    write_identifiers(tmp_path, "place", [], [])
    ids = open_identifiers(tmp_path, "place")
    assert ids.number_of("a") is None
    assert ids.ids_of([1]) == [None]


def test_missing_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SnapshotRefused):
        open_identifiers(tmp_path, "member")
