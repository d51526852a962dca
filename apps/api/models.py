"""Service keys: `prefix.secret`, shown once, stored hashed, with scopes; revoked ones stop in a second."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from rest_framework_api_key.models import AbstractAPIKey


class Scope(models.TextChoices):
    MEMBERS_WRITE = "members:write", "members:write: create, change and erase members, connections, trips"
    MEMBERS_READ = "members:read", "members:read: read members"
    PLACES_WRITE = "places:write", "places:write: create, change and erase places and lists"
    EVENTS_WRITE = "events:write", "events:write: send events"
    EVENTS_BACKFILL = "events:backfill", "events:backfill: send events older than 30 days"
    RECOMMEND_READ = "recommend:read", "recommend:read: ask for recommendations and rankings"
    EXPLAIN_READ = "explain:read", "explain:read: traces, why not, dry runs"
    EXPLAIN_PRIVATE = "explain:private", "explain:private: answers that are one side's secret; needs a reason"
    FLAGS_READ = "flags:read", "flags:read: read rollout flags"


class CallerClass(models.TextChoices):
    """Who is sent away last when there are more calls than a process can take."""

    INTERACTIVE = "interactive", "Interactive: a member waits for the answer"
    BACKGROUND = "background", "Background: nobody waits; sent away first when there is too much to do"


class ServiceKey(AbstractAPIKey):
    scopes = ArrayField(models.CharField(max_length=20, choices=Scope), default=list)
    caller_class = models.CharField(max_length=16, choices=CallerClass, default=CallerClass.INTERACTIVE)

    class Meta(AbstractAPIKey.Meta):
        verbose_name = "service key"
        verbose_name_plural = "service keys"
        constraints = [
            models.CheckConstraint(
                name="service_key_scopes_known",
                condition=models.Q(scopes__contained_by=list(Scope.values)),
            ),
            models.CheckConstraint(
                name="service_key_class_known",
                condition=models.Q(caller_class__in=CallerClass.values),
            ),
        ]


class KeptAnswer(models.Model):
    """What a call with an Idempotency-Key was answered (apps.api.idempotency). No status: still in flight."""

    key_prefix = models.CharField(max_length=16)  # of the service key
    key = models.CharField(max_length=255)
    path = models.TextField(blank=True, db_index=True)  # by which the answer is found when it has to go
    digest = models.BinaryField(max_length=16)  # of method, address and body
    attempt = models.UUIDField()  # whose work it is
    started_at = models.DateTimeField(db_index=True)  # by Postgres's clock
    status = models.SmallIntegerField(null=True)
    content_type = models.CharField(max_length=100, blank=True)
    body = models.BinaryField(default=bytes)

    class Meta:
        constraints = [models.UniqueConstraint(name="kept_answer_once", fields=["key_prefix", "key"])]

    def __str__(self) -> str:
        return f"{self.key_prefix} {self.key}"
