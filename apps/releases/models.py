"""Drafts (revisions) on their way to members, numbered releases that never change, and what is live."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class Release(models.Model):
    """Published policies of all surfaces. Never changed, never deleted (a trigger refuses both)."""

    number = models.AutoField(primary_key=True)
    content = models.JSONField()  # apps.policies.schema
    digest = models.CharField(max_length=32)  # of the content
    note = models.CharField(max_length=200)
    published_at = models.DateTimeField(db_default=Now(), editable=False)
    published_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        ordering = ["-number"]
        permissions = [("publish_release", "Can publish a draft and roll back")]

    def __str__(self) -> str:
        return f"Release {self.number}"


class Revision(models.Model):
    """A draft of the policies. `version` rises with each edit, so that nobody overwrites silently."""

    class Status(models.TextChoices):
        DRAFT = "draft", "Draft"
        REVIEW = "review", "Waiting for approval"
        APPROVED = "approved", "Approved"
        SCHEDULED = "scheduled", "Scheduled"
        PUBLISHED = "published", "Published"
        DISCARDED = "discarded", "Discarded"

    title = models.CharField(max_length=100)
    content = models.JSONField()
    based_on = models.ForeignKey(Release, null=True, on_delete=models.PROTECT, related_name="+")
    status = models.CharField(max_length=10, choices=Status, default=Status.DRAFT)
    version = models.PositiveIntegerField(default=1)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    contributors = models.ManyToManyField(settings.AUTH_USER_MODEL, related_name="+")  # the author is one
    publish_at = models.DateTimeField(null=True, blank=True)
    ends_at = models.DateTimeField(null=True, blank=True)  # of the release that it is scheduled to be
    scheduled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    note = models.CharField(max_length=200, blank=True)  # of the release that it is scheduled to be
    release = models.OneToOneField(
        Release, null=True, blank=True, on_delete=models.PROTECT, related_name="revision"
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-updated_at"]
        constraints = [
            models.CheckConstraint(
                name="revision_published_has_release",
                condition=Q(status="published", release__isnull=False)
                | (~Q(status="published") & Q(release__isnull=True)),
            ),
            models.CheckConstraint(
                name="revision_scheduled_has_time",
                condition=Q(status="scheduled", publish_at__isnull=False)
                | (~Q(status="scheduled") & Q(publish_at__isnull=True)),
            ),
            models.CheckConstraint(
                name="revision_ends_after_its_start",
                condition=Q(ends_at__isnull=True)
                | Q(publish_at__isnull=False, ends_at__gt=models.F("publish_at")),
            ),
        ]

    def __str__(self) -> str:
        return self.title


OPEN = (
    Revision.Status.DRAFT,
    Revision.Status.REVIEW,
    Revision.Status.APPROVED,
    Revision.Status.SCHEDULED,
)


class Approval(models.Model):
    """Somebody said yes to one content of a draft. After an edit it is worth nothing."""

    revision = models.ForeignKey(Revision, on_delete=models.CASCADE, related_name="approvals")
    digest = models.CharField(max_length=32)
    approver = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    note = models.CharField(max_length=200, blank=True)
    at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="approval_once", fields=["revision", "digest", "approver"])
        ]

    def __str__(self) -> str:
        return f"{self.approver} for {self.revision}"


class Comment(models.Model):
    """What somebody said about a draft."""

    revision = models.ForeignKey(Revision, on_delete=models.CASCADE, related_name="comments")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    text = models.CharField(max_length=1000)
    at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["at", "id"]

    def __str__(self) -> str:
        return self.text[:50]


class Reach(models.Model):
    """How many viewers' lists one content of a draft can touch; measured by whoever knows the members."""

    revision = models.ForeignKey(Revision, on_delete=models.CASCADE, related_name="reaches")
    digest = models.CharField(max_length=32)
    based_on = models.ForeignKey(Release, on_delete=models.PROTECT, related_name="+")  # compared with
    viewers = models.PositiveIntegerField()
    of = models.PositiveIntegerField()
    by_surface = models.JSONField(default=dict)  # surface -> [viewers, of]
    empty = models.JSONField(default=list)  # sentences: what would meet nobody
    measured_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(name="reach_once", fields=["revision", "digest"])]

    def __str__(self) -> str:
        return f"{self.viewers} of {self.of}"

    @property
    def share(self) -> float:
        """Nobody to measure: as good as everybody."""
        return self.viewers / self.of if self.of else 1.0


class LiveRelease(models.Model):
    """The pointer: the stable release, a candidate release or none, the candidate's percentage and salt."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    stable = models.ForeignKey(Release, on_delete=models.PROTECT, related_name="+")
    candidate = models.ForeignKey(Release, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    candidate_percentage = models.PositiveSmallIntegerField(default=0)
    salt = models.CharField(max_length=32, default="live")
    stage_since = models.DateTimeField(null=True, blank=True)  # when the percentage was last raised
    moved_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.CheckConstraint(name="live_release_single", condition=Q(id=1)),
            models.CheckConstraint(
                name="live_release_percentage", condition=Q(candidate_percentage__range=(0, 100))
            ),
        ]

    def __str__(self) -> str:
        return f"stable {self.stable_id}"


class ReleaseEnd(models.Model):
    """When a release ends by itself, which one comes back then, and what came of it."""

    class Status(models.TextChoices):
        WAITING = "waiting", "Waits"
        ENDED = "ended", "Ended"
        CANCELLED = "cancelled", "Cancelled"
        MISSED = "missed", "Did nothing"

    release = models.OneToOneField(Release, primary_key=True, on_delete=models.PROTECT, related_name="end")
    back_to = models.ForeignKey(Release, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField()
    status = models.CharField(max_length=10, choices=Status, default=Status.WAITING)
    given_at = models.DateTimeField()
    given_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    settled_at = models.DateTimeField(null=True, blank=True)
    said = models.CharField(max_length=200, blank=True)  # what came of it

    class Meta:
        ordering = ["-at"]
        constraints = [
            models.CheckConstraint(
                name="release_end_goes_back", condition=Q(back_to__lt=models.F("release"))
            ),
            models.CheckConstraint(
                name="release_end_settled",
                condition=Q(status="waiting", settled_at__isnull=True)
                | (~Q(status="waiting") & Q(settled_at__isnull=False)),
            ),
        ]

    def __str__(self) -> str:
        return f"End of {self.release_id}"


class Switch(models.Model):
    """A flag, rule or experiment that somebody switched off, without a release, until it is lifted."""

    class Kind(models.TextChoices):
        FLAG = "flag", "Flag"
        RULE = "rule", "Rule"
        EXPERIMENT = "experiment", "Experiment"

    kind = models.CharField(max_length=10, choices=Kind)
    key = models.CharField(max_length=80)  # of a rule: surface/id
    reason = models.CharField(max_length=200)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(db_default=Now(), editable=False)
    lifted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    lifted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-at"]
        verbose_name_plural = "switches"
        constraints = [
            models.UniqueConstraint(name="switch_once", fields=["kind", "key"], condition=Q(lifted_at=None))
        ]

    def __str__(self) -> str:
        return f"{self.kind}:{self.key}"


class Emergency(models.Model):
    """A publish or roll-back without a second person; somebody else looks at it afterwards."""

    release = models.ForeignKey(Release, on_delete=models.PROTECT, related_name="+")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    reason = models.CharField(max_length=200)
    at = models.DateTimeField(db_default=Now(), editable=False)
    reviewed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    reviewed_at = models.DateTimeField(null=True, blank=True)
    review = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["-at"]
        verbose_name_plural = "emergencies"

    def __str__(self) -> str:
        return f"{self.release} by {self.by}"


class Notice(models.Model):
    """A mail to staff, written in the transaction of what it tells of; sent afterwards, once."""

    key = models.CharField(max_length=120, unique=True)  # what happened: the same is told once
    subject = models.CharField(max_length=200)
    body = models.TextField()
    permission = models.CharField(max_length=60)  # of those who are told
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    sent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.subject


class SurfaceLimit(models.Model):
    """Which surfaces' parts somebody may change. Without a row: all, and what all surfaces share."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="surface_limit"
    )
    surfaces = ArrayField(models.CharField(max_length=40), default=list)

    def __str__(self) -> str:
        return ", ".join(self.surfaces) or "none"


class StaffChange(models.Model):
    """Rights that somebody gave to somebody else, or a login of theirs that was reset: until a second person
    confirms it, they may only look."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    said = models.CharField(max_length=200)
    at = models.DateTimeField(db_default=Now(), editable=False)
    confirmed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    confirmed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-at"]
        indexes = [
            models.Index(fields=["user"], name="staffchange_waits", condition=models.Q(confirmed_at=None))
        ]

    def __str__(self) -> str:
        return f"{self.user}: {self.said}"
