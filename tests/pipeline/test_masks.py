"""Masks beside a snapshot: whole or refused, built once, and shared."""

import multiprocessing

import numpy as np
import pytest

from apps.pipeline import masks
from apps.pipeline.masks import build_masks, ensure_masks, find_masks, remove_old_masks
from apps.pipeline.snapshot import open_snapshot, write_snapshot
from tests.pipeline.markets import random_members, snapshot_of
from tests.pipeline.rulebook import CLIMBERS, FILM, rules_of, same, spec

RULES = rules_of(spec("r", candidates=0))


@pytest.fixture
def snapshot(tmp_path):
    write_snapshot(snapshot_of(random_members(500, 3)), tmp_path / "s")
    return open_snapshot(tmp_path / "s")


def folders(snapshot):
    base = snapshot.folder / masks.FOLDER
    return sorted(f.name for f in base.iterdir() if f.is_dir()) if base.is_dir() else []


def test_masks_are_what_the_conditions_say_and_are_read_from_the_file(snapshot):
    assert find_masks(snapshot, "dating", RULES) is None
    found = ensure_masks(snapshot, "dating", RULES)
    table = snapshot.surfaces["dating"].candidates
    assert np.array_equal(found.candidates[:, 0] & np.uint64(1), (table["interests"] & 1))
    assert np.array_equal(found.candidates[:, 0] >> np.uint64(1), (table["interests"] >> 1) & 1)
    assert np.array_equal(found.viewers[:, 0], table["industries"] & 1)
    built = build_masks(snapshot, "dating", RULES)
    assert same(found.candidates, built.candidates)
    assert not found.candidates.flags.writeable


def test_releases_with_the_same_conditions_share_one_file(snapshot):
    ensure_masks(snapshot, "dating", RULES)
    ensure_masks(snapshot, "dating", rules_of(spec("another", candidates=1, factor=2.0)))
    assert len(folders(snapshot)) == 1


@pytest.mark.parametrize("harm", ["torn", "changed", "missing", "another length"])
def test_a_file_that_is_not_whole_is_refused_and_built_again(snapshot, harm):
    ensure_masks(snapshot, "dating", RULES)
    (folder,) = (snapshot.folder / masks.FOLDER).glob("dating-*")
    path = folder / "candidates.npy"
    data = bytearray(path.read_bytes())
    if harm == "missing":
        path.unlink()
    elif harm == "another length":
        np.save(path, np.zeros((3, 1), "u8"))
    else:
        data[-3] ^= 1
        path.write_bytes(bytes(data[:-100] if harm == "torn" else data))
    assert find_masks(snapshot, "dating", RULES) is None
    again = ensure_masks(snapshot, "dating", RULES)
    assert same(again.candidates, build_masks(snapshot, "dating", RULES).candidates)
    assert find_masks(snapshot, "dating", RULES) is not None


def test_a_build_that_was_stopped_leaves_nothing_that_is_taken_for_whole(snapshot, monkeypatch):
    monkeypatch.setattr(masks.Path, "rename", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        ensure_masks(snapshot, "dating", RULES)
    monkeypatch.undo()
    assert find_masks(snapshot, "dating", RULES) is None
    assert ensure_masks(snapshot, "dating", RULES).candidates.shape == (500, 1)


def _build(folder, queue):
    calls = []
    before = masks.build_masks
    masks.build_masks = lambda *a: calls.append(1) or before(*a)
    masks.ensure_masks(open_snapshot(folder), "dating", RULES)
    queue.put(len(calls))


def test_of_several_processes_one_builds(snapshot):
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    processes = [context.Process(target=_build, args=(snapshot.folder, queue)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert sum(queue.get(timeout=10) for _ in processes) == 1


def test_a_disk_that_takes_no_file_costs_the_sharing_alone(snapshot):
    (snapshot.folder / masks.FOLDER).write_text("in the way")
    found = ensure_masks(snapshot, "dating", RULES)
    assert same(found.candidates, build_masks(snapshot, "dating", RULES).candidates)


def test_a_snapshot_in_memory_and_rules_without_conditions_need_no_file(snapshot):
    memory = snapshot_of(random_members(20, 3))
    assert ensure_masks(memory, "dating", RULES).candidates.shape == (20, 1)
    plain = masks.SurfaceRules((spec("for all", factor=2.0),))
    assert ensure_masks(snapshot, "dating", plain).candidates.shape == (500, 0)
    assert folders(snapshot) == []


def test_old_masks_go_and_those_in_use_stay(snapshot):
    made = [rules_of(spec("r"), candidates=[CLIMBERS] * (i + 1)) for i in range(5)]
    for rules in made:
        ensure_masks(snapshot, "dating", rules)
    removed = remove_old_masks(snapshot, used=[made[0].digest], keep=2)
    left = {name.rpartition("-")[2] for name in folders(snapshot)}
    assert left >= {made[0].digest}
    assert len(left) == 3
    assert len(removed) == 2


def test_the_digest_names_the_conditions_alone():
    assert RULES.digest == rules_of(spec("x", "cap", daily=3)).digest
    assert RULES.digest != rules_of(candidates=[FILM]).digest
