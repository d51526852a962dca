"""Between the session and the pages: nobody passes with a password alone, and rows change under a name."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import Resolver404, resolve, reverse
from django.utils.http import urlencode

from apps.common.audit import acting
from apps.console.access.verified import is_verified

Handler = Callable[[HttpRequest], HttpResponse]
OPEN = {"admin:login", "admin:logout", "admin:second_step"}
SAFE = ("GET", "HEAD", "OPTIONS", "TRACE")


def second_step(get_response: Handler) -> Handler:
    """Sends staff who gave a password alone on to the second step. The site's own door refuses them too."""

    def handle(request: HttpRequest) -> HttpResponse:
        user = request.user
        if not user.is_authenticated or not user.is_staff or is_verified(user) or _page(request) in OPEN:
            return get_response(request)
        if not request.path_info.startswith(reverse("admin:index")):
            return get_response(request)
        here = request.get_full_path() if request.method == "GET" else reverse("admin:index")
        return HttpResponseRedirect(f"{reverse('admin:second_step')}?{urlencode({'next': here})}")

    return handle


def named_changes(get_response: Handler) -> Handler:
    """What a signed-in person's request changes is audited under their name."""

    def handle(request: HttpRequest) -> HttpResponse:
        user = request.user
        if request.method in SAFE or not isinstance(user, User):
            return get_response(request)
        with acting(user.get_username(), user.pk):
            return get_response(request)

    return handle


def _page(request: HttpRequest) -> str:
    try:
        return resolve(request.path_info).view_name
    except Resolver404:
        return ""
