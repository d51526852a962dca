"""Members, their trips, and the graph between them. Integrity lives here, in constraints.

`number` is what the online half and snapshots use; the app's own id stays outside. Coordinates exist only as
cells of about 5 km (apps.common.geo).
"""

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from apps.surfaces.models import Market


class Status(models.TextChoices):
    """Who is a member. Only active ones are shown."""

    APPLICANT = "applicant", "Applicant"
    ACTIVE = "active", "Active"
    PAUSED = "paused", "Paused"
    LAPSED = "lapsed", "Lapsed"
    SUSPENDED = "suspended", "Suspended"


class Visibility(models.TextChoices):
    VISIBLE = "visible", "Visible"
    HIDDEN = "hidden", "Hidden"


class Gender(models.TextChoices):
    WOMAN = "woman", "Woman"
    MAN = "man", "Man"
    NONBINARY = "nonbinary", "Non-binary"


def words() -> list[str]:
    return []


def word_list(max_length: int = 40) -> ArrayField:
    return ArrayField(models.CharField(max_length=max_length), default=words, blank=True)


class Member(models.Model):
    number = models.AutoField(primary_key=True)
    external_id = models.CharField("id", max_length=64, unique=True)
    display_name = models.CharField(max_length=100)
    photo_url = models.URLField(max_length=500, blank=True)
    status = models.CharField(max_length=10, choices=Status, default=Status.APPLICANT)
    visibility = models.CharField(max_length=8, choices=Visibility, default=Visibility.VISIBLE)
    # of who may be shown: a trigger raises it
    version = models.BigIntegerField(db_default=0, editable=False)
    stopped_at = models.DateTimeField(null=True, blank=True)  # by trust and safety: shown nowhere

    birth_date = models.DateField(null=True, blank=True)
    gender = models.CharField(max_length=10, choices=Gender, blank=True)
    seeking = word_list(10)  # of Gender
    intents = word_list(16)  # of apps.pipeline.vocabulary.INTENTS; none: open to all
    age_min = models.PositiveSmallIntegerField(
        default=18, validators=[MinValueValidator(18), MaxValueValidator(120)]
    )
    age_max = models.PositiveSmallIntegerField(
        default=120, validators=[MinValueValidator(18), MaxValueValidator(120)]
    )
    max_distance_km = models.PositiveSmallIntegerField(null=True, blank=True)  # none: no limit

    home_market = models.ForeignKey(Market, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    home_cell = models.IntegerField(null=True, blank=True)
    current_market = models.ForeignKey(
        Market, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    industries = word_list()
    crafts = word_list()
    skills = word_list()
    interests = models.JSONField(default=dict, blank=True)  # name -> weight, 0 to 1
    bio = models.TextField(max_length=2000, blank=True)

    joined_at = models.DateTimeField(db_default=Now())
    last_active_at = models.DateTimeField(null=True, blank=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["number"]
        permissions = [
            ("stop_member", "Can stop a member everywhere, and lift it"),
            ("erase_member", "Can erase a member and hand out what is stored about them"),
        ]
        indexes = [
            models.Index(
                fields=["display_name"], opclasses=["varchar_pattern_ops"], name="member_name_prefix"
            ),
            models.Index(fields=["home_market", "number"], name="member_market"),
            # The few that staff filter a list of millions for.
            models.Index(
                fields=["status", "number"], condition=~Q(status="active"), name="member_not_active"
            ),
            models.Index(fields=["number"], condition=Q(visibility="hidden"), name="member_hidden"),
            models.Index(fields=["stopped_at"], condition=Q(stopped_at__isnull=False), name="member_stopped"),
        ]
        constraints = [
            models.CheckConstraint(name="member_status_known", condition=Q(status__in=Status.values)),
            models.CheckConstraint(
                name="member_visibility_known", condition=Q(visibility__in=Visibility.values)
            ),
            models.CheckConstraint(name="member_gender_known", condition=Q(gender__in=["", *Gender.values])),
            models.CheckConstraint(
                name="member_age_range",
                condition=Q(age_min__gte=18, age_max__lte=120, age_min__lte=F("age_max")),
            ),
            models.CheckConstraint(name="member_id_said", condition=~Q(external_id="")),
            models.CheckConstraint(
                name="member_home_whole",
                condition=Q(home_market__isnull=True, home_cell__isnull=True)
                | Q(home_market__isnull=False, home_cell__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.display_name} ({self.external_id})"


class EarlierProfile(models.Model):
    """What a profile said until it was edited: the facts that features are made of, and nothing else.

    A trigger writes it. Learning joins it to what was decided before the edit; it goes with its member.
    """

    id = models.BigAutoField(primary_key=True)
    member = models.ForeignKey(Member, on_delete=models.CASCADE, related_name="+", db_column="number")
    until = models.DateTimeField(db_default=Now())
    birth_date = models.DateField(null=True)
    home_market_id = models.IntegerField(null=True)
    home_cell = models.IntegerField(null=True)
    industries = ArrayField(models.CharField(max_length=40))
    crafts = ArrayField(models.CharField(max_length=40))
    skills = ArrayField(models.CharField(max_length=40))
    interests = models.JSONField()

    def __str__(self) -> str:
        return f"{self.member_id} until {self.until:%Y-%m-%d}"


class Trip(models.Model):
    """Where a member will be: on these days they draw from that market and are shown there."""

    member = models.ForeignKey(Member, on_delete=models.CASCADE, related_name="trips")
    market = models.ForeignKey(Market, on_delete=models.PROTECT, related_name="+")
    starts_on = models.DateField()
    ends_on = models.DateField()

    class Meta:
        ordering = ["starts_on"]
        constraints = [
            models.CheckConstraint(name="trip_ends_after_start", condition=Q(ends_on__gte=F("starts_on")))
        ]

    def __str__(self) -> str:
        return f"{self.market} {self.starts_on} to {self.ends_on}"


class Connection(models.Model):
    """An edge of the graph, stored once with `a` below `b`.

    Contacts can only exclude; hidden edges explain nothing.
    """

    class Kind(models.TextChoices):
        CONNECTION = "connection", "Connection"
        REFERRAL = "referral", "Referral"
        CONTACT = "contact", "Contact"

    a = models.ForeignKey(Member, on_delete=models.CASCADE, related_name="+")
    b = models.ForeignKey(Member, on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.CONNECTION)
    visible = models.BooleanField(default=True)  # both sides let others see this edge
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    version = models.BigIntegerField(db_default=0, editable=False)  # of what is told of the pair

    class Meta:
        constraints = [
            models.CheckConstraint(name="connection_once", condition=Q(a__lt=F("b"))),
            models.UniqueConstraint(name="connection_pair", fields=["a", "b"]),
            models.CheckConstraint(
                name="connection_kind_known", condition=Q(kind__in=["connection", "referral", "contact"])
            ),
        ]

    def __str__(self) -> str:
        return f"{self.a_id} {self.kind} {self.b_id}"


class Erasure(models.Model):
    """Who was erased: a number and a time, nothing else.

    Masks old snapshots, and keeps a restored backup honest.
    """

    number = models.IntegerField(primary_key=True)
    erased_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.number} at {self.erased_at:%Y-%m-%d}"
