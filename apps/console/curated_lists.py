"""The admin's pages of curated lists: order by drag or number, dates, owner. Writes go through the service,
like the API's; whoever is second of two is told so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import display

from apps.common.bodies import parse
from apps.common.errors import Denied, Problem
from apps.common.staff import acting_user
from apps.places.bodies import MOST_PLACES, ListBody
from apps.places.models import CuratedList, CuratedListItem
from apps.places.services import delete_list, put_list
from apps.releases.rights import must_be_theirs
from apps.surfaces.selectors import kinds_of_active_surfaces


class ItemInline(TabularInline):
    """The places of a list; drag a row to move it, or type its number."""

    model = CuratedListItem
    fields = ("place", "position")
    autocomplete_fields = ("place",)
    ordering_field = "position"
    extra = 0
    max_num = MOST_PLACES
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


class ListForm(forms.ModelForm):
    """What the service would refuse is said beside its field; `seen` names what the form was opened with."""

    seen = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        if self.instance.pk:
            self.initial["seen"] = self.instance.updated_at.isoformat()

    def clean_external_id(self) -> str:
        key = str(self.cleaned_data["external_id"])
        if "/" in key:
            raise forms.ValidationError("An id has no slash: the app could not ask for it.")
        return key

    def clean(self) -> dict[str, Any]:
        said: dict[str, Any] = super().clean() or {}
        if self.instance.pk:  # the lock stands until it is saved: the admin saves in one transaction
            now = CuratedList.objects.select_for_update().filter(pk=self.instance.pk).first()
            if now is None or now.updated_at.isoformat() != said.get("seen"):
                raise forms.ValidationError(
                    "Somebody changed this list after you opened it. Nothing of yours was saved, and nothing "
                    "of theirs was lost: open it again and make your change there.",
                    code="conflict",
                )
        if not self.errors:
            try:
                parse(ListBody, _body(said, []))
            except Problem as problem:
                field = problem.field if problem.field in said else None
                self.add_error(field, problem.detail)
        return said


class CuratedListAdmin(ModelAdmin):
    form = ListForm
    list_display = ("title", "external_id", "owner", "market", "starts_on", "ends_on", "size")
    list_select_related = ("market",)
    search_fields = ("title__startswith", "external_id__exact")
    search_help_text = "Start of a title, or an id"
    inlines = (ItemInline,)
    fields = (("title", "external_id"), ("owner", "market"), ("starts_on", "ends_on"), "seen")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return super().has_add_permission(request) and places_are_theirs(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and places_are_theirs(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and places_are_theirs(request)

    def get_model_perms(self, request: HttpRequest) -> dict[str, bool]:
        """For the navigation, which asks on every page: roles alone."""
        return {
            "add": super().has_add_permission(request),
            "change": super().has_change_permission(request),
            "delete": super().has_delete_permission(request),
            "view": super().has_view_permission(request),
        }

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
        put_list(form.instance.external_id, parse(ListBody, _list_body(form.instance, formsets)))
        form.instance.pk = CuratedList.objects.get(external_id=form.instance.external_id).pk

    def delete_model(self, request: HttpRequest, obj: CuratedList) -> None:
        delete_list(obj.external_id)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[CuratedList]) -> None:
        for obj in queryset:
            self.delete_model(request, obj)


def _list_body(obj: CuratedList, formsets: Any) -> dict[str, Any]:
    """The list as the API would send it, its places in the order of the rows."""
    rows = [
        (row.cleaned_data.get("position") or 0, i, row.cleaned_data["place"].external_id)
        for formset in formsets
        for i, row in enumerate(formset.forms)
        if row.cleaned_data.get("place") and not row.cleaned_data.get("DELETE")
    ]
    said = {name: getattr(obj, name) for name in ("title", "owner", "market", "starts_on", "ends_on")}
    return _body(said, [place for _, _, place in sorted(rows)])


def _body(said: Mapping[str, Any], places: list[str]) -> dict[str, Any]:
    market = said.get("market")
    return {
        "title": said["title"],
        "owner": said["owner"],
        "market": market.key if market else None,
        "starts_on": said["starts_on"].isoformat(),
        "ends_on": said["ends_on"].isoformat(),
        "places": places,
    }


def places_are_theirs(request: HttpRequest) -> bool:
    """Places and lists belong to the surfaces of places: an editor who is limited to others may only read."""
    try:
        of_places = [key for key, kind in kinds_of_active_surfaces().items() if kind == "place"]
        must_be_theirs(acting_user(request), of_places)
    except Denied:
        return False
    return True
