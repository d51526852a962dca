"""Members: found by id or the start of a name. What staff change goes through the services."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from apps.common.audit import checked_reason
from apps.common.staff import (
    Button,
    Grid,
    Heading,
    LargeInspectAdmin,
    Section,
    acting_user,
    note_of,
)
from apps.members.models import Connection, Member
from apps.members.selectors import age_of

STATUS_COLOURS = {
    "active": "success",
    "applicant": "info",
    "paused": "warning",
    "lapsed": "warning",
    "suspended": "danger",
}
MARKS = {"success": "good", "info": "info", "warning": "warn", "danger": "bad"}


@admin.register(Member)
class MemberAdmin(LargeInspectAdmin):
    keyset = ("number",)
    list_display = ("who", "external_id", "market", "state", "shown")
    list_display_links = ("who", "external_id")
    list_filter = ("status", "visibility")
    list_select_related = ("home_market",)
    search_fields = ("external_id",)
    search_help_text = "An id, or the start of a name"

    def find(self, queryset: QuerySet[Member], term: str) -> QuerySet[Member]:
        capital = term[:1].upper() + term[1:]
        return queryset.filter(
            Q(external_id=term) | Q(display_name__startswith=term) | Q(display_name__startswith=capital)
        )

    def gathers(self, term: str) -> str | None:
        """An id names one member; the start of a name is a list like the one without a search."""
        return term if Member.objects.filter(external_id=term).exists() else None

    @display(description="Member")
    def who(self, obj: Member) -> SafeString:
        return avatar(obj.photo_url, obj.display_name)

    @display(description="Market")
    def market(self, obj: Member) -> str:
        return obj.home_market.name if obj.home_market else "–"

    @display(description="Status", label=STATUS_COLOURS)
    def state(self, obj: Member) -> tuple[str, str]:
        return obj.status, obj.get_status_display()

    @display(description="Shown", label={"Shown": "success", "Hidden": "warning", "Stopped": "danger"})
    def shown(self, obj: Member) -> str:
        return _shown(obj)

    def heading(self, request: HttpRequest, obj: Member) -> Heading:
        marks = [(obj.get_status_display(), MARKS[STATUS_COLOURS[obj.status]])]
        if _shown(obj) != "Shown":
            marks.append((_shown(obj), "bad" if obj.stopped_at else "warn"))
        return Heading(obj.display_name, f"{obj.external_id} · number {obj.number}", obj.photo_url, marks)

    def looks_at(self, request: HttpRequest, obj: Member) -> str:
        return obj.external_id

    def buttons(self, request: HttpRequest, obj: Member) -> list[Button]:
        found = [self._visibility(obj)] if request.user.has_perm("members.change_member") else []
        if request.user.has_perm("members.stop_member"):
            found.append(_stop_button(obj))
        if request.user.has_perm("members.erase_member"):
            page = reverse("admin:member_data", args=[obj.external_id])
            found.append(Button("data", "Export or erase", href=page))
        return found

    def press(self, request: HttpRequest, obj: Member, name: str) -> str:
        from apps.members import services

        if name in ("stop", "unstop"):
            call = services.stop_member if name == "stop" else services.unstop_member
            call(obj.external_id, actor=acting_user(request), reason=checked_reason(note_of(request)))
            if name == "stop":
                return f"{obj.display_name} was stopped and is shown nowhere. Undo it with Lift the stop."
            return f"The stop of {obj.display_name} was lifted."
        services.patch_member(obj.external_id, {"visibility": "hidden" if name == "hide" else "visible"})
        return f"{obj.display_name} is {'hidden' if name == 'hide' else 'visible'} now."

    def _visibility(self, obj: Member) -> Button:
        if obj.visibility == "visible":
            said = "Nobody is shown this member from the next list on. They still get lists."
            return Button("hide", "Hide", said)
        return Button("show", "Show again", "This member can be shown again, wherever they are eligible.")

    def sections(self, request: HttpRequest, obj: Member) -> list[Section]:
        wishes = [_wishes(obj)] if request.user.has_perm("interactions.see_private") else []
        return [_profile(obj), *wishes, _places(obj), _graph(obj)]


def _stop_button(member: Member) -> Button:
    if member.stopped_at:
        said = "This member can be shown again if they are active and visible."
        return Button("unstop", "Lift the stop", said, note="Why?")
    said = "Shown nowhere from the next list on, whatever their profile says, until the stop is lifted."
    return Button("stop", "Stop", said, danger=True, note="Why?")


def avatar(photo: str, name: str) -> SafeString:
    """A small round picture, or initials, and the name."""
    if photo:
        face = format_html('<img class="rc-photo small" src="{}" alt="" loading="lazy">', photo)
    else:
        initials = "".join(part[0] for part in name.split()[:2]).upper()
        face = format_html('<span class="rc-photo small" aria-hidden="true">{}</span>', initials)
    return format_html('<span class="rc-who">{}<span>{}</span></span>', face, name)


def _shown(member: Member) -> str:
    if member.stopped_at:
        return "Stopped"
    return "Hidden" if member.visibility == "hidden" else "Shown"


def _profile(member: Member) -> Section:
    interests = sorted(member.interests.items(), key=lambda pair: -pair[1])
    facts = [
        ("Age", age_of(member)),
        ("Gender", member.get_gender_display() if member.gender else None),
        ("Industries", member.industries),
        ("Crafts", member.crafts),
        ("Skills", member.skills),
        ("Interests", ", ".join(f"{name} {weight:g}" for name, weight in interests)),
        ("Joined", member.joined_at),
        ("Last active", member.last_active_at),
        ("About", member.bio),
    ]
    return Section("Profile", facts)


def _wishes(member: Member) -> Section:
    distance = f"{member.max_distance_km:,} km" if member.max_distance_km else "any"
    facts: list[tuple[str, Any]] = [
        ("Seeking", member.seeking),
        ("Intents", [intent.replace("_", " ") for intent in member.intents] or "open to all"),
        ("Age range", f"{member.age_min} to {member.age_max}"),
        ("Distance", distance),
    ]
    return Section("Who they look for", facts)


def _places(member: Member) -> Section:
    rows = [
        (trip.market.name, trip.starts_on, trip.ends_on) for trip in member.trips.select_related("market")
    ]
    facts = [
        ("Home", member.home_market.name if member.home_market else None),
        ("Now in", member.current_market.name if member.current_market else None),
    ]
    return Section("Where", facts, Grid(("Trip to", "From", "Until"), rows, "No trips."))


def _graph(member: Member) -> Section:
    edges = Connection.objects.filter(Q(a=member) | Q(b=member)).select_related("a", "b").order_by("-id")[:20]
    rows = []
    for edge in edges:
        other = edge.b if edge.a_id == member.pk else edge.a
        rows.append(
            (
                f"{other.display_name} ({other.external_id})",
                edge.get_kind_display(),
                "Yes" if edge.visible else "No",
            )
        )
    return Section(
        "Connections",
        grid=Grid(("With", "Kind", "Others may see it"), rows, "No connections."),
        note="The last 20.",
    )
