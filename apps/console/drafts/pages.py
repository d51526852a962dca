"""The pages of a draft on its way to members, and of releases: review, publish, roll back.

Each view makes one call of a service. A conflict is a page that says what happened and what to do.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST
from redis import RedisError

from apps.common.errors import Conflict, Problem
from apps.console.access.confirm import confirmed
from apps.console.page import EDIT, Pages, actor, needs, posted_note, posted_number, render
from apps.console.policies.cards import cards, lines
from apps.delivery.reach import measure_reach, ready_to_serve
from apps.delivery.rollout import watched
from apps.policies.difference import difference
from apps.releases import services
from apps.releases.approvals import fresh_reach
from apps.releases.models import OPEN, Emergency, Release, Revision
from apps.releases.params import digest_of
from apps.releases.selectors import (
    live_release,
    release_before,
    rollout,
    switched_off,
    unreviewed_emergencies,
)


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
        "approvals": _approvals(draft),
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
        ready_to_serve(draft)
        if how == "later":
            at = _posted_time(request)
            services.schedule_revision(draft, actor=actor(request), at=at, **said)
            messages.success(
                request, f"It will be published at {at:%d %b %Y %H:%M} UTC, and checked again then."
            )
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


def _approvals(draft: Revision) -> list[Any]:
    digest = digest_of(draft.content)
    return [(one, one.digest == digest) for one in draft.approvals.select_related("approver").order_by("at")]


def _posted_time(request: HttpRequest) -> datetime:
    try:
        found = datetime.fromisoformat(request.POST.get("at", ""))
        return found.replace(tzinfo=UTC) if found.utcoffset() is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Problem("Say when: a date and a time in UTC.", code="time_missing", field="at") from None


def _published(release: Release, how: str) -> str:
    if how == "staged":
        return f"Release {release.number} goes to 1% of viewers. It goes on, or back, by itself."
    return f"Release {release.number} is live. Every list asked for from now on follows it within 2 seconds."


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
    """The last releases, each with what it changed; the rollout, switches and emergencies in force."""
    found = list(Release.objects.select_related("published_by")[:51])
    rows = [
        (release, lines(difference(before.content, release.content)) if before else [])
        for release, before in zip(found, [*found[1:], None], strict=True)
    ][:50]
    context: dict[str, Any] = {
        "rows": rows,
        "live": live_release(),
        "rollout": rollout(),
        "health": rollout_health(),
        "emergencies": unreviewed_emergencies(),
    }
    return render(request, "releases", "Releases", **context, switches=switched_off())


@needs("releases.view_release")
def release(request: HttpRequest, number: int) -> HttpResponse:
    """One release: its difference to the one before, and the way back to it."""
    shown = get_object_or_404(Release.objects.select_related("published_by"), pk=number)
    live, before = live_release(), release_before(shown)
    context: dict[str, Any] = {"release": shown, "live": live, "before": before, "rollout": rollout()}
    context["health"] = rollout_health() if context["rollout"] else []
    context["changes"] = lines(difference(before.content, shown.content)) if before else []
    context["back_changes"] = lines(difference(live.content, shown.content))
    context["cards"] = cards(shown.content)
    return render(request, "release", f"Release {number}", **context)


@needs(services.PUBLISH)
@require_POST
@confirmed
def step(request: HttpRequest) -> HttpResponse:
    """The next stage of the rollout."""
    seen = posted_number(request, "expected")
    return _moved(
        request, lambda: services.step_up(actor=actor(request), expected=seen), "The next stage began."
    )


@needs(services.PUBLISH)
@require_POST
def turn_back(request: HttpRequest) -> HttpResponse:
    """Ends the rollout; the stable release serves everybody."""
    seen, why = posted_number(request, "expected"), posted_note(request) or "Turned back by hand."
    return _moved(
        request,
        lambda: services.turn_back(actor=actor(request), reason=why, expected=seen),
        "The stable release serves everybody again within 2 seconds.",
    )


@needs(services.PUBLISH)
@require_POST
def review_emergency(request: HttpRequest, pk: int) -> HttpResponse:
    """Somebody else looked at an emergency publish."""
    emergency, said = get_object_or_404(Emergency, pk=pk), posted_note(request)
    return _moved(
        request,
        lambda: services.review_emergency(emergency, actor=actor(request), review=said),
        "Reviewed.",
    )


@needs(EDIT)
@require_POST
def switch(request: HttpRequest) -> HttpResponse:
    """Switches a flag, rule or experiment off at once, or lifts that."""
    kind, key = request.POST.get("kind", ""), request.POST.get("key", "")
    if "lift" in request.POST:
        return _moved(request, lambda: services.lift(kind, key, actor=actor(request)), f"{key} counts again.")
    reason = posted_note(request)
    return _moved(
        request,
        lambda: services.switch_off(kind, key, actor=actor(request), reason=reason),
        f"{key} is off for everybody within 2 seconds.",
    )


def _moved(request: HttpRequest, act: Callable[[], Any], done: str) -> HttpResponse:
    try:
        act()
        messages.success(request, done)
    except Problem as problem:
        messages.error(request, f"{problem.detail} Nothing was changed.")
    back = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(back, allowed_hosts=None) and back.startswith("/admin/")
    return redirect(back if safe else "admin:releases")


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


def rollout_health() -> list[dict[str, Any]]:
    """Both releases of the rollout under way over the same minutes; empty without one, or without Valkey."""
    pointer = rollout()
    if pointer is None:
        return []
    try:
        seen = watched(pointer)
    except RedisError:
        return []
    return [
        {
            "release": number,
            "answers": one.answers,
            "error_share": f"{one.error_rate:.2%}",
            "fill_share": f"{one.fill:.1%}",
            "p99": f"{one.p99_ms:,.0f} ms",
        }
        for number, one in ((pointer.stable_id, seen.stable), (pointer.candidate_id, seen.candidate))
    ]


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
    ("policies/drafts/<int:pk>/ask/", "draft_ask", ask),
    ("policies/drafts/<int:pk>/approve/", "draft_approve", approve),
    ("policies/drafts/<int:pk>/unschedule/", "draft_unschedule", unschedule),
    ("policies/drafts/<int:pk>/measure/", "draft_measure", measure),
    ("policies/drafts/<int:pk>/comment/", "draft_comment", comment),
    ("policies/drafts/<int:pk>/discard/", "draft_discard", discard),
    ("policies/drafts/<int:pk>/update/", "draft_update", update),
    ("releases/", "releases", releases),
    ("releases/<int:number>/", "release", release),
    ("releases/rollout/step/", "rollout_step", step),
    ("releases/rollout/back/", "rollout_back", turn_back),
    ("releases/emergencies/<int:pk>/", "emergency_review", review_emergency),
    ("releases/switch/", "switch", switch),
    ("releases/<int:number>/roll-back/", "release_roll_back", roll_back),
]
