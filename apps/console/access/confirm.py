"""Saying again who one is, before what can't be taken back or leaves the house: publish, erase, export.

The page that asks carries what was posted along, so that nothing is typed twice.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, cast

from django.conf import settings
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse

from apps.console.access.verified import check_code, is_fresh, set_fresh

PASSWORD, CODE = "confirm_password", "confirm_code"
View = Callable[..., HttpResponse]


def confirmed(view: View) -> View:
    """A post goes through when its sender signed in, or said who they are, a few minutes ago."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.method == "POST" and (page := asked_again(request)) is not None:
            return page
        return view(request, *args, **kwargs)

    return guarded


def asked_again(request: HttpRequest) -> HttpResponse | None:
    """The page that asks, or None when they may go on."""
    from apps.console.page import render

    if is_fresh(request):
        return None
    problem = ""
    if PASSWORD in request.POST:
        problem = _problem(request)
        if not problem:
            set_fresh(request)
            return None
    carried = [
        (name, value)
        for name, values in request.POST.lists()
        for value in values
        if name not in (PASSWORD, CODE, "csrfmiddlewaretoken")
    ]
    return render(
        request,
        "access/confirm",
        "Confirm that it is you",
        problem=problem,
        carried=carried,
        with_code=settings.TWO_FACTOR,
    )


def _problem(request: HttpRequest) -> str:
    user = cast(User, request.user)
    found = authenticate(request, username=user.get_username(), password=request.POST[PASSWORD])
    if found is None or found.pk != user.pk:
        return "This password is not right."
    if settings.TWO_FACTOR:
        device, problem = check_code(user, request.POST.get(CODE, ""))
        return "" if device is not None else problem
    return ""
