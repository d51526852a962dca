"""A draft before it goes live: one member's list before and after, and a study of what it does to recent
lists.

Each view makes one call of delivery; nothing is reserved or logged but the look itself.
"""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from apps.common.errors import Problem
from apps.common.local_time import LocalTimeInvalid, parse_typed
from apps.common.looks import log_look, reason_of
from apps.console.page import EDIT, Pages, actor, needs, posted_number, render
from apps.delivery.models import DraftStudy
from apps.delivery.preview import compared, lost, preview_list
from apps.delivery.studies import ACTIVE, MOST, SAMPLE, ask_for_study, cancel_study
from apps.members.models import Member
from apps.places.models import Place
from apps.releases.models import Revision
from apps.surfaces.selectors import active_surfaces

SEED = 20_260_101  # the same for every preview: two looks at one draft give one list


@needs("members.view_member")
def preview(request: HttpRequest, pk: int) -> HttpResponse:
    """The form, and under it the three lists."""
    draft = get_object_or_404(Revision, pk=pk)
    names = ("surface", "member", "reason", "at")
    given = {name: request.POST.get(name, "").replace("\x00", "").strip()[:200] for name in names}
    context: dict[str, Any] = {"draft": draft, "given": given, "surfaces": sorted(active_surfaces())}
    context["kept_reason"] = reason_of(request, given["member"])
    status = 200
    if request.method == "POST":
        try:
            context |= _lists(request, draft, given)
        except Problem as problem:
            context["problem"], status = problem, problem.status
    return render(request, "preview/preview", f"Preview: {draft.title}", status, **context)


@needs("releases.view_release")
def study(request: HttpRequest, pk: int) -> HttpResponse:
    """The latest study of a draft, and the way to ask for one."""
    draft = get_object_or_404(Revision, pk=pk)
    found = DraftStudy.objects.filter(revision=draft).select_related("asked_by").first()
    sample = found.sample if found is not None else SAMPLE
    context: dict[str, Any] = {"draft": draft, "study": found, "sample": sample, "most": MOST}
    context["is_active"] = found is not None and found.status in ACTIVE
    context["surfaces"] = _pictures(found.result) if found is not None and found.result else []
    return render(request, "preview/study", f"Study: {draft.title}", **context)


@needs(EDIT)
@require_POST
def begin(request: HttpRequest, pk: int) -> HttpResponse:
    """Asks a worker for a study."""
    from apps.delivery.tasks import study_draft_task

    draft = get_object_or_404(Revision, pk=pk)
    try:
        asked = ask_for_study(draft, actor=actor(request), sample=posted_number(request, "sample") or SAMPLE)
        study_draft_task.delay(asked.pk)
        messages.info(request, "A worker draws recent lists again under the draft.")
    except Problem as problem:
        messages.error(request, problem.detail)
    return redirect("admin:study", pk=pk)


@needs(EDIT)
@require_POST
def cancel(request: HttpRequest, pk: int) -> HttpResponse:
    """Stops a study."""
    found = get_object_or_404(DraftStudy, pk=pk)
    if cancel_study(found):
        messages.success(request, "The study was stopped.")
    return redirect("admin:study", pk=found.revision_id)


@needs("releases.view_release")
def progress(request: HttpRequest, pk: int) -> HttpResponse:
    """How far a study is, for the page's progress bar."""
    found = get_object_or_404(DraftStudy, pk=pk)
    return JsonResponse({"status": found.status, "done": found.done, "sample": found.sample})


def _lists(request: HttpRequest, draft: Revision, given: dict[str, str]) -> dict[str, Any]:
    log_look(request, given["member"], "preview", given["reason"])
    asked: dict[str, Any] = {
        "surface": given["surface"],
        "member": given["member"],
        "seed": SEED,
        "at": _at(given),
    }
    before = preview_list(**asked)
    after = preview_list(**asked, content=draft.content)
    plain = preview_list(**asked, content=draft.content, rules_off=True)
    people = active_surfaces()[given["surface"]].kind == "member"
    faces = _faces([item["id"] for one in (before, after, plain) for item in one["items"]], people=people)
    columns = [("Live now", before, before), ("Draft", before, after), ("Draft, rules off", before, plain)]
    return {
        "columns": [
            (
                title,
                [(place, faces.get(place.id, ("", ""))) for place in compared(base, one)],
                one["shortfall"],
            )
            for title, base, one in columns
        ],
        "lost": [faces.get(one, (one, ""))[0] for one in lost(before, after)],
        "kept_reason": reason_of(request, given["member"]),
        "same": [i["id"] for i in before["items"]] == [i["id"] for i in after["items"]],
    }


def _at(given: dict[str, str]) -> float | None:
    if not given["at"]:
        return None
    try:
        return parse_typed(given["at"]).timestamp()
    except LocalTimeInvalid as invalid:
        raise Problem(str(invalid), code="invalid_time", field="at") from None


def _faces(ids: list[str], *, people: bool) -> dict[str, tuple[str, str]]:
    """Name and photo by the app's id."""
    if people:
        rows = Member.objects.filter(external_id__in=ids).values_list(
            "external_id", "display_name", "photo_url"
        )
        return {one: (name, photo) for one, name, photo in rows}
    return {
        one: (name, "")
        for one, name in Place.objects.filter(external_id__in=ids).values_list("external_id", "name")
    }


def _pictures(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Each surface with what its template draws."""
    return [
        {
            "surface": surface,
            **found,
            "changed_share": 100 * found["changed"] / max(found["lists"], 1),
            "bars": [
                (f"{i / 10:.1f} to {(i + 1) / 10:.1f}", count) for i, count in enumerate(found["overlaps"])
            ],
            "most": max([*found["overlaps"], 1]),
            "figures": [
                ("Filled", *(f"{value:.1%}" for value in found["fill"])),
                ("Exposure Gini", *(f"{value:.3f}" for value in found["gini"])),
                ("Shown at least once", *(f"{value:,}" for value in found["shown"])),
                ("Lists shortened by caps", *(f"{value:,}" for value in found["capped"])),
                ("Held back at a cap", *(f"{value:,}" for value in found.get("cap_hits", (0, 0)))),
                ("CPU per list, median", *(f"{value:.2f} ms" for value in found["cpu_ms"])),
            ],
            "groups": [
                (
                    one["name"],
                    f"{one['before']:.1%}",
                    f"{one['after']:.1%}",
                    100 * (one["after"] - one["before"]),
                )
                for one in found["groups"]
            ],
            "moved": _moved(found["groups"]),
        }
        for surface, found in result.items()
    ]


def _moved(groups: list[dict[str, Any]]) -> list[tuple[str, str, float, float]]:
    """Each group's gain or loss as a bar around the middle: name, points, left and width in percent."""
    most = max([abs(one["after"] - one["before"]) for one in groups] or [0.0]) or 1.0
    found = []
    for one in groups:
        change = one["after"] - one["before"]
        width = 50 * abs(change) / most
        found.append((one["name"], f"{100 * change:+.1f}", 50.0 if change > 0 else 50 - width, width))
    return found


PAGES: Pages = [
    ("policies/drafts/<int:pk>/preview/", "preview", preview),
    ("policies/drafts/<int:pk>/study/", "study", study),
    ("policies/drafts/<int:pk>/study/begin/", "study_begin", begin),
    ("policies/studies/<int:pk>/cancel/", "study_cancel", cancel),
    ("policies/studies/<int:pk>/progress/", "study_progress", progress),
]
