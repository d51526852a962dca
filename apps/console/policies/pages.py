"""The pages where policies are tuned: what is live, and the form of a draft's surface.

Each view makes one call of a service. Refusals come back on the form; nothing typed is lost.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from apps.common.errors import Problem
from apps.console.drafts.pages import conflict_page, first_surface
from apps.console.drafts.remarks import before_saving
from apps.console.drafts.state import saved
from apps.console.page import EDIT, Pages, actor, needs, not_theirs, render
from apps.console.policies.cards import cards, lines
from apps.console.policies.form import (
    KnobForm,
    governance_form,
    market_form,
    put_market,
    surface_form,
)
from apps.delivery.recent import recent_of
from apps.policies.difference import difference
from apps.policies.schema import PolicyInvalid
from apps.refresh.selectors import learnt_predictions
from apps.releases import services
from apps.releases.models import OPEN, Revision
from apps.releases.selectors import discarded_drafts, draft_to_continue, live_release, open_drafts
from apps.surfaces.models import Market


@needs("releases.view_release")
def policies(request: HttpRequest) -> HttpResponse:
    """The live release as cards, and the drafts under way."""
    release = live_release()
    drafts = [(draft, len(_changes(draft))) for draft in open_drafts()]
    context: dict[str, Any] = {"release": release, "cards": cards(release.content), "drafts": drafts}
    context["discarded"] = discarded_drafts()
    context["to_continue"] = draft_to_continue()
    return render(request, "policies", "Policies", **context)


@needs(EDIT)
@require_POST
def start(request: HttpRequest) -> HttpResponse:
    """Continues the newest draft that nobody looks at yet, or starts one (always with `new`)."""
    if "new" not in request.POST and (found := draft_to_continue()) is not None:
        return _to_edit(found)
    draft = services.start_revision(
        actor=actor(request), title=request.POST.get("title", "").replace("\x00", "")[:100]
    )
    messages.info(request, "A draft was started. Nothing changes for members until it is published.")
    return _to_edit(draft)


@needs(EDIT)
def edit(request: HttpRequest, pk: int, surface: str) -> HttpResponse:
    """The form of one surface of a draft."""
    draft = _draft(pk)
    if surface not in draft.content["surfaces"]:
        return redirect("admin:policies")
    recent = recent_of(surface)
    form = surface_form(
        draft,
        surface,
        live_release().content,
        _posted(request),
        learnt=learnt_predictions().get(surface, frozenset()),
        shares=recent.shares if recent else {},
    )
    said = draft.content["surfaces"][surface].get("markets", {})
    markets = [(key, name, len(said.get(key, {}))) for key, name in Market.objects.values_list("key", "name")]
    context: dict[str, Any] = {"surface": surface, "recent": recent}
    context["markets"] = sorted(markets, key=lambda one: (-one[2], one[1]))

    def save(changes: dict[str, Any]) -> Any:
        return {f"{surface}.{key}": value for key, value in changes.items()}

    return _form_page(request, draft, form, save, context, f"{draft.title}: {surface}")


@needs(EDIT)
def edit_market(request: HttpRequest, pk: int, surface: str, market: str) -> HttpResponse:
    """The form of what one market says instead of its surface."""
    draft, row = _draft(pk), get_object_or_404(Market, key=market)
    if surface not in draft.content["surfaces"]:
        return redirect("admin:policies")
    live, learnt = live_release().content, learnt_predictions().get(surface, frozenset())
    form = market_form(draft, surface, market, live, _posted(request), learnt=learnt)

    def save(changes: dict[str, Any]) -> Any:
        return lambda content: put_market(content, surface, market, changes)

    context = {"surface": surface, "market": row}
    return _form_page(request, draft, form, save, context, f"{draft.title}: {surface} in {row.name}")


@needs(EDIT)
def edit_governance(request: HttpRequest, pk: int) -> HttpResponse:
    """The form of a draft's guards."""
    draft = _draft(pk)
    form = governance_form(draft, live_release().content, _posted(request))

    def save(changes: dict[str, Any]) -> Any:
        return {f"governance.{key}": value for key, value in changes.items()}

    return _form_page(request, draft, form, save, {"surface": ""}, f"{draft.title}: governance")


def _form_page(
    request: HttpRequest,
    draft: Revision,
    form: KnobForm,
    save: Callable[[dict[str, Any]], Any],
    context: dict[str, Any],
    title: str,
) -> HttpResponse:
    """Shows the form, or saves what was posted. Refusals come back beside their knobs."""
    if draft.status not in OPEN:
        messages.error(request, f"This draft was {draft.get_status_display().lower()}; it can't be edited.")
        return redirect("admin:policies")
    status = 200
    if request.method == "POST":
        try:
            remarks = before_saving(request, draft, form.version, save(form.changes()))
            if not remarks:
                return _saved(request, draft, form, save)
            context["remarks"], status = remarks, 422
        except PolicyInvalid as refusal:
            form.refuse(refusal.fields)
            status = 422
        except Problem as problem:
            return conflict_page(request, problem, draft)
    context |= {"draft": draft, "form": form, "changes": lines(_changes(draft))}
    context["not_theirs"] = not_theirs(request, context["surface"])
    return render(request, "draft_edit", title, status, **context)


def _saved(
    request: HttpRequest, draft: Revision, form: KnobForm, save: Callable[[dict[str, Any]], Any]
) -> HttpResponse:
    changes = form.changes()
    if changes:
        services.edit_revision(draft, form.version, save(changes), actor=actor(request))
        messages.success(request, f"Saved in the draft. {saved(draft)}")
    else:
        messages.info(request, "Nothing was different, so nothing was saved.")
    if request.POST.get("then") == "review":
        return redirect("admin:draft_review", pk=draft.pk)
    return redirect(request.path)


def _draft(pk: int) -> Revision:
    return get_object_or_404(Revision.objects.select_related("based_on", "author"), pk=pk)


def _posted(request: HttpRequest) -> Any:
    return request.POST if request.method == "POST" else None


def _changes(draft: Revision) -> list[Any]:
    return difference(draft.based_on.content if draft.based_on else {}, draft.content)


def _to_edit(draft: Revision) -> HttpResponse:
    return redirect("admin:draft_edit", pk=draft.pk, surface=first_surface(draft))


PAGES: Pages = [
    ("policies/", "policies", policies),
    ("policies/drafts/start/", "draft_start", start),
    ("policies/drafts/<int:pk>/governance/", "draft_governance", edit_governance),
    ("policies/drafts/<int:pk>/<slug:surface>/", "draft_edit", edit),
    ("policies/drafts/<int:pk>/<slug:surface>/markets/<slug:market>/", "draft_market", edit_market),
]
