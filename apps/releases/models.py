"""Drafts (revisions), immutable numbered releases, and the one row that names what is live."""

from django.conf import settings
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
            )
        ]

    def __str__(self) -> str:
        return self.title


class LiveRelease(models.Model):
    """The pointer: the stable release, a candidate release or none, the candidate's percentage and salt."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    stable = models.ForeignKey(Release, on_delete=models.PROTECT, related_name="+")
    candidate = models.ForeignKey(Release, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    candidate_percentage = models.PositiveSmallIntegerField(default=0)
    salt = models.CharField(max_length=32, default="live")
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
