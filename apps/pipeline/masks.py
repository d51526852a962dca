"""Which conditions of a surface's rules every row of a snapshot meets, kept in files beside the snapshot.

Takes a snapshot and a surface's rules; gives RuleMasks, memory-mapped, so that all processes share them. A
folder `rules/<surface>-<digest>` is whole or not there: it is renamed when its files are on disk, and refused
when they don't match their checksums.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from apps.pipeline.rules import U64, WORD, RuleMasks, SurfaceRules, words_for
from apps.pipeline.snapshot import Snapshot, checksum_of
from apps.pipeline.table import Table

FOLDER = "rules"
PARTS = ("candidates", "viewers")
CHECKSUMS = "checksums.json"
FILES = (*(f"{part}.npy" for part in PARTS), CHECKSUMS)
UNFINISHED = ".building-"
KEPT = 12  # mask folders of one snapshot: those in use, and a few that may come back


def condition_words(conditions: Sequence[Mapping[str, Any]], table: Table, snapshot: Snapshot) -> U64:
    """[rows, words] the conditions that each row of a table meets."""
    words = np.zeros((len(table), words_for(len(conditions))), "u8")
    if not len(table):
        return words
    from apps.pipeline.conditions import evaluate

    for i, condition in enumerate(conditions):
        met = np.asarray(evaluate(condition, table, snapshot), "u8")
        words[:, i // WORD] |= met << np.uint64(i % WORD)
    return words


def build_masks(snapshot: Snapshot, surface: str, rules: SurfaceRules) -> RuleMasks:
    """Evaluates every condition on every row, in memory."""
    data = snapshot.surfaces[surface]
    return RuleMasks(
        rules.digest,
        candidates=condition_words(rules.candidate_conditions, data.candidates, snapshot),
        viewers=condition_words(rules.viewer_conditions, data.viewers, snapshot),
    )


def find_masks(snapshot: Snapshot, surface: str, rules: SurfaceRules) -> RuleMasks | None:
    """The masks as they stand beside the snapshot; None when there are none, or they are not whole."""
    folder = folder_of(snapshot, surface, rules)
    if folder is None:
        return None
    data = snapshot.surfaces[surface]
    expected = {"candidates": len(data.candidates), "viewers": len(data.viewers)}
    try:
        checksums = json.loads((folder / CHECKSUMS).read_text())
        parts = {}
        for name in PARTS:
            path = folder / f"{name}.npy"
            if checksum_of(path) != checksums[name]:
                return None
            parts[name] = np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
            if len(parts[name]) != expected[name]:
                return None
    except (OSError, KeyError, ValueError, TypeError):
        return None
    return RuleMasks(rules.digest, **parts)


def ensure_masks(snapshot: Snapshot, surface: str, rules: SurfaceRules) -> RuleMasks:
    """Opens the masks, or builds and writes them; of several processes one does the work.

    A disk that takes no file costs the sharing, not the masks.
    """
    found = find_masks(snapshot, surface, rules)
    folder = folder_of(snapshot, surface, rules)
    if found is not None:
        return found
    if folder is None:
        return build_masks(snapshot, surface, rules)
    try:
        with _alone(folder.parent):
            found = find_masks(snapshot, surface, rules)
            if found is not None:
                return found
            built = build_masks(snapshot, surface, rules)
            _write(built, folder)
    except OSError:
        return build_masks(snapshot, surface, rules)
    return find_masks(snapshot, surface, rules) or built


def remove_old_masks(snapshot: Snapshot, *, used: Sequence[str], keep: int = KEPT) -> list[str]:
    """Removes all but the latest `keep` folders; those of the digests `used` stay. Gives the names."""
    if snapshot.folder is None or not (snapshot.folder / FOLDER).is_dir():
        return []
    base = snapshot.folder / FOLDER
    folders = sorted((f for f in base.iterdir() if f.is_dir()), key=lambda f: -f.stat().st_mtime)
    old = [f for f in folders[keep:] if f.name.rpartition("-")[2] not in used]
    for folder in old:
        shutil.rmtree(folder, ignore_errors=True)  # whoever has it mapped keeps its pages
    return [folder.name for folder in old]


def _write(masks: RuleMasks, folder: Path) -> None:
    unfinished = folder.with_name(f"{UNFINISHED}{os.getpid()}-{folder.name}")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    checksums = {}
    for name in PARTS:
        path = unfinished / f"{name}.npy"
        np.save(path, getattr(masks, name))
        checksums[name] = checksum_of(path)
    (unfinished / CHECKSUMS).write_text(json.dumps(checksums))
    for path in unfinished.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
    shutil.rmtree(folder, ignore_errors=True)  # there only when it was refused
    unfinished.rename(folder)


def folder_of(snapshot: Snapshot, surface: str, rules: SurfaceRules) -> Path | None:
    """Where masks lie. None for a snapshot in memory, and where there is nothing to keep."""
    if snapshot.folder is None or not (rules.viewer_conditions or rules.candidate_conditions):
        return None
    return snapshot.folder / FOLDER / f"{surface}-{rules.digest}"


@contextmanager
def _alone(base: Path) -> Iterator[None]:
    """One process at a time; the lock ends with whoever holds it."""
    base.mkdir(exist_ok=True)
    with (base / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
