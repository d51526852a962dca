"""Studies of drafts: what they would do to lists that were asked for of late."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from apps.releases.models import Revision


class DraftStudy(models.Model):
    """One study: asked for in the console, done by a worker, `done` of `sample` so far."""

    class Status(models.TextChoices):
        WAITING = "waiting", "Waiting for a worker"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        CANCELLED = "cancelled", "Cancelled"
        FAILED = "failed", "Failed"

    revision = models.ForeignKey(Revision, on_delete=models.CASCADE, related_name="studies")
    version = models.PositiveIntegerField()  # of the draft that was studied
    status = models.CharField(max_length=10, choices=Status, default=Status.WAITING)
    sample = models.PositiveIntegerField()
    done = models.PositiveIntegerField(default=0)
    result = models.JSONField(null=True, blank=True)
    message = models.CharField(max_length=200, blank=True)
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    asked_at = models.DateTimeField(db_default=Now(), editable=False)
    alive_at = models.DateTimeField(null=True, blank=True)  # the worker's last sign of life

    class Meta:
        ordering = ["-asked_at"]
        verbose_name_plural = "draft studies"

    def __str__(self) -> str:
        return f"study of {self.revision}"


class ExperimentReading(models.Model):
    """The latest results of one phase of an experiment. A worker makes them: a page would wait too long."""

    key = models.CharField(max_length=32)
    salt = models.CharField(max_length=100)  # names the phase
    results = models.JSONField(null=True, blank=True)  # none: the first one is being made
    until = models.DateTimeField(null=True, blank=True)  # what happened up to then was read
    seconds = models.FloatField(default=0)  # that it took
    claimed_until = models.DateTimeField(null=True, blank=True)  # a worker is at it

    class Meta:
        constraints = [models.UniqueConstraint(name="experiment_reading_once", fields=["key", "salt"])]

    def __str__(self) -> str:
        return f"{self.key} until {self.until}"


class PacingPrices(models.Model):
    """The pacer's prices of one minute on one surface, with the state that the next minute starts from.

    Its id is the price version of the deliveries that it priced.
    """

    surface = models.CharField(max_length=32)
    slot = models.BigIntegerField()  # minutes since 1970: one step each
    measured_until = models.DateTimeField()
    rules = models.JSONField(default=dict)  # by rule: kind, target, tolerance, actual, correction, ...
    floors = models.BinaryField(default=bytes)  # apps.delivery.prices.FLOOR, by rule and number
    newcomers = models.BinaryField(default=bytes, db_default=b"")  # apps.delivery.prices.SHOWN, by number
    spread = models.FloatField(default=0.0)  # of scores within a list, in Phi's units
    recent = models.FloatField(default=0.0, db_default=0.0)  # apps.delivery.pacing.Traffic
    usual = models.FloatField(default=0.0, db_default=0.0)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "pacing prices"
        constraints = [models.UniqueConstraint(name="pacing_once_a_minute", fields=["surface", "slot"])]
        indexes = [models.Index(fields=["created_at"], name="pacing_created")]

    def __str__(self) -> str:
        return f"{self.surface} {self.slot}"
