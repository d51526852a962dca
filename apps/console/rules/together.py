"""Several entries of a draft at once: edited in the list, acted on together, taken out of or put into a file.

Each view makes one call of the service that every edit goes through, with the version that was seen: whoever
is second meets the conflict page, and nothing is overwritten. Overlaps and contradictions that a change would
bring are shown before it is saved.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from apps.common.audit import record
from apps.common.errors import Conflict, Problem
from apps.console.drafts.pages import conflict_page
from apps.console.drafts.remarks import before_saving
from apps.console.drafts.state import saved
from apps.console.page import EDIT, Pages, actor, needs, posted_number, render
from apps.console.rules.entries import PARTS, Entry, Part, with_entry, without_entry
from apps.policies.fields import moment
from apps.policies.schema import PolicyInvalid
from apps.releases import services
from apps.releases.models import Revision

LONGER = timedelta(days=14)
MOST_BYTES = 1_000_000
Chosen = set[tuple[str, str]]  # surface, name


@needs(EDIT)
@require_POST
def change(request: HttpRequest, pk: int, part: str) -> HttpResponse:
    """Saves the priorities that were typed in the list, or acts on the entries that were ticked."""
    found, draft = _part(part), get_object_or_404(Revision, pk=pk)
    chosen = {_place(text) for text in request.POST.getlist("chosen")}
    acts: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
        "remove": (lambda content: _remove(found, content, chosen), "removed from the draft"),
        "prolong": (lambda content: _prolong(found, content, chosen), "end 14 days later"),
        "priorities": (lambda content: _put_priorities(found, content, request.POST), "priorities are saved"),
    }
    do = request.POST.get("do", "")
    if do not in acts or (do != "priorities" and not chosen):
        messages.error(request, "Tick at least one, and say what to do.")
        return redirect("admin:draft_entries", pk=pk, part=part)
    act, done = acts[do]
    said = f"The {done}." if do == "priorities" else f"{len(chosen)} {done}."
    return _edited(request, draft, found, act, said)


@needs(EDIT)
def import_file(request: HttpRequest, pk: int, part: str) -> HttpResponse:
    """Puts entries of a file into the draft; one of a known name takes the place of the one that stands."""
    found, draft = _part(part), get_object_or_404(Revision, pk=pk)
    context: dict[str, Any] = {"part": found, "draft": draft, "problem": ""}
    if request.method == "POST":
        try:
            entries = _read(request, found, draft)
        except Problem as problem:
            context["problem"] = problem.detail
        else:
            count = sum(map(len, entries.values()))

            def put(content: dict[str, Any]) -> None:
                for surface, wanted in entries.items():
                    _merge(found, content, surface, wanted)

            return _edited(request, draft, found, put, f"{count} imported from the file.")
    status = 422 if context["problem"] else 200
    return render(request, "rules/import", f"{draft.title}: import {found.title.lower()}", status, **context)


@needs(EDIT)
def export_file(request: HttpRequest, pk: int, part: str) -> HttpResponse:
    """The entries of a draft as a file that can be imported again. It names members: pins and allow-lists."""
    found, draft = _part(part), get_object_or_404(Revision, pk=pk)
    said: Any = found.entries(draft.content, "") if not found.of_surface else {}
    if found.of_surface:
        said = {surface: found.entries(draft.content, surface) for surface in draft.content["surfaces"]}
    record(actor(request), "revision.exported", f"draft {draft.pk}", None, {"part": found.key})
    response = HttpResponse(json.dumps({found.key: said}, indent=1), content_type="application/json")
    response["Content-Disposition"] = f'attachment; filename="{found.key}-draft-{draft.pk}.json"'
    return response


def _edited(
    request: HttpRequest, draft: Revision, part: Part, act: Callable[[dict[str, Any]], None], said: str
) -> HttpResponse:
    try:
        version = posted_number(request, "version") or 0
        if remarks := before_saving(request, draft, version, act):
            return _asked_first(request, draft, part, remarks)
        services.edit_revision(draft, version, act, actor=actor(request))
        messages.success(request, f"{said} {saved(draft)}")
    except PolicyInvalid as refusal:
        for path, sentence in list(refusal.fields.items())[:5]:
            messages.error(request, f"{path}: {sentence} Nothing was saved.")
    except Conflict as conflict:
        return conflict_page(request, conflict, draft)
    except Problem as problem:
        messages.error(request, f"{problem.detail} Nothing was saved.")
    return redirect("admin:draft_entries", pk=draft.pk, part=part.key)


def _asked_first(request: HttpRequest, draft: Revision, part: Part, remarks: list[Any]) -> HttpResponse:
    """Lists them, and carries what was posted along: a file as its text."""
    carried = [
        (name, value)
        for name, values in request.POST.lists()
        for value in values
        if name != "csrfmiddlewaretoken" and not (name == "text" and request.FILES)
    ]
    if (upload := request.FILES.get("file")) is not None:
        upload.seek(0)
        carried.append(("text", upload.read().decode("utf-8", "replace")))
    context = {"draft": draft, "part": part, "remarks": remarks, "carried": carried}
    return render(request, "rules/before_saving", "Before you save", 422, **context)


def _each(part: Part, content: Mapping[str, Any]) -> list[str]:
    """Where entries stand: every surface, or the one place of those of none."""
    return sorted(content["surfaces"]) if part.of_surface else [min(content["surfaces"])]


def _remove(part: Part, content: dict[str, Any], chosen: Chosen) -> None:
    for surface, name in chosen:
        if surface in content["surfaces"]:
            part.put(content, surface, without_entry(part.entries(content, surface), part, name))


def _prolong(part: Part, content: dict[str, Any], chosen: Chosen) -> None:
    for surface in _each(part, content):
        for entry in part.entries(content, surface):
            if (surface, entry[part.name]) in chosen and "ends_at" in entry:
                entry["ends_at"] = f"{moment(entry['ends_at']) + LONGER:%Y-%m-%dT%H:%M:%SZ}"


def _put_priorities(part: Part, content: dict[str, Any], posted: Mapping[str, str]) -> None:
    for surface in _each(part, content):
        for entry in part.entries(content, surface):
            text = posted.get(f"priority:{surface}/{entry[part.name]}")
            if text is not None and "priority" in entry:
                entry["priority"] = int(text) if text.isdecimal() and len(text) < 10 else text


def _merge(part: Part, content: dict[str, Any], surface: str, wanted: list[Entry]) -> None:
    if surface not in content["surfaces"]:
        raise Problem(f"The draft has no surface {surface[:40]}.", field="file")
    entries = part.entries(content, surface)
    for entry in wanted:
        entries = with_entry(entries, part, entry, instead_of=str(entry.get(part.name, "")))
    part.put(content, surface, entries)


def _read(request: HttpRequest, part: Part, draft: Revision) -> dict[str, list[Entry]]:
    """By surface; what belongs to none stands under the first. What is valid is the schema's to say."""
    upload = request.FILES.get("file")
    if upload is not None and (upload.size or 0) > MOST_BYTES:
        raise Problem("The file is larger than a megabyte.", field="file")
    text = upload.read().decode("utf-8", "replace") if upload is not None else request.POST.get("text", "")
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        raise Problem("This is no JSON.", field="file") from None
    said = said.get(part.key) if isinstance(said, dict) else said
    by_surface: Any = said if part.of_surface else {min(draft.content["surfaces"]): said}
    lists = isinstance(by_surface, dict) and all(
        isinstance(entries, list) and all(isinstance(entry, dict) for entry in entries)
        for entries in by_surface.values()
    )
    if not lists:
        shape = f'{{"{part.key}": {{"dating": [...]}}}}' if part.of_surface else f'{{"{part.key}": [...]}}'
        raise Problem(f"The file must say {shape}, as one that was exported does.", field="file")
    return {str(surface): list(entries) for surface, entries in by_surface.items()}


def _place(text: str) -> tuple[str, str]:
    surface, _, name = text.partition("/")
    return surface, name


def _part(key: str) -> Part:
    if key not in PARTS:
        raise Http404
    return PARTS[key]


PAGES: Pages = [
    ("policies/drafts/<int:pk>/tune/<slug:part>/change/", "draft_entries_change", change),
    ("policies/drafts/<int:pk>/tune/<slug:part>/import/", "draft_entries_import", import_file),
    ("policies/drafts/<int:pk>/tune/<slug:part>/export/", "draft_entries_export", export_file),
]
