"""The pages of releases: what is live, what each changed, when it ends; roll back, staged rollout, switches.

Each view makes one call of a service; a refusal is said on the page that it came from.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST
from redis import RedisError

from apps.common.clock import now
from apps.common.errors import Problem
from apps.console.access.confirm import confirmed
from apps.console.page import EDIT, Pages, actor, needs, posted_note, posted_number, posted_time, render
from apps.console.policies.cards import cards, lines
from apps.delivery.rollout import watched
from apps.policies.difference import difference
from apps.policies.experiments import running
from apps.releases import services
from apps.releases.models import Emergency, Release
from apps.releases.selectors import (
    end_of,
    ends_in_force,
    live_release,
    release_before,
    rollout,
    switched_off,
    unreviewed_emergencies,
)


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
        "ends": ends_in_force(),
    }
    return render(request, "releases", "Releases", **context, switches=switched_off())


@needs("releases.view_release")
def release(request: HttpRequest, number: int) -> HttpResponse:
    """One release: its difference to the one before, its end, and the way back to it."""
    shown = get_object_or_404(Release.objects.select_related("published_by"), pk=number)
    live, before = live_release(), release_before(shown)
    context: dict[str, Any] = {"release": shown, "live": live, "before": before, "rollout": rollout()}
    context["health"] = rollout_health() if context["rollout"] else []
    context["changes"] = lines(difference(before.content, shown.content)) if before else []
    context["back_changes"] = lines(difference(live.content, shown.content))
    kept = {one["key"] for one in shown.content.get("experiments", [])}
    context["ending"] = [
        one["name"] for one in running(live.content, now().timestamp()) if one["key"] not in kept
    ]
    context |= {"cards": cards(shown.content), "end": end_of(shown)}
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


def _moved(
    request: HttpRequest, act: Callable[[], Any], done: str, number: int | None = None
) -> HttpResponse:
    try:
        act()
        messages.success(request, done)
    except Problem as problem:
        messages.error(request, f"{problem.detail} Nothing was changed.")
    if number is not None:
        return redirect("admin:release", number=number)
    back = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(back, allowed_hosts=None) and back.startswith("/admin/")
    return redirect(back if safe else "admin:releases")


@needs(services.PUBLISH)
@require_POST
def roll_back(request: HttpRequest, number: int) -> HttpResponse:
    """An earlier release, live again."""
    target, seen = get_object_or_404(Release, pk=number), posted_number(request, "expected")
    said: Any = {"actor": actor(request), "note": posted_note(request), "expected_live": seen}
    done = f"Release {number} is live again. Every list follows it within 2 seconds."
    return _moved(request, lambda: services.roll_back(target, **said), done, number)


@needs(services.PUBLISH)
@require_POST
def move_end(request: HttpRequest, number: int) -> HttpResponse:
    """Another time for the end of a release."""
    ended = get_object_or_404(Release, pk=number)

    def move() -> None:
        at, seen = posted_time(request, "at"), posted_time(request, "expected")
        services.move_end(ended, actor=actor(request), at=at, seen=seen)

    return _moved(request, move, "Its end was moved.", number)


@needs(services.PUBLISH)
@require_POST
def cancel_end(request: HttpRequest, number: int) -> HttpResponse:
    """The release stays until somebody changes that."""
    ended = get_object_or_404(Release, pk=number)

    def cancel() -> None:
        services.cancel_end(ended, actor=actor(request), seen=posted_time(request, "expected"))

    return _moved(request, cancel, f"Release {number} does not end by itself any more.", number)


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


PAGES: Pages = [
    ("releases/", "releases", releases),
    ("releases/<int:number>/", "release", release),
    ("releases/rollout/step/", "rollout_step", step),
    ("releases/rollout/back/", "rollout_back", turn_back),
    ("releases/emergencies/<int:pk>/", "emergency_review", review_emergency),
    ("releases/switch/", "switch", switch),
    ("releases/<int:number>/roll-back/", "release_roll_back", roll_back),
    ("releases/<int:number>/end/", "release_end_move", move_end),
    ("releases/<int:number>/end/cancel/", "release_end_cancel", cancel_end),
]
