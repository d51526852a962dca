"""What the admin pages of all apps share: pages that show one thing, and lists of tables too large to count.

Gives base classes for `admin.py`; imported from nowhere else, since it needs the admin's packages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin.views.main import SEARCH_VAR
from django.contrib.auth.models import User
from django.core.checks import CheckMessage, Error
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.admin import ModelAdmin

from apps.common.errors import Problem
from apps.common.keyset import KeysetChangeList
from apps.common.looks import keep_reason, log_look, reason_of


def acting_user(request: HttpRequest) -> User:
    return cast(User, request.user)  # the admin lets nobody else in


def note_of(request: HttpRequest) -> str:
    """The line that was posted with a button."""
    return request.POST.get("note", "").replace("\x00", "").strip()


@dataclass(frozen=True)
class Grid:
    """A table on a page. `numeric` names the columns that are set flush right, counted from 0."""

    head: Sequence[str]
    rows: Sequence[Sequence[Any]]
    empty: str = "Nothing here yet."
    numeric: tuple[int, ...] = ()


@dataclass(frozen=True)
class Section:
    """A titled part of a page: facts (label, value), a table, or both."""

    title: str
    facts: Sequence[tuple[str, Any]] = ()
    grid: Grid | None = None
    note: str = ""


@dataclass(frozen=True)
class Button:
    """Something staff can do here. `consequence` is what they read before they confirm; `note` asks for one
    line more. With `href` it leads to a page of its own."""

    name: str
    label: str
    consequence: str = ""
    danger: bool = False
    note: str = ""
    href: str = ""


@dataclass
class Heading:
    """The top of a page: what it is, a line below, a picture, a mark (text, colour)."""

    title: str
    line: str = ""
    photo: str = ""
    marks: list[tuple[str, str]] = field(default_factory=list)


class ReadOnly(ModelAdmin):
    """Nobody adds, edits or deletes through the admin's own forms."""

    list_disable_select_all = True
    actions = None
    show_facets = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


def reason_first(
    request: HttpRequest, member: str, page: str, *, title: str, back: str, **context: Any
) -> HttpResponse | None:
    """The form that asks why one looks at this member; None once that is known and the look is logged."""
    refusal = ""
    if request.method == "POST":
        try:
            keep_reason(request, member, request.POST.get("reason", ""))
            return HttpResponseRedirect(request.get_full_path())
        except Problem as problem:
            refusal = problem.detail
    elif reason_of(request, member):
        log_look(request, member, page)
        return None
    context |= {**admin.site.each_context(request), "title": title, "member": member, "back": back}
    context["refusal"] = refusal
    return TemplateResponse(request, "console/look.html", context, status=422 if refusal else 200)


class InspectAdmin(ReadOnly):
    """One thing per page: heading, buttons, sections. A button's work is one call of a service in `press`."""

    list_display_links: Any = ()  # the first column
    detail_template = "console/detail.html"

    def heading(self, request: HttpRequest, obj: Any) -> Heading:
        return Heading(str(obj))

    def check(self, **kwargs: Any) -> list[CheckMessage]:
        """Django's own; `manage.py check` finds a page that says nothing."""
        found: list[CheckMessage] = super().check(**kwargs)
        if type(self).sections is InspectAdmin.sections:
            found.append(
                Error("A page must say in `sections` what it shows.", obj=type(self), id="staff.E001")
            )
        return found

    def sections(self, request: HttpRequest, obj: Any) -> list[Section]:
        """What the page shows, from above."""
        return []

    def buttons(self, request: HttpRequest, obj: Any) -> list[Button]:
        return []

    def looks_at(self, request: HttpRequest, obj: Any) -> str | None:
        """The app's id of the member whom this page is about: whoever opens it says why. None: no member."""
        return None

    def press(self, request: HttpRequest, obj: Any, name: str) -> str:
        """Does what the button says and returns the message that names the consequence.

        Where all buttons are links, or there are none, there is nothing to press.
        """
        raise PermissionDenied

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        obj = self.get_object(request, object_id.replace("\x00", ""))
        if obj is None:
            return self._missing(request, object_id)
        if not self.has_view_permission(request, obj):
            raise PermissionDenied
        member = None if "button" in request.POST else self.looks_at(request, obj)
        if (asked := self.reason_first(request, member, str(self.opts.verbose_name))) is not None:
            return asked
        if request.method == "POST":
            return self._pressed(request, obj)
        context = {
            **self.admin_site.each_context(request),
            "title": self.opts.verbose_name_plural.capitalize(),
            "opts": self.opts,
            "back": self._list_address(),
            "heading": self.heading(request, obj),
            "buttons": self.buttons(request, obj),
            "sections": self.sections(request, obj),
        }
        return TemplateResponse(request, self.detail_template, context)

    def reason_first(self, request: HttpRequest, member: str | None, page: str) -> HttpResponse | None:
        """Asks why one looks; None once that is known and the look is logged, or where nobody is named."""
        if member is None:
            return None
        title = self.opts.verbose_name_plural.capitalize()
        return reason_first(request, member, page, title=title, back=self._list_address(), opts=self.opts)

    def _missing(self, request: HttpRequest, object_id: str) -> HttpResponse:
        messages.warning(request, f"There is no {self.opts.verbose_name} {object_id[:64]} any more.")
        return HttpResponseRedirect(self._list_address())

    def _list_address(self) -> str:
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")

    def _pressed(self, request: HttpRequest, obj: Any) -> HttpResponse:
        name = request.POST.get("button", "")
        if name not in {button.name for button in self.buttons(request, obj)}:
            raise PermissionDenied
        try:
            messages.success(request, self.press(request, obj, name))
        except Problem as problem:
            messages.error(request, problem.detail)
        return HttpResponseRedirect(request.path)


class LargeInspectAdmin(InspectAdmin):
    """A list without COUNT and OFFSET: pages by key in the order of `keyset` ("-": the largest first)."""

    keyset: tuple[str, ...] = ("id",)
    list_per_page = 25
    sortable_by: Any = ()
    show_full_result_count = False
    shows_everything = True  # without a search and filters; else no number of all rows stands below

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[KeysetChangeList]:
        return KeysetChangeList

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        return self.keyset

    def attach(self, rows: list[Any]) -> None:
        """Looks up, for a whole page at once, what the columns need from other tables."""

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        if self.has_view_permission(request) and (term := _clean(request.GET.get(SEARCH_VAR, ""))):
            page = f"{self.opts.verbose_name_plural}, searched"
            if (asked := self.reason_first(request, self.gathers(term), page)) is not None:
                return asked
        answer: HttpResponse = super().changelist_view(request, extra_context)
        return answer

    def gathers(self, term: str) -> str | None:
        """The app's id of the member about whom this search gathers rows: whoever searches says why."""
        return None

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """By the filters beside the list alone: by any other field an address would read the whole table, or
        gather what is stored about one member without a reason."""
        filters = self.get_list_filter(request)
        named = (one[0] if isinstance(one, tuple) else getattr(one, "parameter_name", one) for one in filters)
        return lookup.split("__")[0] in set(named)

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        term = _clean(search_term)
        return (self.find(queryset, term) if term else queryset), False

    def find(self, queryset: Any, term: str) -> Any:
        """The rows that a search means; by index only."""
        return queryset


def _clean(term: str) -> str:
    return term.replace("\x00", "").strip()
