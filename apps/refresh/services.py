"""A refresh, from the claim of its job to the active snapshot; going back to an earlier one; removing old.

A snapshot is written to a folder of another name, checked there, published to the store that other machines
fetch it from, and renamed. One transaction then makes it active and closes the job. Stopped at any point
before that, the earlier snapshot serves.
"""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction

from apps.common import clock
from apps.common.audit import record
from apps.common.errors import NotFound
from apps.members.services import bring_back_grown_up
from apps.pipeline.snapshot import Snapshot, SnapshotRefused, open_snapshot, write_snapshot
from apps.refresh import jobs, store
from apps.refresh.build import Source, build, may_keep, read_source
from apps.refresh.checks import check_snapshot
from apps.refresh.identifiers import identifier_arrays
from apps.refresh.masks import contents_of, ensure_masks, share_masks
from apps.refresh.models import RefreshJob, SnapshotRow
from apps.refresh.selectors import active_snapshot_id, snapshot_folder
from apps.releases.selectors import live, live_mark
from apps.surfaces.selectors import active_surfaces

log = logging.getLogger(__name__)

KEPT = 5  # snapshots on disk, for replay
LONGEST_KEPT = timedelta(days=7)  # then removed, however few there are
UNFINISHED = ".building-"  # what the folder of a snapshot that isn't whole starts with

Say = Callable[[str], None]
Status = SnapshotRow.Status


class Steps:
    """Notes each step in the job's row and how long it took; says it aloud."""

    def __init__(self, claim: jobs.Claim, say: Say) -> None:
        self.claim = claim
        self.say = say
        self.seconds: dict[str, float] = {}
        self._name = ""
        self._since = time.monotonic()

    def __call__(self, name: str) -> None:
        """Ends the step before and starts this one. Raises RefreshLost when the job is another's."""
        self.end()
        jobs.renew(self.claim, name)
        self._name, self._since = name, time.monotonic()

    def end(self) -> None:
        if self._name:
            taken = self.seconds[self._name] = round(time.monotonic() - self._since, 3)
            self.say(f"{self._name:<22}{taken:7.2f} s")
        self._name = ""


def refresh(
    *, key: str | None = None, progress: Say = lambda _: None, keep_models: timedelta = timedelta(0)
) -> SnapshotRow:
    """Builds and activates a snapshot; once per key.

    Models that were learnt less than `keep_models` ago are kept: only members, places and graphs are read.
    Raises RefreshBusy, RefreshRefused, RefreshLost, SnapshotRefused, StoreAway.
    """
    claimed = jobs.claim(key or f"manual {clock.now().isoformat(timespec='microseconds')}")
    if isinstance(claimed, SnapshotRow):
        progress(f"already done: {claimed.id}")
        return claimed
    steps = Steps(claimed, progress)
    try:
        with jobs.kept_alive(claimed):
            row = _refresh(claimed, steps, keep_models)
    except Exception as error:
        jobs.fail(claimed, f"{type(error).__name__}: {error}")
        raise
    remove_old_snapshots()
    bring_back_grown_up()
    return row


def activate_snapshot(snapshot_id: str, *, actor: User | None = None) -> SnapshotRow:
    """Serves an earlier snapshot again, until the next refresh.

    Raises NotFound, SnapshotRefused, StoreAway.
    """
    snapshot = store.open_here(snapshot_id)
    store.publish(snapshot_folder(snapshot_id), snapshot_id)  # one that is older than the store
    if live_mark() is not None:  # rules have changed since it was built
        share_masks(snapshot, *contents_of(live()))
    with transaction.atomic():
        row = (
            SnapshotRow.objects.select_for_update()
            .filter(pk=snapshot_id)
            .exclude(status=Status.REMOVED)
            .first()
        )
        if row is None:
            raise NotFound(f"There is no snapshot {snapshot_id} on disk.")
        before = active_snapshot_id()
        _make_active(row)
        record(actor, "snapshot.served", f"snapshot {snapshot_id}", {"active": before}, {"active": row.id})
    return row


def remove_old_snapshots(keep: int = KEPT) -> list[str]:
    """Removes all but the newest `keep` and the active one, and what is older than a week; gives the ids."""
    ready = SnapshotRow.objects.filter(status=Status.READY).order_by("-built_at")
    others = keep - 1 if active_snapshot_id() else keep
    oldest = clock.now() - LONGEST_KEPT
    gone = [row.id for i, row in enumerate(ready) if i >= others or row.data_until < oldest]
    # The row first: a process that looks for the folder afterwards knows why it is missing.
    SnapshotRow.objects.filter(pk__in=gone, status=Status.READY).update(status=Status.REMOVED)
    for snapshot_id in gone:
        shutil.rmtree(snapshot_folder(snapshot_id), ignore_errors=True)
        with _next_time():
            store.remove(snapshot_id)
    return gone


def _refresh(claimed: jobs.Claim, steps: Steps, keep_models: timedelta) -> SnapshotRow:
    steps("clearing up")
    _remove_unfinished()
    until = clock.now()
    snapshot_id = f"{until:%Y%m%dt%H%M%S}-{claimed.token}"
    steps("reading")
    before = _active()
    kept = before if before is not None and _may_keep(before, until - keep_models) else None
    kept_from = kept.snapshot if kept else None
    source = read_source(until, before.snapshot.vocabulary if before else None, kept_from)
    snapshot, learnt = build(source, snapshot_id, steps, kept_from)
    said = kept.learnt if kept else {"learnt": learnt, "learnt_at": until.isoformat()}
    unfinished = Path(settings.SNAPSHOT_DIR) / f"{UNFINISHED}{snapshot_id}"
    try:
        steps("writing")
        _write(snapshot, source, unfinished)
        steps("checking")
        opened = open_snapshot(unfinished)
        check_snapshot(opened, source.may_be_shown)
        if live_mark() is not None:
            ensure_masks(opened, *contents_of(live()))
        steps("publishing")
        store.publish(unfinished, snapshot_id)
        steps("activating")
        size = sum(file.stat().st_size for file in unfinished.rglob("*") if file.is_file())
        counts = {key: _counts(opened, key) for key in opened.surfaces}
        steps.end()
        report = {"seconds": steps.seconds, **said}
        values = {"counts": counts, "bytes": size, "report": report}
        return _activate(claimed, unfinished, source.until, values)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)  # there only when it failed: a full disk needs the room


def _activate(
    claimed: jobs.Claim, unfinished: Path, until: datetime, values: Mapping[str, Any]
) -> SnapshotRow:
    """Renames the folder and, in one transaction, makes it active and closes the job."""
    snapshot_id = unfinished.name.removeprefix(UNFINISHED)
    with transaction.atomic():
        job = jobs.lock_claimed(claimed)  # from here on nobody can take the job over
        folder = snapshot_folder(snapshot_id)
        unfinished.rename(folder)
        store.sync_folder(folder.parent)
        row = SnapshotRow.objects.create(id=snapshot_id, status=Status.READY, data_until=until, **values)
        _make_active(row)
        job.status, job.snapshot, job.finished_at, job.leased_until = (
            RefreshJob.Status.DONE,
            row,
            clock.now(),
            None,
        )
        job.step = ""
        job.save()
    return row


def _make_active(row: SnapshotRow) -> None:
    SnapshotRow.objects.filter(status=Status.ACTIVE).exclude(pk=row.pk).update(status=Status.READY)
    row.status, row.activated_at = Status.ACTIVE, clock.now()
    row.save(update_fields=["status", "activated_at"])


def _write(snapshot: Snapshot, source: Source, folder: Path) -> None:
    """Everything in the folder is on disk before its name says that it is whole."""
    ids = [identifier_arrays(kind, *known) for kind, known in source.ids.items()]
    beside = {name: array for arrays in ids for name, array in arrays.items()}
    write_snapshot(snapshot, folder, vectors=settings.SNAPSHOT_VECTORS, beside=beside)
    for file in folder.iterdir():
        with file.open("rb") as opened:
            os.fsync(opened.fileno())
    store.sync_folder(folder)


def _remove_unfinished() -> None:
    """What refreshes that were stopped left. Only whoever holds the job calls this: nobody is writing it.

    A folder with a final name but no row was stopped between rename and commit.
    """
    base = Path(settings.SNAPSHOT_DIR)
    base.mkdir(parents=True, exist_ok=True)
    rows = dict(SnapshotRow.objects.values_list("id", "status"))
    for folder in base.iterdir():
        if folder.is_dir() and folder.name not in rows and not folder.name.startswith(store.FETCHING):
            shutil.rmtree(folder, ignore_errors=True)
    with _next_time():
        store.remove_all_but(
            [snapshot_id for snapshot_id, status in rows.items() if status != Status.REMOVED]
        )


@contextmanager
def _next_time() -> Iterator[None]:
    """What can't be removed from the store now is removed by a later refresh."""
    try:
        yield
    except store.StoreAway as error:
        log.warning(str(error))


@dataclass(frozen=True)
class _Active:
    """The active snapshot, as what a refresh starts from."""

    snapshot: Snapshot
    learnt: Mapping[str, Any]  # of its report: what was learnt, and until when


def _active() -> _Active | None:
    """None when there is no such snapshot or it can't be read."""
    row = SnapshotRow.objects.filter(status=Status.ACTIVE).first()
    if row is None:
        return None
    try:
        snapshot = store.open_here(row.id, verify=False)
    except (SnapshotRefused, store.StoreAway):
        return None
    return _Active(
        snapshot, {name: row.report[name] for name in ("learnt", "learnt_at") if name in row.report}
    )


def _may_keep(before: _Active, since: datetime) -> bool:
    """Learnt after `since`, for the surfaces of today."""
    learnt_at = before.learnt.get("learnt_at")
    if learnt_at is None or datetime.fromisoformat(learnt_at) <= since:
        return False
    return may_keep(before.snapshot, active_surfaces())


def _counts(snapshot: Snapshot, key: str) -> dict[str, int]:
    data = snapshot.surfaces[key]
    return {"candidates": len(data.candidates), "viewers": len(data.viewers)}
