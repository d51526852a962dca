"""The pages of a draft on its way to members: review, approve, publish.

Each view makes one call of a service. A conflict is a page that says what happened and what to do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from apps.common.errors import Conflict, Problem
from apps.common.local_time import written, zone_name
from apps.console.access.confirm import confirmed
from apps.console.drafts.state import saved
from apps.console.page import EDIT, Pages, actor, needs, posted_note, posted_number, posted_time, render
from apps.console.policies.cards import lines
from apps.delivery.reach import measure_reach, ready_to_serve
from apps.policies.difference import difference
from apps.releases import services
from apps.releases.approvals import approvals_of, fresh_reach
from apps.releases.models import OPEN, Release, Revision
from apps.releases.selectors import live_release

MOST_CLASHES = 10  # that are named one by one


@needs("releases.view_release")
def review(request: HttpRequest, pk: int) -> HttpResponse:
    """What publishing the draft would change, what stands in its way, and who said what about it."""
    draft = _draft(pk)
    release = live_release()
    changes = difference(release.content, draft.content)
    context: dict[str, Any] = {
        "draft": draft,
        "release": release,
        "changes": lines(changes),
        "surfaces": sorted({line.surface for line in changes if line.surface}),
        "first_surface": first_surface(draft),
        "is_open": draft.status in OPEN,
        "stale": draft.based_on_id != release.number,
        "comments": draft.comments.select_related("author"),
        "approvals": approvals_of(draft),
        "reach": fresh_reach(draft, release),
        "checks": services.checks(draft) if draft.status in OPEN else [],
        "wrote": draft.contributors.filter(pk=actor(request).pk).exists(),
        "contributors": [user.get_username() for user in draft.contributors.all()],
    }
    context["stops"] = sum(check.level == "stop" for check in context["checks"])
    return render(request, "draft_review", f"Review: {draft.title}", **context)


@needs(services.PUBLISH)
@require_POST
@confirmed
def publish(request: HttpRequest, pk: int) -> HttpResponse:
    """Now for all, now in stages, in an emergency, or at a time to come."""
    draft, how = get_object_or_404(Revision, pk=pk), request.POST.get("how", "now")
    said: dict[str, Any] = {"note": posted_note(request), "version": posted_number(request, "version")}
    try:
        if request.POST.get("ends_at"):
            said["ends_at"] = posted_time(request, "ends_at")
        ready_to_serve(draft)
        if how == "later":
            at = posted_time(request, "at")
            services.schedule_revision(draft, actor=actor(request), at=at, **said)
            said_at = f"{written(at)} ({zone_name()})"
            messages.success(request, f"It will be published at {said_at}, and checked again then.")
            return redirect("admin:draft_review", pk=pk)
        modes: Any = {"staged": how == "staged", "emergency": how == "emergency"}
        release = services.publish_revision(draft, actor=actor(request), **said, **modes)
    except Problem as problem:
        return conflict_page(request, problem, draft)
    messages.success(request, _published(release, how))
    return redirect("admin:release", number=release.number)


@needs(EDIT)
@require_POST
def ask(request: HttpRequest, pk: int) -> HttpResponse:
    """Asks others to look at the draft as it is."""
    return _act(
        request,
        pk,
        lambda draft, version: services.ask_for_approval(draft, version, actor=actor(request)),
        "Approvers were told. An edit takes the draft back.",
    )


@needs(services.PUBLISH)
@require_POST
def approve(request: HttpRequest, pk: int) -> HttpResponse:
    """Says yes to the draft as it is."""
    note = posted_note(request)
    return _act(
        request,
        pk,
        lambda draft, version: services.approve(draft, version, actor=actor(request), note=note),
        "Approved as it is now. An edit makes your approval worth nothing.",
    )


@needs(services.PUBLISH)
@require_POST
def unschedule(request: HttpRequest, pk: int) -> HttpResponse:
    """Takes the draft off the schedule."""
    return _act(
        request,
        pk,
        lambda draft, _: services.unschedule_revision(draft, actor=actor(request)),
        "It is not scheduled any more.",
    )


@needs(EDIT)
@require_POST
def measure(request: HttpRequest, pk: int) -> HttpResponse:
    """Counts how many lists the draft can touch."""
    return _act(request, pk, lambda draft, _: measure_reach(draft), "Measured.")


@needs("releases.view_release")
@require_POST
def comment(request: HttpRequest, pk: int) -> HttpResponse:
    """Says something about the draft."""
    text = request.POST.get("text", "")
    return _act(request, pk, lambda draft, _: services.comment_on(draft, text, actor=actor(request)), "Said.")


def _act(request: HttpRequest, pk: int, act: Callable[[Revision, int], Any], done: str) -> HttpResponse:
    draft = get_object_or_404(Revision, pk=pk)
    try:
        act(draft, posted_number(request, "version") or draft.version)
    except Problem as problem:
        return conflict_page(request, problem, draft)
    messages.success(request, done)
    return redirect("admin:draft_review", pk=pk)


def _draft(pk: int) -> Revision:
    return get_object_or_404(
        Revision.objects.select_related("based_on", "author", "release", "scheduled_by"), pk=pk
    )


def _published(release: Release, how: str) -> str:
    if how == "staged":
        return f"Release {release.number} goes to 1% of viewers. It goes on, or back, by itself."
    return f"Release {release.number} is live. Every list asked for from now on follows it within 2 seconds."


@needs(EDIT)
@require_POST
def discard(request: HttpRequest, pk: int) -> HttpResponse:
    draft = get_object_or_404(Revision, pk=pk)
    try:
        services.discard_revision(draft, posted_number(request, "version") or 0, actor=actor(request))
    except Problem as problem:
        return conflict_page(request, problem, draft)
    messages.success(request, "The draft was discarded; it can be brought back. The live release stays.")
    return redirect("admin:policies")


@needs(EDIT)
@require_POST
def bring_back(request: HttpRequest, pk: int) -> HttpResponse:
    """Makes a discarded draft a draft again."""
    return _act(
        request,
        pk,
        lambda draft, _: services.bring_back(draft, actor=actor(request)),
        "It is a draft again, as it was.",
    )


@needs(EDIT)
@require_POST
def update(request: HttpRequest, pk: int) -> HttpResponse:
    """Puts the draft upon the release that went live after it was started."""
    draft = get_object_or_404(Revision, pk=pk)
    try:
        version = posted_number(request, "version") or 0
        _, clashes = services.bring_up_to_date(draft, version, actor=actor(request))
    except Problem as problem:
        return conflict_page(request, problem, draft)
    messages.success(
        request, f"The draft now builds on the live release and keeps its own changes. {saved(draft)}"
    )
    for one in lines(clashes[:MOST_CLASHES]):
        on = f"{one.surface.capitalize()}, " if one.surface else ""
        messages.warning(
            request, f"Both changed {on}{one.label}. Live: {one.before}. The draft keeps: {one.after}."
        )
    if more := len(clashes[MOST_CLASHES:]):
        messages.warning(request, f"Both changed {more} more: look at the differences below.")
    return redirect("admin:draft_review", pk=pk)


def conflict_page(request: HttpRequest, problem: Problem, draft: Revision) -> HttpResponse:
    """Says what stands in the way, and where to go on: somebody was faster, or something is missing."""
    draft.refresh_from_db()
    context = {"problem": problem, "draft": draft, "first_surface": first_surface(draft)}
    context |= {"is_conflict": isinstance(problem, Conflict), "is_open": draft.status in OPEN}
    title = "Somebody was faster" if context["is_conflict"] else "Nothing was changed"
    return render(request, "conflict", title, problem.status, **context)


def first_surface(draft: Revision) -> str:
    """Where editing starts."""
    return str(min(draft.content["surfaces"]))


PAGES: Pages = [
    ("policies/drafts/<int:pk>/", "draft_review", review),
    ("policies/drafts/<int:pk>/publish/", "draft_publish", publish),
    ("policies/drafts/<int:pk>/ask/", "draft_ask", ask),
    ("policies/drafts/<int:pk>/approve/", "draft_approve", approve),
    ("policies/drafts/<int:pk>/unschedule/", "draft_unschedule", unschedule),
    ("policies/drafts/<int:pk>/measure/", "draft_measure", measure),
    ("policies/drafts/<int:pk>/comment/", "draft_comment", comment),
    ("policies/drafts/<int:pk>/discard/", "draft_discard", discard),
    ("policies/drafts/<int:pk>/bring-back/", "draft_bring_back", bring_back),
    ("policies/drafts/<int:pk>/update/", "draft_update", update),
]
