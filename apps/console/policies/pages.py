"""The pages where policies are tuned: what is live, and the form of a draft's surface.

Each view makes one call of a service. Refusals come back on the form; nothing typed is lost.
"""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from apps.common.errors import Conflict
from apps.console.drafts.pages import conflict_page, first_surface
from apps.console.page import EDIT, Pages, actor, needs, render
from apps.console.policies.cards import cards, lines
from apps.console.policies.form import SurfaceForm
from apps.policies.difference import difference
from apps.policies.schema import PolicyInvalid
from apps.releases import services
from apps.releases.models import Revision
from apps.releases.selectors import live_release, open_drafts


@needs("releases.view_release")
def policies(request: HttpRequest) -> HttpResponse:
    """The live release as cards, and the drafts under way."""
    release = live_release()
    drafts = [(draft, len(_changes(draft))) for draft in open_drafts()]
    return render(
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
        actor=actor(request), title=request.POST.get("title", "").replace("\x00", "")[:100]
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
            return conflict_page(request, conflict, draft)
    context = {"draft": draft, "form": form, "surface": surface, "changes": lines(_changes(draft))}
    context["surfaces"] = sorted(draft.content["surfaces"])
    return render(request, "draft_edit", f"{draft.title}: {surface}", status, **context)


def _saved(request: HttpRequest, draft: Revision, form: SurfaceForm) -> HttpResponse:
    changes = form.changes()
    if changes:
        services.edit_revision(draft, form.version, changes, actor=actor(request))
        messages.success(request, "Saved in the draft. Members see no difference until it is published.")
    else:
        messages.info(request, "Nothing was different, so nothing was saved.")
    if request.POST.get("then") == "review":
        return redirect("admin:draft_review", pk=draft.pk)
    return redirect("admin:draft_edit", pk=draft.pk, surface=form.surface)


def _changes(draft: Revision) -> list[Any]:
    return difference(draft.based_on.content if draft.based_on else {}, draft.content)


def _to_edit(draft: Revision) -> HttpResponse:
    return redirect("admin:draft_edit", pk=draft.pk, surface=first_surface(draft))


PAGES: Pages = [
    ("policies/", "policies", policies),
    ("policies/drafts/start/", "draft_start", start),
    ("policies/drafts/<int:pk>/<slug:surface>/", "draft_edit", edit),
]
