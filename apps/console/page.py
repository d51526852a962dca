"""What every staff page shares: who may open it, the frame around it, and reading what was posted."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, cast

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from apps.releases.services import PUBLISH

View = Callable[..., HttpResponse]
Pages = list[tuple[str, str, View]]  # route, name in admin:, view
EDIT = "releases.change_revision"


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
    both["may_edit"] = request.user.has_perm(EDIT)
    both["may_publish"] = request.user.has_perm(PUBLISH)
    return TemplateResponse(request, f"console/{template}.html", both, status=status)


def actor(request: HttpRequest) -> User:
    return cast(User, request.user)  # admin_view lets nobody else in


def posted_note(request: HttpRequest) -> str:
    return request.POST.get("note", "").replace("\x00", "").strip()


def posted_number(request: HttpRequest, name: str) -> int | None:
    value = request.POST.get(name, "")
    return int(value) if value.isdecimal() and len(value) < 10 else None
