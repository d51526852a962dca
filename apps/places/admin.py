"""Places, and curated lists with their order. Writes go through the services, like the API's."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import display

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
from apps.places.models import CuratedList, CuratedListItem, Place


@admin.register(Place)
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
        label={"Shown": "success", "Closed": "warning", "Hidden": "warning", "Stopped": "danger"},
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
        if request.user.has_perm("places.change_place"):
            hide = Button("hide", "Hide", "Nobody is shown this place from the next list on.")
            show = Button("show", "Show again", "This place can be shown again, if it is open.")
            found.append(hide if obj.visibility == "visible" else show)
        if request.user.has_perm("places.stop_place"):
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
            ("Open for business", obj.is_open),
            ("Cell of about 5 km around", f"{latitude:.2f}, {longitude:.2f}"),
            ("Last change", obj.updated_at),
        ]
        lists = Grid(("List", "Position", "Owner"), rows, "In no curated list.", numeric=(1,))
        return [Section("Place", facts), Section("Curated lists", grid=lists)]


class ItemInline(TabularInline):
    """The places of a list; drag a row to move it, or type its number."""

    model = CuratedListItem
    fields = ("place", "position")
    autocomplete_fields = ("place",)
    ordering_field = "position"
    extra = 0
    tab = False

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """The table has no label per field: the number's says what it is to who can't see the head."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None and db_field.name == "position":
            field.widget.attrs["aria-label"] = "Position in the list"
        return field

    # Who may change the list may change its rows: a form without them would empty the list.
    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True

    has_change_permission = has_delete_permission = has_view_permission = has_add_permission


@admin.register(CuratedList)
class CuratedListAdmin(ModelAdmin):
    list_display = ("title", "external_id", "owner", "market", "starts_on", "ends_on", "size")
    list_select_related = ("market",)
    search_fields = ("title__startswith", "external_id__exact")
    search_help_text = "Start of a title, or an id"
    inlines = (ItemInline,)
    fields = (("title", "external_id"), ("owner", "market"), ("starts_on", "ends_on"))

    def get_queryset(self, request: HttpRequest) -> QuerySet[CuratedList]:
        return super().get_queryset(request).annotate(places=Count("items"))

    @display(description="Places")
    def size(self, obj: CuratedList) -> SafeString | int:
        return obj.places  # type: ignore[attr-defined]

    def get_readonly_fields(self, request: HttpRequest, obj: CuratedList | None = None) -> tuple[str, ...]:
        return ("external_id",) if obj else ()

    def construct_change_message(
        self, request: HttpRequest, form: Any, formsets: Any, add: bool = False
    ) -> list[Any]:
        """Nothing to read off the formsets: the service saved them."""
        return []

    def save_model(self, request: HttpRequest, obj: CuratedList, form: Any, change: bool) -> None:
        """The service writes list and items together, in save_related; new ones need a row to hang on."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        from apps.places.bodies import ListBody
        from apps.places.services import put_list

        put_list(form.instance.external_id, ListBody.model_validate(_list_body(form.instance, formsets)))
        form.instance.pk = CuratedList.objects.get(external_id=form.instance.external_id).pk

    def delete_model(self, request: HttpRequest, obj: CuratedList) -> None:
        from apps.places.services import delete_list

        delete_list(obj.external_id)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[CuratedList]) -> None:
        for obj in queryset:
            self.delete_model(request, obj)


def _shown(place: Place) -> str:
    if place.stopped_at:
        return "Stopped"
    if place.visibility == "hidden":
        return "Hidden"
    return "Shown" if place.is_open else "Closed"


def _list_body(obj: CuratedList, formsets: Any) -> dict[str, Any]:
    """The list as the API would send it, its places in the order of the rows."""
    rows = [
        (row.cleaned_data.get("position") or 0, i, row.cleaned_data["place"].external_id)
        for formset in formsets
        for i, row in enumerate(formset.forms)
        if row.cleaned_data.get("place") and not row.cleaned_data.get("DELETE")
    ]
    return {
        "title": obj.title,
        "owner": obj.owner,
        "market": obj.market.key if obj.market else None,
        "starts_on": obj.starts_on.isoformat(),
        "ends_on": obj.ends_on.isoformat(),
        "places": [place for _, _, place in sorted(rows)],
    }
