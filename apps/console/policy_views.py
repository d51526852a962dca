"""The pages where policies are tuned: what is live, drafts, releases. Each view makes one call of a service.

Conflicts and refusals come back as pages that say what happened and what to do; nothing typed is lost.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.views.decorators.http import require_POST

from apps.common.errors import Conflict, Problem
from apps.console.policy_cards import cards, lines
from apps.console.policy_form import SurfaceForm
from apps.policies.schema import PolicyInvalid, difference
from apps.releases import services
from apps.releases.models import Release, Revision
from apps.releases.selectors import live_release, open_drafts, release_before

View = Callable[..., HttpResponse]
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


def _page(request: HttpRequest, template: str, title: str, status: int = 200, **context: Any) -> HttpResponse:
    from django.contrib import admin

    both = {**admin.site.each_context(request), "title": title, **context}
    both["may_edit"] = request.user.has_perm(EDIT)
    both["may_publish"] = request.user.has_perm(services.PUBLISH)
    return TemplateResponse(request, f"console/{template}.html", both, status=status)


@needs("releases.view_release")
def policies(request: HttpRequest) -> HttpResponse:
    """The live release as cards, and the drafts under way."""
    release = live_release()
    drafts = [(draft, len(_changes(draft))) for draft in open_drafts()]
    return _page(
        request, "policies", "Policies", release=release, cards=cards(release.content), drafts=drafts
    )


@needs(EDIT)
@require_POST
def start(request: HttpRequest) -> HttpResponse:
    """Continues the newest draft, or starts one (always with `new`)."""
    drafts = open_drafts()
    if drafts and "new" not in request.POST:
        return _to_edit(drafts[0])
    draft = services.start_revision(
        actor=_actor(request), title=request.POST.get("title", "").replace("\x00", "")[:100]
    )
    messages.info(request, "A draft was started. Nothing changes for members until it is published.")
    return _to_edit(draft)


@needs(EDIT)
def edit(request: HttpRequest, pk: int, surface: str) -> HttpResponse:
    """The form of one surface of a draft."""
    draft = get_object_or_404(Revision.objects.select_related("based_on", "author"), pk=pk)
    if surface not in draft.content["surfaces"]:
        return redirect("admin:policies")
    if draft.status != Revision.Status.DRAFT:
        messages.error(request, f"This draft was {draft.get_status_display().lower()}; it can't be edited.")
        return redirect("admin:policies")
    form = SurfaceForm(
        draft, surface, live_release().content, request.POST if request.method == "POST" else None
    )
    status = 200
    if request.method == "POST":
        try:
            return _saved(request, draft, form)
        except PolicyInvalid as refusal:
            form.refuse(refusal.fields)
            status = 422
        except Conflict as conflict:
            return _conflict(request, conflict, draft)
    context = {"draft": draft, "form": form, "surface": surface, "changes": lines(_changes(draft))}
    context["surfaces"] = sorted(draft.content["surfaces"])
    return _page(request, "draft_edit", f"{draft.title}: {surface}", status, **context)


def _saved(request: HttpRequest, draft: Revision, form: SurfaceForm) -> HttpResponse:
    changes = form.changes()
    if changes:
        services.edit_revision(draft, form.version, changes, actor=_actor(request))
        messages.success(request, "Saved in the draft. Members see no difference until it is published.")
    else:
        messages.info(request, "Nothing was different, so nothing was saved.")
    if request.POST.get("then") == "review":
        return redirect("admin:draft_review", pk=draft.pk)
    return redirect("admin:draft_edit", pk=draft.pk, surface=form.surface)


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
    return _page(request, "draft_review", f"Review: {draft.title}", **context)


@needs(services.PUBLISH)
@require_POST
def publish(request: HttpRequest, pk: int) -> HttpResponse:
    draft = get_object_or_404(Revision, pk=pk)
    try:
        release = services.publish_revision(
            draft,
            actor=_actor(request),
            note=_note(request),
            version=_number(request, "version"),
        )
    except Problem as problem:
        return _conflict(request, problem, draft)
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
        services.discard_revision(draft, actor=_actor(request))
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
        services.bring_up_to_date(draft, _number(request, "version") or 0, actor=_actor(request))
    except Problem as problem:
        return _conflict(request, problem, draft)
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
    return _page(request, "releases", "Releases", rows=rows, live=live_release())


@needs("releases.view_release")
def release(request: HttpRequest, number: int) -> HttpResponse:
    """One release: its difference to the one before, and the way back to it."""
    shown = get_object_or_404(Release.objects.select_related("published_by"), pk=number)
    live, before = live_release(), release_before(shown)
    context: dict[str, Any] = {"release": shown, "live": live, "before": before}
    context["changes"] = lines(difference(before.content, shown.content)) if before else []
    context["back_changes"] = lines(difference(live.content, shown.content))
    context["cards"] = cards(shown.content)
    return _page(request, "release", f"Release {number}", **context)


@needs(services.PUBLISH)
@require_POST
def roll_back(request: HttpRequest, number: int) -> HttpResponse:
    target = get_object_or_404(Release, pk=number)
    expected = _number(request, "expected")
    try:
        services.roll_back(target, actor=_actor(request), note=_note(request), expected_live=expected)
        messages.success(request, f"Release {number} is live again. Every list follows it within 2 seconds.")
    except Problem as problem:
        messages.error(request, f"{problem.detail} Nothing was changed.")
    return redirect("admin:release", number=number)


def _conflict(request: HttpRequest, problem: Problem, draft: Revision) -> HttpResponse:
    draft.refresh_from_db()
    context = {"problem": problem, "draft": draft, "first_surface": first_surface(draft)}
    return _page(request, "conflict", "Somebody was faster", problem.status, **context)


def _changes(draft: Revision) -> list[Any]:
    return difference(draft.based_on.content if draft.based_on else {}, draft.content)


def _to_edit(draft: Revision) -> HttpResponse:
    return redirect("admin:draft_edit", pk=draft.pk, surface=first_surface(draft))


def first_surface(draft: Revision) -> str:
    """Where editing starts."""
    return str(min(draft.content["surfaces"]))


def _actor(request: HttpRequest) -> User:
    return cast(User, request.user)  # admin_view lets nobody else in


def _note(request: HttpRequest) -> str:
    return request.POST.get("note", "").replace("\x00", "").strip()


def _number(request: HttpRequest, name: str) -> int | None:
    value = request.POST.get(name, "")
    return int(value) if value.isdecimal() and len(value) < 10 else None
