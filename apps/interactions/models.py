"""Events and deliveries (append-only, partitioned by month), and the relationships derived from events.

Postgres keeps them as partitioned tables written by the migration; Django sees an ordinary model keyed by
`id`. Members and places appear by number, without a foreign key: rows are written by the hundred thousand.
"""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now


class EventType(models.TextChoices):
    """The closed list."""

    IMPRESSION = "impression", "Impression"
    PROFILE_VIEW = "profile_view", "Profile view"
    LIKE = "like", "Like"
    PASS = "pass", "Pass"
    LIKE_READ = "like_read", "Like read"
    MESSAGE = "message", "Message"
    REPLY = "reply", "Reply"
    MATCH = "match", "Match"
    UNMATCH = "unmatch", "Unmatch"
    BLOCK = "block", "Block"
    UNBLOCK = "unblock", "Unblock"
    REPORT = "report", "Report"
    SAVE = "save", "Save"
    VISIT = "visit", "Visit"
    FEEDBACK = "feedback", "Feedback"
    UNDO = "undo", "Undo"


class TargetKind(models.TextChoices):
    MEMBER = "member", "Member"
    PLACE = "place", "Place"
    EVENT = "event", "Event"  # of an undo


class EventKey(models.Model):
    """One row per event id, whichever month it is in: stored once, and refused with other content."""

    id = models.UUIDField(primary_key=True)
    digest = models.BinaryField(max_length=16)  # of the event's content as it was sent
    occurred_at = models.DateTimeField()  # finds the partition

    def __str__(self) -> str:
        return str(self.id)


class Undone(models.Model):
    """An event that its actor took back. May be here before the event is."""

    id = models.BigAutoField(primary_key=True)
    event = models.UUIDField()
    actor = models.IntegerField()  # only one's own events can be taken back
    undone_by = models.UUIDField()
    occurred_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(name="undone_once", fields=["event", "actor"])]
        indexes = [models.Index(fields=["undone_by"], name="undone_by")]

    def __str__(self) -> str:
        return str(self.event)


class KeptFact(models.Model):
    """A decisive event, apart from the others: it outlives its month, for relationships are made of these."""

    id = models.UUIDField(primary_key=True)
    type = models.CharField(max_length=16)
    actor = models.IntegerField()
    a = models.IntegerField()  # the bond, see relationships.py
    b = models.IntegerField()
    kind = models.CharField(max_length=8)  # member or place
    surface = models.CharField(max_length=32, blank=True)  # empty: everywhere
    occurred_at = models.DateTimeField()  # no later than it came, by Postgres's clock
    said_at = models.DateTimeField(null=True)  # where the event said later than that

    class Meta:
        indexes = [
            models.Index(fields=["a", "b"], name="keptfact_bond"),
            models.Index(fields=["b"], name="keptfact_b"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.actor}"


class Untold(models.Model):
    """A batch of stored events whose effects the online state may not have yet."""

    id = models.BigAutoField(primary_key=True)
    events = ArrayField(models.UUIDField())
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{len(self.events)} events"


class KeptSince(models.Model):
    """From when on a partitioned table keeps its rows. It only moves forward: dropped months stay closed."""

    table = models.CharField(primary_key=True, max_length=40)
    since = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.table} since {self.since:%Y-%m-%d}"


class Event(models.Model):
    id = models.UUIDField(primary_key=True)
    type = models.CharField(max_length=16, choices=EventType)
    actor = models.IntegerField()
    target = models.IntegerField(null=True)  # none for an undo
    target_kind = models.CharField(max_length=8, choices=TargetKind)
    surface = models.CharField(max_length=32, blank=True)
    delivery = models.UUIDField(null=True)
    position = models.SmallIntegerField(null=True)
    occurred_at = models.DateTimeField()
    received_at = models.DateTimeField()
    context = models.JSONField(default=dict)

    class Meta:
        db_table = "interactions_event"

    def __str__(self) -> str:
        return f"{self.type} {self.actor} to {self.target}"


class Relationship(models.Model):
    """The state of a pair as its actor made it. Likes and passes are per surface, blocks are global."""

    class State(models.TextChoices):
        LIKED = "liked", "Liked"
        PASSED = "passed", "Passed"
        MATCHED = "matched", "Matched"  # both liked on this surface; both rows say so
        UNMATCHED = "unmatched", "Unmatched"
        SAVED = "saved", "Saved"
        BLOCKED = "blocked", "Blocked"
        REPORTED = "reported", "Reported"

    id = models.BigAutoField(primary_key=True)
    actor = models.IntegerField()
    target = models.IntegerField()
    target_kind = models.CharField(max_length=8, choices=[("member", "Member"), ("place", "Place")])
    surface = models.CharField(max_length=32, blank=True)  # empty: global
    state = models.CharField(max_length=10, choices=State)
    decided_at = models.DateTimeField()  # occurred_at of the event that decided
    decided_by = models.UUIDField()
    version = models.BigIntegerField(default=0)  # of a sequence, taken under the pair's lock
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [
            models.Index(fields=["target", "target_kind", "surface"], name="relationship_target"),
            models.Index(
                fields=["state", "id"],
                condition=~models.Q(state__in=["liked", "passed"]),
                name="relationship_rare_state",
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                name="relationship_once", fields=["actor", "target", "target_kind", "surface"]
            ),
            models.CheckConstraint(
                name="relationship_not_with_self",
                condition=~models.Q(target_kind="member", actor=models.F("target")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.actor} {self.state} {self.target}"


class Delivery(models.Model):
    """One answered request: all that is needed to explain it, learn from it and replay it."""

    id = models.UUIDField(primary_key=True)
    served_at = models.DateTimeField()  # the `now` of the request
    viewer = models.IntegerField()
    surface = models.CharField(max_length=32)
    market = models.SmallIntegerField(null=True)  # Market.id drawn from
    release = models.IntegerField()
    snapshot = models.CharField(max_length=40)
    variants = models.JSONField(default=dict)  # flag or experiment -> variant; "salts": of what they are in
    seed = models.BigIntegerField()
    random_order = models.BooleanField(default=False)
    degraded = ArrayField(models.CharField(max_length=32), default=list)
    shortfall = models.JSONField(default=dict)
    requested = models.SmallIntegerField()
    overlay_position = models.BigIntegerField(default=0)
    viewer_state = models.BinaryField(null=True)  # packed (apps.delivery.told), at most 8 KiB; for replay
    inputs = models.JSONField(default=dict)  # names of what the list was made from, for replay
    candidates = ArrayField(models.IntegerField())
    scores = ArrayField(models.FloatField())
    propensities = ArrayField(models.FloatField())
    sources = ArrayField(models.IntegerField())  # bits of the line-up's sources
    trace = models.JSONField(default=list)  # totals per stage
    key_prefix = models.CharField(max_length=16, blank=True)  # of the service key
    hold_seconds = models.IntegerField(db_default=1800)
    counted = models.BooleanField(db_default=True)  # False: answered without the ledger
    price_version = models.BigIntegerField(db_default=0)  # of the pacing prices that were subtracted
    # Of a share of deliveries (served.py): what the best of its pool were judged by, float32 by number.
    feature_names = ArrayField(models.TextField(), null=True)
    feature_numbers = ArrayField(models.IntegerField(), null=True)
    features = models.BinaryField(null=True)
    copied_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "interactions_delivery"
        verbose_name_plural = "deliveries"
        permissions = [("see_private", "Can see private facts of one side: a block, a pass")]

    def __str__(self) -> str:
        return str(self.id)


class DailyFigure(models.Model):
    """What a surface's lists led to on one day (UTC), counted in the background (daily.py)."""

    surface = models.CharField(max_length=32)
    day = models.DateField()
    likes = models.PositiveIntegerField(default=0)  # on people; saves of places
    matches = models.PositiveIntegerField(default=0)
    deliveries = models.PositiveIntegerField(default=0)
    empty = models.PositiveIntegerField(default=0)  # deliveries of nobody
    gini = models.FloatField(null=True)  # of exposures among those shown; none: nobody was
    counted_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(name="daily_figure_once", fields=["day", "surface"])]

    def __str__(self) -> str:
        return f"{self.surface} {self.day}"


class RecentFigure(models.Model):
    """What a surface's latest lists were made of, counted in the background (recent.py)."""

    surface = models.CharField(max_length=32, unique=True)
    shares = models.JSONField(default=dict)  # objective -> share of the scores; empty: nothing was ranked
    effects = models.JSONField(default=dict)  # rule id -> what it did, in counts
    flags = models.JSONField(default=dict, db_default={})  # flag key -> lists it was on in, of how many
    counted_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.surface
