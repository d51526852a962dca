"""A snapshot that was harmed, in a thousand ways: each is refused, and the last good one serves on."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from apps.common import metrics
from apps.delivery import runtime as runtimes
from apps.delivery.runtime import Runtime
from apps.pipeline.snapshot import MANIFEST, SCHEMA_VERSION, SCHEMAS, manifest_text, read_manifest
from apps.refresh import services
from apps.refresh.selectors import active_snapshot_id, snapshot_folder
from apps.surfaces.models import Market
from tests.refresh.rows import make_member

HARMS = 1000
Files = dict[str, bytes]


def truncated(files: Files, chance: random.Random) -> Files:
    name = chance.choice(sorted(files))
    return {name: files[name][: chance.randrange(len(files[name]))]}


def bit_flipped(files: Files, chance: random.Random) -> Files:
    name = MANIFEST if chance.random() < 0.4 else chance.choice(sorted(files))
    content = bytearray(files[name])
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    return {name: bytes(content)}


def half_written_manifest(files: Files, chance: random.Random) -> Files:
    return {MANIFEST: files[MANIFEST][: chance.randrange(len(files[MANIFEST]))]}


def swapped(files: Files, chance: random.Random) -> Files:
    one, other = chance.sample(sorted(files), 2)
    while files[one] == files[other]:
        one, other = chance.sample(sorted(files), 2)
    return {one: files[other], other: files[one]}


def grown(files: Files, chance: random.Random) -> Files:
    name = chance.choice(sorted(files))
    return {name: files[name] + chance.randbytes(chance.randint(1, 64))}


def overwritten(files: Files, chance: random.Random) -> Files:
    """A page of zeros or of noise where something else stood, as after a power cut."""
    name = chance.choice(sorted(files))
    content = files[name]
    start = chance.randrange(len(content))
    length = min(chance.randint(1, 512), len(content) - start)
    page = bytes(length) if chance.random() < 0.5 else chance.randbytes(length)
    if page == content[start : start + length]:
        return truncated(files, chance)
    return {name: content[:start] + page + content[start + length :]}


def missing(files: Files, chance: random.Random) -> Files:
    return {chance.choice(sorted(files)): b"gone"}


KINDS: list[Callable[[Files, random.Random], Files]] = [
    truncated,
    bit_flipped,
    bit_flipped,
    half_written_manifest,
    swapped,
    grown,
    overwritten,
    missing,
]


@pytest.fixture
def here(market: Market) -> Runtime:
    """A process without threads of its own, which serves a first snapshot; a second is active."""
    services.refresh()
    here = Runtime()
    here.poll(wait=True)
    make_member("gia", market)
    services.refresh()
    return here


def apply(folder: Path, harm: Files) -> None:
    for name, content in harm.items():
        (folder / name).unlink()
        if content != b"gone":
            (folder / name).write_bytes(content)


@pytest.mark.slow
def test_each_of_a_thousand_harms_is_refused_and_the_last_good_one_serves(here: Runtime) -> None:
    good, chance = here.world.snapshot, random.Random(5)
    active = active_snapshot_id()
    assert good is not None
    assert active is not None
    assert good.id != active
    folder = snapshot_folder(active)
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    refused = metrics.SNAPSHOTS_REFUSED._value.get()
    for i in range(HARMS):
        kind = KINDS[i % len(KINDS)]
        harm = kind(files, chance)
        apply(folder, harm)
        here._load(active)
        assert here.world.snapshot is good, f"{kind.__name__} of {sorted(harm)} was taken"
        for name in harm:
            (folder / name).write_bytes(files[name])
    assert metrics.SNAPSHOTS_REFUSED._value.get() == refused + HARMS
    here.poll(wait=True)
    assert here.world.snapshot is not None
    assert here.world.snapshot.id == active, "unharmed, it is taken"


@pytest.mark.parametrize("version", [0, SCHEMA_VERSION - 1, SCHEMA_VERSION + 1, str(SCHEMA_VERSION), None])
def test_another_version_is_refused_however_well_it_is_signed(here: Runtime, version: object) -> None:
    active = active_snapshot_id()
    assert active is not None
    folder = snapshot_folder(active)
    manifest = read_manifest(folder)
    (folder / MANIFEST).write_text(manifest_text(manifest | {"schema": version}))
    here.poll(wait=True)
    assert here.world.snapshot is not None
    assert here.world.snapshot.id != active
    (folder / MANIFEST).write_text(manifest_text(manifest))
    here.poll(wait=True)
    assert here.world.snapshot.id == active


@pytest.mark.parametrize("vectors", ["float16", "bfloat16"])
def test_vectors_of_another_kind_are_refused_however_well_they_are_signed(
    here: Runtime, vectors: str
) -> None:
    """One that nobody knows; and one that is known but not what the files hold."""
    active = active_snapshot_id()
    assert active is not None
    folder = snapshot_folder(active)
    manifest = read_manifest(folder)
    other = {"vectors": vectors, "schema": SCHEMAS.get(vectors, SCHEMA_VERSION)}
    (folder / MANIFEST).write_text(manifest_text(manifest | other))
    here.poll(wait=True)
    assert here.world.snapshot is not None
    assert here.world.snapshot.id != active


def test_a_manifest_says_what_is_in_the_snapshot(here: Runtime) -> None:
    assert here.world.snapshot is not None
    manifest = here.world.snapshot.manifest
    folder = snapshot_folder(here.world.snapshot.id)
    assert (manifest["schema"], manifest["vectors"]) == (SCHEMA_VERSION, "float32")
    assert manifest["created_at"] == here.world.snapshot.created_at
    assert {f"{name}.npy" for name in manifest["checksums"]} | {MANIFEST} == {
        path.name for path in folder.iterdir() if path.is_file()
    }, "ids included"
    assert manifest["surfaces"]["dating"]["counts"] == {"candidates": 6, "viewers": 6}
    versions = {key: surface["model_version"] for key, surface in manifest["surfaces"].items()}
    again = read_manifest(snapshot_folder(services.refresh().id))
    learnt_again = {key: surface["model_version"] for key, surface in again["surfaces"].items()}
    assert versions.keys() == learnt_again.keys()
    assert len(versions["dating"]) == 16


@pytest.mark.parametrize("what", ["open_identifiers", "first_overlay"])
def test_whatever_keeps_a_snapshot_from_loading_it_is_tried_again_more_rarely_and_its_files_stay(
    here: Runtime, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    def fail(*_: object) -> None:
        raise ValueError("of a newer build")

    monkeypatch.setattr(runtimes, what, fail)
    active = active_snapshot_id()
    assert active is not None
    refused = metrics.SNAPSHOTS_REFUSED._value.get()
    for times in (1, 2):
        here._load(active)
        assert here._refused[:2] == (active, times)
    here._follow_snapshot(wait=False)
    assert "snapshot" not in here._threads, "not yet"
    assert metrics.SNAPSHOTS_REFUSED._value.get() - refused == 2
    assert (snapshot_folder(active) / MANIFEST).exists()
    monkeypatch.undo()
    here._load(active)
    assert here.world.snapshot is not None
    assert here.world.snapshot.id == active


def test_what_is_refused_is_tried_again_more_and_more_rarely(here: Runtime) -> None:
    active = active_snapshot_id()
    assert active is not None
    (snapshot_folder(active) / MANIFEST).write_text("")
    rests = []
    for _ in range(8):
        here._load(active)
        before = here._refused[2]
        here._follow_snapshot(wait=False)
        assert "snapshot" not in here._threads, "not yet"
        rests.append(before)
    gaps = [round(later - earlier) for earlier, later in pairwise(rests)]
    assert gaps == [2, 4, 8, 16, 28, 0, 0]
