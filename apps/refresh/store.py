"""Snapshots in the store that machines share, and the copies that a machine keeps of them.

The store is Django's storage "snapshots" (setting SNAPSHOT_STORE); without it the folder of this machine is
all there is, and nothing here copies anything. A snapshot in the store is `<id>/<file>`, its manifest last.
A machine fetches it once, whichever of its processes asks first, and renames it when every file is on disk
and is what the manifest says.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.core.files import File
from django.core.files.storage import Storage, storages

from apps.common.errors import Unavailable
from apps.pipeline import masks
from apps.pipeline.snapshot import (
    MANIFEST,
    Snapshot,
    SnapshotRefused,
    checksum_of,
    open_snapshot,
    read_manifest,
)
from apps.refresh.models import SnapshotRow
from apps.refresh.selectors import snapshot_folder

log = logging.getLogger(__name__)
FETCHING = ".fetching-"  # what the folder of a snapshot on its way starts with


class StoreAway(Unavailable):
    """The store did not take, give or remove something. The sentence says what."""

    code = "store_away"
    title = "The store of snapshots is away."


def store() -> Storage | None:
    """None where the folder of this machine is all there is."""
    return storages["snapshots"] if "snapshots" in settings.STORAGES else None


def open_here(snapshot_id: str, *, verify: bool = True) -> Snapshot:
    """A snapshot by its id, fetched when this machine has none. Raises SnapshotRefused."""
    snapshot = open_snapshot(fetch(snapshot_id), verify=verify)
    if snapshot.id != snapshot_id:
        raise SnapshotRefused(f"{snapshot_id}: the manifest is that of {snapshot.id}")
    return snapshot


def is_published(snapshot_id: str) -> bool:
    """Whether the store has all of it. Raises StoreAway."""
    there = store()
    with _asking(f"{snapshot_id} can't be looked up"):
        return there is not None and there.exists(f"{snapshot_id}/{MANIFEST}")


def publish(folder: Path, snapshot_id: str) -> None:
    """Puts a whole snapshot into the store, its manifest last. Raises StoreAway."""
    there = store()
    if there is None or is_published(snapshot_id):
        return
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    with _asking(f"{snapshot_id} can't be published"):
        for name in sorted(names, key=lambda name: name == MANIFEST):
            if "/." not in f"/{name}":  # a lock, or what was never finished
                _save(there, f"{snapshot_id}/{name}", folder / name)


def fetch(snapshot_id: str) -> Path:
    """The folder of a snapshot on this machine, fetched when it is not there. Raises SnapshotRefused.

    Stopped at any point, or on a full disk, it leaves nothing that could be taken for a snapshot.
    """
    folder, there = snapshot_folder(snapshot_id), store()
    if there is None or folder.exists():
        return folder
    try:
        with _alone(folder.parent), _asking(f"{snapshot_id} can't be fetched"):
            if not folder.exists():
                _fetch(there, snapshot_id, folder)
                _remove_copies_of_removed(folder.parent)
    except StoreAway as error:
        raise SnapshotRefused(str(error)) from error
    return folder


def discard(snapshot_id: str) -> None:
    """Removes this machine's refused copy of what the store has, so that it is fetched anew."""
    try:
        if is_published(snapshot_id):
            shutil.rmtree(snapshot_folder(snapshot_id), ignore_errors=True)
    except StoreAway as error:
        log.warning(str(error))


def remove(snapshot_id: str) -> None:
    """Removes a snapshot from the store, its manifest first. Raises StoreAway."""
    there = store()
    if there is not None:
        with _asking(f"{snapshot_id} can't be removed"):
            there.delete(f"{snapshot_id}/{MANIFEST}")
            _remove_all(there, snapshot_id)


def remove_all_but(kept: Collection[str]) -> None:
    """Removes what stopped refreshes and failed removals left in the store. Raises StoreAway.

    Only whoever holds the refresh's job calls this: nobody is publishing.
    """
    there = store()
    if there is None:
        return
    with _asking("the store can't be cleared up"):
        try:
            folders, _ = there.listdir("")
        except FileNotFoundError:  # a folder in which nothing was ever stored
            return
    for snapshot_id in set(folders) - set(kept):
        remove(snapshot_id)


def publish_masks(folder: Path) -> None:
    """Puts the masks of one content beside their snapshot. Who can't fetch them evaluates the conditions."""
    there = store()
    name = _name_of_masks(folder)
    if there is None or name is None:
        return
    try:
        with _asking(f"masks {folder.name} can't be published"):
            for file in masks.FILES:
                _save(there, f"{name}/{file}", folder / file)
    except StoreAway as error:
        log.warning(str(error))


def fetch_masks(folder: Path) -> None:
    """Brings the masks of one content, if the store has them. Whoever opens them checks them."""
    there = store()
    name = _name_of_masks(folder)
    if there is None or name is None or folder.exists():
        return
    unfinished = folder.with_name(f"{FETCHING}{os.getpid()}-{folder.name}")
    try:
        with _asking(f"masks {folder.name} can't be fetched"):
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir(parents=True)
            for file in masks.FILES:
                _copy(there, f"{name}/{file}", unfinished / file)
            unfinished.rename(folder)
    except StoreAway as error:
        log.info(str(error))
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def sync_folder(folder: Path) -> None:
    """The names in a folder are on disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _fetch(there: Storage, snapshot_id: str, folder: Path) -> None:
    unfinished = folder.with_name(f"{FETCHING}{snapshot_id}")
    shutil.rmtree(unfinished, ignore_errors=True)  # of a process that was killed
    unfinished.mkdir()
    try:
        _copy(there, f"{snapshot_id}/{MANIFEST}", unfinished / MANIFEST)
        for name, checksum in read_manifest(unfinished)["checksums"].items():
            file = unfinished / f"{name}.npy"
            if file.parent != unfinished:
                raise SnapshotRefused(f"{snapshot_id}: {name!r} is no name of a file")
            _copy(there, f"{snapshot_id}/{file.name}", file)
            if checksum_of(file) != checksum:
                raise SnapshotRefused(f"{snapshot_id}: {name} did not arrive as it was published")
        sync_folder(unfinished)
        unfinished.rename(folder)
        sync_folder(folder.parent)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _remove_copies_of_removed(base: Path) -> None:
    names = {path.name: path.name.removeprefix(FETCHING) for path in base.iterdir() if path.is_dir()}
    removed = SnapshotRow.objects.filter(id__in=set(names.values()), status=SnapshotRow.Status.REMOVED)
    gone = set(removed.values_list("id", flat=True))
    for name, snapshot_id in names.items():
        if snapshot_id in gone:
            shutil.rmtree(base / name, ignore_errors=True)  # whoever has it mapped keeps its pages


def _name_of_masks(folder: Path) -> str | None:
    """None for masks of what lies elsewhere, or is being built."""
    snapshot = folder.parents[1]
    is_ours = snapshot.parent == Path(settings.SNAPSHOT_DIR) and not snapshot.name.startswith(".")
    return f"{snapshot.name}/{folder.parent.name}/{folder.name}" if is_ours else None


def _save(there: Storage, name: str, path: Path) -> None:
    with path.open("rb") as file:
        saved = there.save(name, File(file))
    if saved != name:
        raise StoreAway(f"{name} was stored as {saved}: this storage must overwrite")


def _copy(there: Storage, name: str, to: Path) -> None:
    with there.open(name, "rb") as source, to.open("xb") as target:
        shutil.copyfileobj(source, target, 1 << 20)
        target.flush()
        os.fsync(target.fileno())


def _remove_all(there: Storage, folder: str) -> None:
    folders, files = there.listdir(folder)
    for name in files:
        there.delete(f"{folder}/{name}")
    for name in folders:
        _remove_all(there, f"{folder}/{name}")
    there.delete(folder)  # a real folder, where there are such


@contextmanager
def _asking(otherwise: str) -> Iterator[None]:
    """Each kind of storage has errors of its own."""
    try:
        yield
    except (StoreAway, SnapshotRefused):
        raise
    except Exception as error:
        raise StoreAway(f"{otherwise}: {type(error).__name__}: {error}") from error


@contextmanager
def _alone(base: Path) -> Iterator[None]:
    """One process of this machine at a time; the lock ends with whoever holds it."""
    try:
        base.mkdir(parents=True, exist_ok=True)
        with (base / ".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
    except OSError as error:
        raise StoreAway(f"{base.name} can't be written: {error}") from error
