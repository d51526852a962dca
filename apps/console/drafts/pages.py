"""The pages of a draft on its way to members, and of releases: review, publish, roll back.

Each view makes one call of a service. A conflict is a page that says what happened and what to do.
"""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from apps.common.errors import Conflict, Problem
from apps.console.page import EDIT, Pages, actor, needs, posted_note, posted_number, render
from apps.console.policies.cards import cards, lines
from apps.policies.difference import difference
from apps.releases import services
from apps.releases.models import Release, Revision
from apps.releases.selectors import live_release, release_before


@needs("releases.view_release")
def review(request: HttpRequest, pk: int) -> HttpResponse:
    """What publishing the draft would change."""
    draft = get_object_or_404(Revision.objects.select_related("based_on", "author", "release"), pk=pk)
    release = live_release()
    changes = difference(release.content, draft.content)
    surfaces = sorted({line.surface for line in changes})
    context: dict[str, Any] = {
        "draft": draft,
        "release": release,
        "changes": lines(changes),
        "surfaces": surfaces,
    }
    context["first_surface"] = first_surface(draft)
    context["stale"] = draft.based_on_id != release.number
    return render(request, "draft_review", f"Review: {draft.title}", **context)


@needs(services.PUBLISH)
@require_POST
def publish(request: HttpRequest, pk: int) -> HttpResponse:
    draft = get_object_or_404(Revision, pk=pk)
    try:
        release = services.publish_revision(
            draft,
            actor=actor(request),
            note=posted_note(request),
            version=posted_number(request, "version"),
        )
    except Problem as problem:
        return conflict_page(request, problem, draft)
    messages.success(
        request,
        f"Release {release.number} is live. Every list asked for from now on follows it within 2 seconds.",
    )
    return redirect("admin:release", number=release.number)


@needs(EDIT)
@require_POST
def discard(request: HttpRequest, pk: int) -> HttpResponse:
    draft = get_object_or_404(Revision, pk=pk)
    try:
        services.discard_revision(draft, actor=actor(request))
        messages.success(request, "The draft was discarded. The live release stays as it is.")
    except Conflict as conflict:
        messages.error(request, conflict.detail)
    return redirect("admin:policies")


@needs(EDIT)
@require_POST
def update(request: HttpRequest, pk: int) -> HttpResponse:
    """Puts the draft upon the release that went live after it was started."""
    draft = get_object_or_404(Revision, pk=pk)
    try:
        services.bring_up_to_date(draft, posted_number(request, "version") or 0, actor=actor(request))
    except Problem as problem:
        return conflict_page(request, problem, draft)
    messages.success(request, "The draft now builds on the live release and keeps its own changes.")
    return redirect("admin:draft_review", pk=pk)


@needs("releases.view_release")
def releases(request: HttpRequest) -> HttpResponse:
    """The last releases, each with what it changed."""
    found = list(Release.objects.select_related("published_by")[:51])
    rows = [
        (release, lines(difference(before.content, release.content)) if before else [])
        for release, before in zip(found, [*found[1:], None], strict=True)
    ][:50]
    return render(request, "releases", "Releases", rows=rows, live=live_release())


@needs("releases.view_release")
def release(request: HttpRequest, number: int) -> HttpResponse:
    """One release: its difference to the one before, and the way back to it."""
    shown = get_object_or_404(Release.objects.select_related("published_by"), pk=number)
    live, before = live_release(), release_before(shown)
    context: dict[str, Any] = {"release": shown, "live": live, "before": before}
    context["changes"] = lines(difference(before.content, shown.content)) if before else []
    context["back_changes"] = lines(difference(live.content, shown.content))
    context["cards"] = cards(shown.content)
    return render(request, "release", f"Release {number}", **context)


@needs(services.PUBLISH)
@require_POST
def roll_back(request: HttpRequest, number: int) -> HttpResponse:
    target = get_object_or_404(Release, pk=number)
    expected = posted_number(request, "expected")
    try:
        services.roll_back(target, actor=actor(request), note=posted_note(request), expected_live=expected)
        messages.success(request, f"Release {number} is live again. Every list follows it within 2 seconds.")
    except Problem as problem:
        messages.error(request, f"{problem.detail} Nothing was changed.")
    return redirect("admin:release", number=number)


def conflict_page(request: HttpRequest, problem: Problem, draft: Revision) -> HttpResponse:
    draft.refresh_from_db()
    context = {"problem": problem, "draft": draft, "first_surface": first_surface(draft)}
    return render(request, "conflict", "Somebody was faster", problem.status, **context)


def first_surface(draft: Revision) -> str:
    """Where editing starts."""
    return str(min(draft.content["surfaces"]))


PAGES: Pages = [
    ("policies/drafts/<int:pk>/", "draft_review", review),
    ("policies/drafts/<int:pk>/publish/", "draft_publish", publish),
    ("policies/drafts/<int:pk>/discard/", "draft_discard", discard),
    ("policies/drafts/<int:pk>/update/", "draft_update", update),
    ("releases/", "releases", releases),
    ("releases/<int:number>/", "release", release),
    ("releases/<int:number>/roll-back/", "release_roll_back", roll_back),
]
