"""The page of what was given to staff and waits for a second person: confirm it, or close the account."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from apps.common.errors import Problem
from apps.console.access.confirm import confirmed
from apps.console.page import Pages, actor, needs, render
from apps.releases.staffing import confirm, may_confirm, refuse, unconfirmed

VIEW = "releases.view_release"


@needs(VIEW)
def staff_changes(request: HttpRequest) -> HttpResponse:
    """What waits, and for whom."""
    rows: list[Any] = [(change, may_confirm(change, actor(request))) for change in unconfirmed()]
    return render(request, "access/staff_changes", "Staff changes", rows=rows)


@needs(VIEW)
@require_POST
@confirmed
def settle(request: HttpRequest, pk: int) -> HttpResponse:
    """The service says who may."""
    try:
        if request.POST.get("button") == "refuse":
            change = refuse(pk, actor=actor(request))
            messages.success(
                request, f"The account of {change.user} is disabled: they are out with the next click."
            )
        else:
            change = confirm(pk, actor=actor(request))
            messages.success(request, f"{change.user} has their rights from now on.")
    except Problem as problem:
        messages.error(request, problem.detail)
    return redirect("admin:staff_changes")


PAGES: Pages = [
    ("staff/changes/", "staff_changes", staff_changes),
    ("staff/changes/<int:pk>/", "staff_change", settle),
]
