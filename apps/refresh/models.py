"""Snapshots and the jobs that build them. Celery only wakes a job; its row decides whether it is done."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class SnapshotRow(models.Model):
    """A snapshot that was built: its folder below SNAPSHOT_DIR has the same name."""

    class Status(models.TextChoices):
        ACTIVE = "active", "Active"  # what web processes serve: exactly one
        READY = "ready", "Kept for replay"
        REMOVED = "removed", "Removed from disk"

    id = models.CharField(max_length=40, primary_key=True)
    status = models.CharField(max_length=8, choices=Status)
    data_until = models.DateTimeField()
    built_at = models.DateTimeField(db_default=Now())
    activated_at = models.DateTimeField(null=True)
    counts = models.JSONField(default=dict)  # by surface
    report = models.JSONField(default=dict)  # seconds per step, what was learnt and how well
    bytes = models.BigIntegerField(default=0)

    class Meta:
        db_table = "refresh_snapshot"
        ordering = ["-built_at"]
        verbose_name = "snapshot"
        constraints = [
            models.UniqueConstraint(
                name="snapshot_one_active", fields=["status"], condition=Q(status="active")
            )
        ]

    def __str__(self) -> str:
        return self.id


class RefreshJob(models.Model):
    """One refresh. A lease and a fencing token decide who may finish it; attempts are counted here."""

    class Status(models.TextChoices):
        QUEUED = "queued", "Queued"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"

    key = models.CharField(max_length=64, unique=True)
    status = models.CharField(max_length=8, choices=Status, default=Status.QUEUED)
    step = models.CharField(max_length=64, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    token = models.BigIntegerField(default=0)
    leased_until = models.DateTimeField(null=True)
    snapshot = models.ForeignKey(
        SnapshotRow, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    error = models.TextField(blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                name="refresh_one_running", fields=["status"], condition=Q(status="running")
            )
        ]

    def __str__(self) -> str:
        return self.key
