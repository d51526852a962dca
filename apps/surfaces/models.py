"""Where a list is shown (surface) and which pool it draws from (market)."""

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models

from apps.common.local_time import zone_of

KEY = RegexValidator(r"^[a-z][a-z0-9_-]{0,31}$", "Lower-case letters, digits, - and _; at most 32.")


def check_zone(name: str) -> None:
    """Places open by the date where they are. Raises ValidationError."""
    if zone_of(name) is None:
        raise ValidationError("There is no such time zone. Write a name as Europe/Lisbon.")


class Kind(models.TextChoices):
    MEMBER = "member", "Members"
    PLACE = "place", "Places"


class Eligibility(models.TextChoices):
    """The sets of filters that apps.pipeline.filters knows."""

    DATING = "dating", "Dating: gender, seeking, both age ranges, intents, distance"
    NETWORKING = "networking", "Networking: adults, intents, distance"
    TRAVEL = "travel", "Travel: open places"


class Surface(models.Model):
    """A place in the app where a list is shown.

    It fixes kind, eligibility set and positive event; its policy says the rest.
    """

    key = models.CharField(max_length=32, primary_key=True, validators=[KEY])
    name = models.CharField(max_length=64)
    kind = models.CharField(max_length=8, choices=Kind)
    eligibility = models.CharField(max_length=16, choices=Eligibility)
    positive_event = models.CharField(max_length=16, choices=[("like", "Like"), ("save", "Save")])
    is_active = models.BooleanField(default=True)

    class Meta:
        ordering = ["key"]
        constraints = [
            models.CheckConstraint(
                name="surface_kind_fits_eligibility",
                condition=models.Q(kind="place", eligibility="travel", positive_event="save")
                | (models.Q(kind="member", positive_event="like") & ~models.Q(eligibility="travel")),
            )
        ]

    def __str__(self) -> str:
        return self.name


class Market(models.Model):
    """The pool a viewer can draw from: a city region. The city is its name; `key` is what the API says."""

    id = models.SmallAutoField(primary_key=True)
    key = models.CharField(max_length=32, unique=True, validators=[KEY])
    name = models.CharField(max_length=100)
    country = models.CharField(max_length=2, blank=True)
    latitude = models.FloatField()
    longitude = models.FloatField()
    timezone = models.CharField(max_length=64, default="UTC", validators=[check_zone])

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                name="market_on_earth",
                condition=models.Q(latitude__range=(-90, 90), longitude__range=(-180, 180)),
            )
        ]

    def __str__(self) -> str:
        return self.name
