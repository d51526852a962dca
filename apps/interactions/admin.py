"""Events and relationships, read-only. The names of both sides are looked up a page at a time.

What one side keeps to itself (a pass, a block, a report) is there for trust and safety alone.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from copy import copy
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from apps.common.local_time import written
from apps.common.staff import Heading, LargeInspectAdmin, Section
from apps.interactions.models import Event, EventType, Relationship
from apps.members.models import Member
from apps.places.models import Place

EVENT_COLOURS = dict.fromkeys(EventType.values, "info") | {
    "like": "success", "match": "success", "save": "success", "visit": "success", "pass": "warning",
    "block": "danger", "report": "danger", "unmatch": "danger", "undo": "warning",
}  # fmt: skip
STATE_COLOURS = {
    "matched": "success", "liked": "info", "saved": "info", "passed": "warning", "unmatched": "warning",
    "blocked": "danger", "reported": "danger",
}  # fmt: skip

SEE_PRIVATE = "interactions.see_private"
PRIVATE_STATES = ("passed", "blocked", "reported")
PRIVATE_TYPES = ("pass", "block", "unblock", "report", "feedback", "undo")
Names = dict[tuple[str, int], tuple[str, str]]  # (kind, number) -> (id, name)


def names_of(wanted: Iterable[tuple[str, int | None]]) -> Names:
    """The app's id and the name of members and places, in at most two queries."""
    members = {number for kind, number in wanted if kind == "member" and number is not None}
    places = {number for kind, number in wanted if kind == "place" and number is not None}
    found: Names = {}
    if members:
        people = Member.objects.filter(number__in=members).values_list(
            "number", "external_id", "display_name"
        )
        found |= {("member", number): (id_, name) for number, id_, name in people}
    if places:
        spots = Place.objects.filter(number__in=places).values_list("number", "external_id", "name")
        found |= {("place", number): (id_, name) for number, id_, name in spots}
    return found


def link_to(names: Names, kind: str, number: int | None) -> SafeString | str:
    """A name that opens its page; the number alone for who was erased."""
    if number is None:
        return "–"
    if (kind, number) not in names:
        return f"erased ({number})"
    page = "members_member" if kind == "member" else "places_place"
    id_, name = names[kind, number]
    address = reverse(f"admin:{page}_change", args=[number])
    return format_html(
        '<a class="rc-link" href="{}">{}</a> <span class="rc-id">{}</span>', address, name, id_
    )


def number_of(term: str) -> int | None:
    """The number of the member with this id."""
    return Member.objects.filter(external_id=term).values_list("number", flat=True).first()


def id_of_member(number: int) -> str:
    """The app's id of a member; the number alone of who was erased."""
    found = Member.objects.filter(number=number).values_list("external_id", flat=True).first()
    return found or f"erased {number}"


def as_uuid(term: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(term)
    except ValueError:
        return None


class PublicChoices(admin.ChoicesFieldListFilter):
    """Offers what whoever looks may see."""

    def __init__(
        self, field: Any, request: HttpRequest, params: Any, model: Any, model_admin: Any, field_path: str
    ) -> None:
        super().__init__(field, request, params, model, model_admin, field_path)
        hidden = model_admin.hidden_from(request)
        self.field = copy(field)
        self.field.choices = [(value, label) for value, label in field.flatchoices if value not in hidden]


class PairAdmin(LargeInspectAdmin):
    """Rows with an actor and a target, of a type or state (`said_in`); some of these are private."""

    said_in = ""
    private: tuple[str, ...] = ()

    def hidden_from(self, request: HttpRequest) -> tuple[str, ...]:
        return () if request.user.has_perm(SEE_PRIVATE) else self.private

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        hidden = self.hidden_from(request)
        rows = super().get_queryset(request)
        return rows.exclude(**{f"{self.said_in}__in": hidden}) if hidden else rows

    def attach(self, rows: list[Any]) -> None:
        wanted = [pair for row in rows for pair in (("member", row.actor), (row.target_kind, row.target))]
        names = names_of(wanted)
        for row in rows:
            row.names = names

    def looks_at(self, request: HttpRequest, obj: Any) -> str:
        """Whoever did it; of who was erased only a number is left."""
        return id_of_member(obj.actor)

    def gathers(self, term: str) -> str | None:
        return None if number_of(term) is None else term

    @display(description="Who")
    def who(self, obj: Any) -> SafeString | str:
        return link_to(obj.names, "member", obj.actor)

    @display(description="Whom or what")
    def whom(self, obj: Any) -> SafeString | str:
        return link_to(obj.names, obj.target_kind, obj.target)


@admin.register(Event)
class EventAdmin(PairAdmin):
    said_in, private = "type", PRIVATE_TYPES
    keyset = ("-occurred_at", "-id")
    list_display = ("when", "kind", "who", "whom", "surface", "position")
    list_filter = (("type", PublicChoices),)
    search_fields = ("id",)
    search_help_text = "An event's id, or a member's id for what they did"

    def find(self, queryset: QuerySet[Event], term: str) -> QuerySet[Event]:
        wanted = Q(pk__in=[])
        if (event := as_uuid(term)) is not None:
            wanted |= Q(id=event)
        if (number := number_of(term)) is not None:
            wanted |= Q(actor=number)
        return queryset.filter(wanted)

    @display(description="When")
    def when(self, obj: Event) -> str:
        return written(obj.occurred_at, with_seconds=True)

    @display(description="Type", label=EVENT_COLOURS)
    def kind(self, obj: Event) -> tuple[str, str]:
        return obj.type, obj.get_type_display()

    def heading(self, request: HttpRequest, obj: Event) -> Heading:
        at = written(obj.occurred_at, with_seconds=True)
        return Heading(obj.get_type_display(), f"{at} · {obj.id}")

    def sections(self, request: HttpRequest, obj: Event) -> list[Section]:
        names = names_of([("member", obj.actor), (obj.target_kind, obj.target)])
        delivery: Any = obj.delivery
        if delivery:
            address = reverse("admin:interactions_delivery_change", args=[delivery])
            delivery = format_html('<a href="{}">{}</a>', address, delivery)
        facts = [
            ("Who", link_to(names, "member", obj.actor)),
            ("Whom or what", link_to(names, obj.target_kind, obj.target)),
            ("Surface", obj.surface),
            ("Delivery", delivery),
            ("Position", obj.position),
            ("Received", obj.received_at),
        ]
        return [
            Section("Event", facts),
            Section("Context", list(obj.context.items()), note="" if obj.context else "None was sent."),
        ]


@admin.register(Relationship)
class RelationshipAdmin(PairAdmin):
    said_in, private = "state", PRIVATE_STATES
    keyset = ("-id",)
    list_display = ("who", "label", "whom", "surface_name", "when")
    list_display_links = ("label",)
    list_filter = (("state", PublicChoices),)
    search_fields = ("id",)
    search_help_text = "A member's id"

    def find(self, queryset: QuerySet[Relationship], term: str) -> QuerySet[Relationship]:
        number = number_of(term)
        return (
            queryset.filter(Q(actor=number) | Q(target=number, target_kind="member"))
            if number
            else queryset.none()
        )

    @display(description="State", label=STATE_COLOURS)
    def label(self, obj: Relationship) -> tuple[str, str]:
        return obj.state, obj.get_state_display()

    @display(description="Surface")
    def surface_name(self, obj: Relationship) -> str:
        return obj.surface or "everywhere"

    @display(description="Since")
    def when(self, obj: Relationship) -> str:
        return written(obj.decided_at)

    def heading(self, request: HttpRequest, obj: Relationship) -> Heading:
        return Heading(obj.get_state_display(), f"on {obj.surface or 'every surface'}")

    def sections(self, request: HttpRequest, obj: Relationship) -> list[Section]:
        names = names_of([("member", obj.actor), (obj.target_kind, obj.target)])
        address = reverse("admin:interactions_event_change", args=[obj.decided_by])
        facts: list[tuple[str, Any]] = [
            ("Who", link_to(names, "member", obj.actor)),
            ("Whom or what", link_to(names, obj.target_kind, obj.target)),
            ("Decided", obj.decided_at),
            ("By the event", format_html('<a href="{}">{}</a>', address, obj.decided_by)),
            ("Last change", obj.updated_at),
        ]
        return [Section("Relationship", facts)]
