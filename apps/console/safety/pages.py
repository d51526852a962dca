"""Trust and safety's own room: stop somebody or a place everywhere at once, lift it again, and hand out or
erase what is stored about a member.

Each view makes one call of a service; what it changes holds from the next list on, without a release.
"""

from __future__ import annotations

import json
from datetime import datetime

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from apps.common.audit import checked_reason, record
from apps.common.errors import Problem
from apps.common.models import AuditEntry
from apps.common.staff import reason_first
from apps.console.access.confirm import confirmed
from apps.console.page import Pages, actor, needs, posted_note, render
from apps.interactions.export import member_export
from apps.interactions.services import erase_member
from apps.members.models import Member
from apps.members.selectors import member_by_id, numbers_of
from apps.members.services import stop_member, unstop_member
from apps.places.models import Place
from apps.places.services import stop_place, unstop_place

STOP, ERASE = "members.stop_member", "members.erase_member"
CALLS = {("member", "stop"): stop_member, ("member", "lift"): unstop_member}
CALLS |= {("place", "stop"): stop_place, ("place", "lift"): unstop_place}
SHOWN_AT_MOST = 100
ACTIONS = ("member.stopped", "member.stop_lifted", "place.stopped", "place.stop_lifted", "member.erased")


@needs(STOP)
def safety(request: HttpRequest) -> HttpResponse:
    """Who and what is stopped now, with a way to lift each; the form that stops; what was done lately."""
    stopped = [*_stopped("member", Member, "display_name"), *_stopped("place", Place, "name")]
    acts = AuditEntry.objects.filter(kind=AuditEntry.Kind.ACT, action__in=ACTIONS).order_by("-at", "-id")[:20]
    return render(
        request,
        "safety/safety",
        "Safety",
        stopped=sorted(stopped, key=lambda one: one[3], reverse=True),
        at_most=SHOWN_AT_MOST,
        acts=acts,
    )


@needs(STOP)
@require_POST
def stop_or_lift(request: HttpRequest) -> HttpResponse:
    kind, what = request.POST.get("kind", ""), request.POST.get("do", "")
    external_id = request.POST.get("id", "").replace("\x00", "").strip()[:64]
    call = CALLS.get((kind, what))
    try:
        if call is None:
            raise Problem("Say whether it is a member or a place.", field="kind")
        call(external_id, actor=actor(request), reason=checked_reason(posted_note(request)))
    except Problem as problem:
        messages.error(request, problem.detail)
        return redirect("admin:safety")
    if what == "stop":
        messages.success(request, f"{external_id} was stopped and is shown nowhere. Undo it below.")
    else:
        messages.success(request, f"The stop of {external_id} was lifted.")
    return redirect("admin:safety")


@needs(ERASE)
def member_data(request: HttpRequest, member: str) -> HttpResponse:
    """The page from which a member's data are handed out or erased; whoever opens it says why."""
    try:
        found = member_by_id(member)
    except Problem as problem:
        messages.error(request, problem.detail)
        return redirect("admin:safety")
    back = reverse("admin:safety")
    if (asked := reason_first(request, member, "data", title="Data of a member", back=back)) is not None:
        return asked
    return render(request, "safety/member_data", f"Data of {found.display_name}", member=found)


@needs(ERASE)
@require_POST
@confirmed
def export(request: HttpRequest, member: str) -> HttpResponse:
    try:
        reason = checked_reason(posted_note(request))
        data = member_export(member)
    except Problem as problem:
        messages.error(request, problem.detail)
        return redirect("admin:member_data", member)
    number = member_by_id(member).number
    record(actor(request), "member.exported", f"member {number}", None, {"reason": reason})
    response = HttpResponse(json.dumps(data, indent=2), content_type="application/json")
    response["Content-Disposition"] = f'attachment; filename="member-{number}.json"'
    return response


@needs(ERASE)
@require_POST
@confirmed
def erase(request: HttpRequest, member: str) -> HttpResponse:
    """Erases when the member's id was typed again, exactly."""
    try:
        reason = checked_reason(posted_note(request))
        if request.POST.get("typed", "").strip() != member:
            raise Problem("The id that was typed is not this member's. Nothing was erased.", field="typed")
        if number := numbers_of([member]).get(member):  # first, so that no erasure is without its reason
            record(actor(request), "member.erased", f"member {number}", None, {"reason": reason})
        erase_member(member)  # of nobody, too: a repeat tells the guard what the first try may not have
    except Problem as problem:
        messages.error(request, problem.detail)
        return redirect("admin:member_data", member)
    messages.success(request, "Everything about this member was erased. Only a number and a time are left.")
    return redirect("admin:safety")


def _stopped(kind: str, model: type[Member] | type[Place], name: str) -> list[tuple[str, str, str, datetime]]:
    rows = model.objects.filter(stopped_at__isnull=False).order_by("-stopped_at")
    found = rows.values_list("external_id", name, "stopped_at")[:SHOWN_AT_MOST]
    return [(kind, external_id, said, since) for external_id, said, since in found]


PAGES: Pages = [
    ("safety/", "safety", safety),
    ("safety/stop/", "safety_stop", stop_or_lift),
    ("safety/member/<str:member>/", "member_data", member_data),
    ("safety/member/<str:member>/export/", "member_export", export),
    ("safety/member/<str:member>/erase/", "member_erase", erase),
]
