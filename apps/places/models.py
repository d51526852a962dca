"""Places for the travel surface, and the curated lists that name them."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from apps.surfaces.models import Market

MONTHS = list(range(1, 13))


class Place(models.Model):
    number = models.AutoField(primary_key=True)
    external_id = models.CharField("id", max_length=64, unique=True)
    name = models.CharField(max_length=150)
    photo_url = models.URLField(max_length=500, blank=True)
    market = models.ForeignKey(Market, on_delete=models.PROTECT, related_name="+")
    cell = models.IntegerField()
    category = models.CharField(max_length=40)
    tags = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    price_band = models.PositiveSmallIntegerField(null=True, blank=True)  # 1 to 4
    is_open = models.BooleanField(default=True)  # open for business
    opens_on = models.DateField(null=True, blank=True)  # from this day on a closed place is open
    # Months from 1 to 12: those in which it is open, and those in which it is at its best. None: all year.
    open_months = ArrayField(models.PositiveSmallIntegerField(), default=list, db_default=[], blank=True)
    best_months = ArrayField(models.PositiveSmallIntegerField(), default=list, db_default=[], blank=True)
    visibility = models.CharField(
        max_length=8, choices=[("visible", "Visible"), ("hidden", "Hidden")], default="visible"
    )
    # of who may be shown: a trigger raises it
    version = models.BigIntegerField(db_default=0, editable=False)
    stopped_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["number"]
        permissions = [("stop_place", "Can stop a place everywhere, and lift it")]
        indexes = [
            models.Index(fields=["name"], opclasses=["varchar_pattern_ops"], name="place_name_prefix"),
            models.Index(fields=["market", "number"], name="place_market"),
            models.Index(fields=["number"], condition=Q(visibility="hidden"), name="place_hidden"),
            models.Index(fields=["number"], condition=Q(is_open=False), name="place_closed"),
            models.Index(fields=["stopped_at"], condition=Q(stopped_at__isnull=False), name="place_stopped"),
        ]
        constraints = [
            models.CheckConstraint(name="place_id_said", condition=~Q(external_id="")),
            models.CheckConstraint(
                name="place_price_band", condition=Q(price_band__isnull=True) | Q(price_band__range=(1, 4))
            ),
            models.CheckConstraint(
                name="place_visibility_known", condition=Q(visibility__in=["visible", "hidden"])
            ),
            models.CheckConstraint(name="place_open_months", condition=Q(open_months__contained_by=MONTHS)),
            models.CheckConstraint(name="place_best_months", condition=Q(best_months__contained_by=MONTHS)),
        ]

    def __str__(self) -> str:
        return self.name


class EarlierPlace(models.Model):
    """What a place was until it was edited: the facts that features are made of. A trigger writes it."""

    id = models.BigAutoField(primary_key=True)
    place = models.ForeignKey(Place, on_delete=models.CASCADE, related_name="+", db_column="number")
    until = models.DateTimeField(db_default=Now())
    market_id = models.IntegerField()
    cell = models.IntegerField()
    category = models.CharField(max_length=40)
    tags = ArrayField(models.CharField(max_length=40))
    price_band = models.PositiveSmallIntegerField(null=True)

    def __str__(self) -> str:
        return f"{self.place_id} until {self.until:%Y-%m-%d}"


class CuratedList(models.Model):
    """Ordered, dated, with an owner."""

    external_id = models.CharField("id", max_length=64, unique=True)
    title = models.CharField(max_length=100)
    owner = models.CharField(max_length=150)
    market = models.ForeignKey(Market, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    starts_on = models.DateField()
    ends_on = models.DateField()
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["title"]
        constraints = [
            models.CheckConstraint(name="list_ends_after_start", condition=Q(ends_on__gte=F("starts_on")))
        ]

    def __str__(self) -> str:
        return self.title


class CuratedListItem(models.Model):
    curated_list = models.ForeignKey(CuratedList, on_delete=models.CASCADE, related_name="items")
    place = models.ForeignKey(Place, on_delete=models.CASCADE, related_name="+")
    position = models.PositiveSmallIntegerField()

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(name="list_item_once", fields=["curated_list", "place"]),
            models.UniqueConstraint(
                name="list_position_once",
                fields=["curated_list", "position"],
                deferrable=models.Deferrable.DEFERRED,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.position}. {self.place}"
