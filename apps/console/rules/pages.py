"""The pages of rules, segments, flags and experiments: what is live, what a draft says, and the form of one.

Each view makes one call of a service. Refusals come back beside their fields; nothing typed is lost.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from apps.common.clock import now
from apps.common.errors import Problem
from apps.console.drafts.pages import conflict_page
from apps.console.drafts.remarks import before_saving
from apps.console.drafts.state import saved
from apps.console.page import EDIT, Pages, actor, needs, not_theirs, posted_number, render
from apps.console.rules.entries import PARTS, Entry, Part, find, with_entry, without_entry
from apps.console.rules.forms import EntryForm, new_entry
from apps.console.rules.match import attributes, match
from apps.console.rules.rows import rows_of
from apps.policies.difference import EVERYWHERE
from apps.policies.order import LIST_ORDER, VALUE_ORDER
from apps.policies.schema import PolicyInvalid
from apps.refresh.selectors import learnt_predictions
from apps.releases import services
from apps.releases.models import OPEN, Revision
from apps.releases.selectors import draft_to_continue, live_release, past_experiments

NEW = "new"


@needs("releases.view_release")
def live(request: HttpRequest, part: str) -> HttpResponse:
    """What is live, and the way into a draft."""
    found = _part(part)
    context = _listed(found, None, live_release().content, request)
    if found.key == "experiments":
        context["past"] = [(number, one["key"], one["name"]) for number, one in past_experiments().values()]
    return render(request, "rules/list", found.title, **context)


@needs("releases.view_release")
def drafted(request: HttpRequest, pk: int, part: str) -> HttpResponse:
    """What a draft says, to be edited."""
    found, draft = _part(part), _draft(pk)
    context = _listed(found, draft, draft.content, request)
    return render(request, "rules/list", f"{draft.title}: {found.title.lower()}", **context)


@needs(EDIT)
@require_POST
def begin(request: HttpRequest, part: str) -> HttpResponse:
    """Into the newest draft that nobody looks at yet, or a new one."""
    found = _part(part)
    draft = draft_to_continue() or services.start_revision(actor=actor(request))
    return redirect("admin:draft_entries", pk=draft.pk, part=found.key)


@needs(EDIT)
def edit(request: HttpRequest, pk: int, part: str, surface: str, name: str) -> HttpResponse:
    """The form of one entry: a new one, one that stands, or a copy of it."""
    found, draft = _part(part), _draft(pk)
    if surface not in draft.content["surfaces"] or draft.status not in OPEN:
        messages.error(request, "This draft can't be edited any more.")
        return redirect("admin:draft_review", pk=pk)
    stored = None if name == NEW else find(found.entries(draft.content, surface), found, name)
    if stored is None and name != NEW:
        messages.warning(request, f"The draft has no {found.one} {name} any more.")
        return redirect("admin:draft_entries", pk=pk, part=part)
    start = _start(request, found, draft, surface) if stored is None else stored[1]
    posted = request.POST if request.method == "POST" else None
    form = EntryForm(found, draft.content, surface, start, posted, learnt=learnt_predictions())
    remarks: list[Any] = []
    arranged = [request.POST.get(name, "") for name in ("add", "remove")]
    if any(arranged):
        form.press(*arranged)
    elif request.method == "POST":
        try:
            change = _putting(form, None if stored is None else name)
            remarks = before_saving(request, draft, posted_number(request, "version") or 0, change)
            if not remarks:
                return _saved(request, draft, form, change)
        except PolicyInvalid as refusal:
            _refuse(form, refusal, draft, stored)
        except Problem as problem:
            return conflict_page(request, problem, draft)
    context = {"form": form, "draft": draft, "part": found, "surface": surface, "name": name}
    context |= {"conditions": attributes(draft.content), "remarks": remarks}
    context["not_theirs"] = _not_theirs(request, found, surface, stored and stored[1])
    context["picks"] = {key: [asdict(one) for one in picks] for key, picks in form.picks.items()}
    context["version"] = posted_number(request, "version") or draft.version
    title = f"New {found.one}" if name == NEW else start["name"]
    status = 422 if request.method == "POST" and not any(arranged) else 200
    return render(request, "rules/edit", title, status, **context)


@needs(EDIT)
@require_POST
def remove(request: HttpRequest, pk: int, part: str, surface: str, name: str) -> HttpResponse:
    """Takes an entry out of the draft. What still uses it is said."""
    found, draft = _part(part), _draft(pk)

    def change(content: dict[str, Any]) -> None:
        found.put(content, surface, without_entry(found.entries(content, surface), found, name))

    try:
        services.edit_revision(draft, posted_number(request, "version") or 0, change, actor=actor(request))
        messages.success(request, f"{name} is out of the draft. {saved(draft)}")
    except PolicyInvalid as refusal:
        path, sentence = next(iter(refusal.fields.items()))
        messages.error(request, f"{name} is still used at {path}: {sentence}")
    except Problem as problem:
        return conflict_page(request, problem, draft)
    return redirect("admin:draft_entries", pk=pk, part=part)


@needs("releases.view_release")
@require_POST
def matching(request: HttpRequest) -> HttpResponse:
    """How many a condition matches now, and examples: asked by the form while one types."""
    if request.content_type != "application/json":  # the body of a posted form is read by then
        return JsonResponse({"error": "This can't be read."}, status=400)
    return match(request)


def _part(key: str) -> Part:
    if key not in PARTS:
        raise Http404
    return PARTS[key]


def _draft(pk: int) -> Revision:
    return get_object_or_404(Revision.objects.select_related("based_on", "author"), pk=pk)


def _listed(part: Part, draft: Revision | None, content: Any, request: HttpRequest) -> dict[str, Any]:
    tables = rows_of(part, content, now(), measured=draft is None)
    foreign = {table.surface: _not_theirs(request, part, table.surface) for table in tables}
    return {
        "part": part,
        "has_rows": any(table.rows for table in tables),
        "has_priorities": part.key in ("rules", "flags"),
        "draft": draft,
        "is_open": draft is not None and draft.status in OPEN,
        "tables": [(table, foreign[table.surface]) for table in tables],
        "is_theirs": not all(foreign.values()),
        "order": LIST_ORDER if part.key == "rules" else (),
        "values": VALUE_ORDER if part.key in ("flags", "experiments") else (),
        "release": live_release(),
    }


def _not_theirs(request: HttpRequest, part: Part, surface: str, entry: Entry | None = None) -> str:
    """Why the reader may not change an entry, or add one; empty: they may. New experiments choose theirs."""
    if part.key == "experiments":
        return not_theirs(request, entry["surface"]) if entry else ""
    return not_theirs(request, surface if part.of_surface else EVERYWHERE)


def _start(request: HttpRequest, part: Part, draft: Revision, surface: str) -> Entry:
    """A new entry; with `copy`, like another one under a new name, and with a salt of its own."""
    fresh = new_entry(part, surface, actor(request).get_username(), now())
    like = find(part.entries(draft.content, surface), part, request.GET.get("copy", ""))
    if like is None:
        return fresh
    return {**fresh, **like[1], part.name: "", **({"salt": ""} if "salt" in fresh else {})}


def _putting(form: EntryForm, name: str | None) -> Callable[[dict[str, Any]], None]:
    """What makes a content say the entry that was posted, instead of the one of this name."""
    part, surface, entry = form.part, form.surface, form.entry()

    def change(content: dict[str, Any]) -> None:
        entries = part.entries(content, surface)
        part.put(content, surface, with_entry(entries, part, entry, instead_of=name))

    return change


def _saved(
    request: HttpRequest, draft: Revision, form: EntryForm, change: Callable[[dict[str, Any]], None]
) -> HttpResponse:
    services.edit_revision(draft, posted_number(request, "version") or 0, change, actor=actor(request))
    messages.success(request, f"Saved in the draft. {saved(draft)}")
    return redirect("admin:draft_entries", pk=draft.pk, part=form.part.key)


def _refuse(form: EntryForm, refusal: PolicyInvalid, draft: Revision, stored: Any) -> None:
    entries = form.part.entries(draft.content, form.surface)
    place = stored[0] if stored is not None else len(entries)
    form.refuse(refusal.fields, f"{form.part.prefix(form.surface)}.{place}")


PAGES: Pages = [
    ("tune/match/", "match", matching),
    ("tune/<slug:part>/", "entries", live),
    ("tune/<slug:part>/begin/", "entries_begin", begin),
    ("policies/drafts/<int:pk>/tune/<slug:part>/", "draft_entries", drafted),
    ("policies/drafts/<int:pk>/tune/<slug:part>/<slug:surface>/<str:name>/", "draft_entry", edit),
    (
        "policies/drafts/<int:pk>/tune/<slug:part>/<slug:surface>/<str:name>/remove/",
        "draft_entry_remove",
        remove,
    ),
]
