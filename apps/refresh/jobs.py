"""The job row decides who refreshes: a unique key, a renewed lease, a fencing token, counted attempts.

Whoever claims a job gets a token; whoever lost the lease (a paused or killed process) fails at its next
step and can neither activate nor close anything, because the row holds another token by then.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from django.db import connection, transaction
from django.db.models import Max

from apps.common import clock
from apps.common.errors import Conflict, Problem
from apps.refresh.models import RefreshJob, SnapshotRow

LEASE_SECONDS = 15.0  # a killed refresh holds others up for this long at most
RENEWALS_PER_LEASE = 5
MOST_ATTEMPTS = 3
_LOCK = "refresh_jobs"

Status = RefreshJob.Status


class RefreshBusy(Conflict):
    """Another refresh runs. Try again when its lease may have lapsed."""

    code = "refresh_busy"
    title = "Another refresh is running."


class RefreshLost(Problem):
    """The lease lapsed and somebody else took over."""

    status = 409
    code = "refresh_lost"
    title = "This refresh lost its lease."


class RefreshRefused(Problem):
    """The job failed too often, or what it built did not pass its checks."""

    status = 422
    code = "refresh_refused"
    title = "The refresh was refused."


@dataclass(frozen=True)
class Claim:
    """The right to carry out one job, as long as its row says so."""

    job_id: int
    token: int


def claim(key: str) -> Claim | SnapshotRow:
    """The right to build, or the snapshot of a key that is done. Raises RefreshBusy, RefreshRefused."""
    with transaction.atomic():
        _lock()
        job, _ = RefreshJob.objects.get_or_create(key=key)
        if job.status == Status.DONE and job.snapshot is not None:
            return job.snapshot
        _end_lapsed()
        if RefreshJob.objects.filter(status=Status.RUNNING).exists():
            raise RefreshBusy()
        job.refresh_from_db()
        if job.attempts >= MOST_ATTEMPTS:
            raise RefreshRefused(f"{key} failed {job.attempts} times. Last: {job.error or 'it was stopped'}")
        job.token = 1 + (RefreshJob.objects.aggregate(top=Max("token"))["top"] or 0)
        job.attempts += 1
        job.status, job.step, job.error = Status.RUNNING, "", ""
        job.leased_until = clock.now() + timedelta(seconds=LEASE_SECONDS)
        job.save()
        return Claim(job.pk, job.token)


def renew(one: Claim, step: str | None = None) -> None:
    """Extends the lease, and notes the step. Raises RefreshLost when the job is another's."""
    changes: dict[str, object] = {"leased_until": clock.now() + timedelta(seconds=LEASE_SECONDS)}
    if step is not None:
        changes["step"] = step[:64]
    if not RefreshJob.objects.filter(pk=one.job_id, token=one.token, status=Status.RUNNING).update(**changes):
        raise RefreshLost()


def lock_claimed(one: Claim) -> RefreshJob:
    """The job's row, locked until the transaction ends. Raises RefreshLost when the job is another's."""
    jobs = RefreshJob.objects.select_for_update()
    job = jobs.filter(pk=one.job_id, token=one.token, status=Status.RUNNING).first()
    if job is None:
        raise RefreshLost()
    return job


def fail(one: Claim, error: str) -> None:
    """Closes the job with what went wrong; leaves it alone when it is another's by now."""
    RefreshJob.objects.filter(pk=one.job_id, token=one.token, status=Status.RUNNING).update(
        status=Status.FAILED, error=error[:2000], leased_until=None, finished_at=clock.now()
    )


@contextmanager
def kept_alive(one: Claim) -> Iterator[None]:
    """Renews the lease from a thread while the body runs, for steps of any length."""
    stopped = threading.Event()

    def renew_until_stopped() -> None:
        try:
            while not stopped.wait(LEASE_SECONDS / RENEWALS_PER_LEASE):
                renew(one)
        except RefreshLost:
            return  # the body learns of it at its next step
        finally:
            connection.close()

    thread = threading.Thread(target=renew_until_stopped, name="refresh-lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


def _lock() -> None:
    """Claims wait for each other: two must not both see that nobody runs."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [_LOCK])


def _end_lapsed() -> None:
    RefreshJob.objects.filter(status=Status.RUNNING, leased_until__lt=clock.now()).update(
        status=Status.FAILED, error="It was stopped, and its lease lapsed.", finished_at=clock.now()
    )
