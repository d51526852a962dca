"""The change feed and the audit trail: rows that others follow or read, never edit."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now


class Change(models.Model):
    """Something that derived stores must follow: written in the transaction of the write itself.

    `transaction` orders rows safely: a reader takes only rows older than the oldest running transaction
    (see apps.common.changes), so that a slow commit is never skipped.
    """

    id = models.BigAutoField(primary_key=True)
    transaction = models.BigIntegerField(
        db_default=models.Func(
            models.Func(function="pg_current_xact_id", template="%(function)s()::text"),
            function="",
            template="(%(expressions)s)::bigint",
            output_field=models.BigIntegerField(),
        ),
        editable=False,
    )
    kind = models.CharField(max_length=32)  # member.saved, member.erased, place.saved, relationship, ...
    number = models.IntegerField()  # of the member or place
    payload = models.JSONField(default=dict)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        indexes = [models.Index(F("transaction"), F("id"), name="change_position")]

    def __str__(self) -> str:
        return f"{self.kind} {self.number}"


class AuditEntry(models.Model):
    """Who changed what, when, in the transaction of the change. For members: field names, never values.

    An act is what somebody did, in the service's words; a row is what a trigger saw change in a table.
    """

    class Kind(models.TextChoices):
        ACT = "act", "Acts"
        ROW = "row", "Rows that changed"

    kind = models.CharField(max_length=3, choices=Kind, default=Kind.ACT, db_default=Kind.ACT)
    at = models.DateTimeField(db_default=Now(), editable=False)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    actor_name = models.CharField(max_length=150, blank=True)  # or the service key, or "system"
    action = models.CharField(max_length=64)
    subject = models.CharField(max_length=128)
    before = models.JSONField(null=True, blank=True)
    after = models.JSONField(null=True, blank=True)

    class Meta:
        ordering = ["-at"]
        verbose_name_plural = "audit entries"
        indexes = [
            models.Index(fields=["subject"], opclasses=["varchar_pattern_ops"], name="audit_subject"),
            models.Index(fields=["action"], opclasses=["varchar_pattern_ops"], name="audit_action"),
            models.Index(fields=["actor_name"], opclasses=["varchar_pattern_ops"], name="audit_actor"),
            models.Index(fields=["-at", "-id"], condition=Q(kind="act"), name="audit_acts"),
            # Rows of one transaction share their time: a load of a million leaves a million alike.
            models.Index(fields=["-at", "-id"], name="audit_times"),
        ]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.action} {self.subject}"


class OnlineState(models.Model):
    """One row: whether Valkey may be trusted. Its run id, and whether a write to it was missed since.

    On a difference apps.interactions.rebuild makes it anew from Postgres before it is trusted again.
    """

    id = models.SmallIntegerField(primary_key=True, default=1)
    run_id = models.CharField(max_length=40, blank=True)
    generation = models.BigIntegerField(default=0)  # raised at each rebuild; the same number stands in Valkey
    # what Valkey missed then, only a rebuild brings
    lost_at = models.BigIntegerField(default=0, db_default=0)
    trusted = models.BooleanField(default=False)
    reason = models.CharField(max_length=100, blank=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.CheckConstraint(name="online_state_single", condition=models.Q(id=1))]

    def __str__(self) -> str:
        return "trusted" if self.trusted else f"not trusted: {self.reason}"
