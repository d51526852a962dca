"""What every staff page shares: who may open it, the frame around it, and reading what was posted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from apps.common.errors import Denied, Problem
from apps.common.local_time import LocalTimeInvalid, parse_typed, zone_name
from apps.common.staff import acting_user as actor
from apps.common.staff import note_of as posted_note
from apps.releases.rights import must_be_theirs
from apps.releases.services import PUBLISH

View = Callable[..., HttpResponse]
Pages = list[tuple[str, str, View]]  # route, name in admin:, view
EDIT = "releases.change_revision"

__all__ = [
    "EDIT",
    "Pages",
    "View",
    "actor",
    "needs",
    "not_theirs",
    "posted_note",
    "posted_number",
    "posted_time",
    "render",
]


def needs(permission: str) -> Callable[[View], View]:
    """403 for staff without this permission."""

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if not request.user.has_perm(permission):
                raise PermissionDenied
            return view(request, *args, **kwargs)

        return guarded

    return decorate


def render(
    request: HttpRequest, template: str, title: str, status: int = 200, **context: Any
) -> HttpResponse:
    from django.contrib import admin

    both = {**admin.site.each_context(request), "title": title, **context}
    both["zone"] = zone_name()
    both["may_edit"] = request.user.has_perm(EDIT)
    both["may_publish"] = request.user.has_perm(PUBLISH)
    return TemplateResponse(request, f"console/{template}.html", both, status=status)


def not_theirs(request: HttpRequest, surface: str) -> str:
    """Why the reader may not change a surface's part of a draft (EVERYWHERE: what all share); or nothing."""
    try:
        must_be_theirs(actor(request), [surface])
    except Denied as denied:
        return denied.detail
    return ""


def posted_number(request: HttpRequest, name: str) -> int | None:
    value = request.POST.get(name, "")
    return int(value) if value.isdecimal() and len(value) < 10 else None


def posted_time(request: HttpRequest, name: str) -> datetime:
    """A moment typed in the reader's zone, in UTC. Raises Problem `time_missing`."""
    try:
        return parse_typed(request.POST.get(name, ""))
    except LocalTimeInvalid as invalid:
        raise Problem(f"Say when. {invalid}", code="time_missing", field=name) from None
