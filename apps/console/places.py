"""The admin's pages of places. Writes go through the services, like the API's; an editor who is limited to
other surfaces hides none.
"""

from __future__ import annotations

from calendar import month_name
from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest
from unfold.decorators import display

from apps.common import clock
from apps.common.audit import checked_reason
from apps.common.geo import centre_of
from apps.common.staff import (
    Button,
    Grid,
    Heading,
    LargeInspectAdmin,
    Section,
    acting_user,
    note_of,
)
from apps.console.curated_lists import places_are_theirs
from apps.places.models import CuratedListItem, Place


class PlaceAdmin(LargeInspectAdmin):
    keyset = ("number",)
    list_display = ("name", "external_id", "town", "category", "price", "shown")
    list_display_links = ("name", "external_id")
    list_filter = ("visibility", "is_open")
    list_select_related = ("market",)
    search_fields = ("external_id",)
    search_help_text = "An id, or the start of a name"

    def find(self, queryset: QuerySet[Place], term: str) -> QuerySet[Place]:
        capital = term[:1].upper() + term[1:]
        return queryset.filter(Q(external_id=term) | Q(name__startswith=term) | Q(name__startswith=capital))

    @display(description="Market")
    def town(self, obj: Place) -> str:
        return obj.market.name

    @display(description="Price")
    def price(self, obj: Place) -> str:
        return "€" * obj.price_band if obj.price_band else "–"

    @display(
        description="Shown",
        label={
            "Shown": "success",
            "Closed": "warning",
            "Out of season": "warning",
            "Hidden": "warning",
            "Stopped": "danger",
        },
    )
    def shown(self, obj: Place) -> str:
        return _shown(obj)

    def heading(self, request: HttpRequest, obj: Place) -> Heading:
        colour = {"Shown": "good", "Stopped": "bad"}.get(_shown(obj), "warn")
        return Heading(
            obj.name, f"{obj.external_id} · number {obj.number}", obj.photo_url, [(_shown(obj), colour)]
        )

    def buttons(self, request: HttpRequest, obj: Place) -> list[Button]:
        found = []
        may_stop = request.user.has_perm("places.stop_place")
        if request.user.has_perm("places.change_place") and (may_stop or places_are_theirs(request)):
            hide = Button("hide", "Hide", "Nobody is shown this place from the next list on.")
            show = Button("show", "Show again", "This place can be shown again, if it is open.")
            found.append(hide if obj.visibility == "visible" else show)
        if may_stop:
            said = (
                "Shown nowhere from the next list on, whatever is saved about it, until the stop is lifted."
            )
            stop = Button("stop", "Stop", said, danger=True, note="Why?")
            said = "This place can be shown again if it is open and visible."
            found.append(Button("unstop", "Lift the stop", said, note="Why?") if obj.stopped_at else stop)
        return found

    def press(self, request: HttpRequest, obj: Place, name: str) -> str:
        from apps.places.bodies import PlaceBody
        from apps.places.selectors import place_body
        from apps.places.services import put_place, stop_place, unstop_place

        if name in ("stop", "unstop"):
            call = stop_place if name == "stop" else unstop_place
            call(obj.external_id, actor=acting_user(request), reason=checked_reason(note_of(request)))
            if name == "stop":
                return f"{obj.name} was stopped and is shown nowhere. Undo it with Lift the stop."
            return f"The stop of {obj.name} was lifted."
        body = {**place_body(obj), "visibility": "hidden" if name == "hide" else "visible"}
        put_place(obj.external_id, PlaceBody.model_validate(body))
        return f"{obj.name} is {'hidden' if name == 'hide' else 'visible'} now."

    def sections(self, request: HttpRequest, obj: Place) -> list[Section]:
        latitude, longitude = centre_of(obj.cell)
        items = CuratedListItem.objects.filter(place=obj).select_related("curated_list")
        rows = [(item.curated_list.title, item.position, item.curated_list.owner) for item in items]
        facts: list[tuple[str, Any]] = [
            ("Market", obj.market.name),
            ("Category", obj.category),
            ("Tags", obj.tags),
            ("Price band", self.price(obj)),
            ("Open for business", _opening(obj)),
            ("Open in", _months(obj.open_months) or "All year"),
            ("At its best in", _months(obj.best_months) or "No month in particular"),
            ("Cell of about 5 km around", f"{latitude:.2f}, {longitude:.2f}"),
            ("Last change", obj.updated_at),
        ]
        lists = Grid(("List", "Position", "Owner"), rows, "In no curated list.", numeric=(1,))
        return [Section("Place", facts), Section("Curated lists", grid=lists)]


def _shown(place: Place) -> str:
    if place.stopped_at:
        return "Stopped"
    if place.visibility == "hidden":
        return "Hidden"
    today = clock.today()
    if not place.is_open and (place.opens_on is None or place.opens_on > today):
        return "Closed"
    return "Shown" if not place.open_months or today.month in place.open_months else "Out of season"


def _opening(place: Place) -> str:
    if place.is_open:
        return "Yes"
    return f"No, from {place.opens_on:%-d %B %Y} on" if place.opens_on else "No"


def _months(months: list[int]) -> str:
    return ", ".join(month_name[month] for month in months)
