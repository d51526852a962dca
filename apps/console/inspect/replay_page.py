"""A delivery computed again from its row: whether it is the same bit for bit, its funnel with the reasons of
the filters, and for each candidate where the score came from.

One call of delivery. What tells that somebody likes the viewer is for trust and safety alone.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404

from apps.common.errors import Problem
from apps.common.looks import log_look, reason_of
from apps.console.inspect.delivery_page import funnel_of
from apps.console.inspect.why_not import PRIVATE, bars_of, caps_of
from apps.console.page import Pages, needs, render
from apps.delivery.replay import NotReplayable, Replayed, replay_delivery
from apps.delivery.services import LIKED_YOU
from apps.interactions.admin import id_of_member, names_of
from apps.interactions.models import Delivery
from apps.pipeline.filters.rules import RULES

SENTENCES = {rule.name: rule.sentence for rule in RULES}


@needs("members.view_member")
def replay(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Asks why one looks, unless that is known, and replays."""
    row = get_object_or_404(Delivery, pk=pk)
    member, status = id_of_member(row.viewer), 200
    context: dict[str, Any] = {"delivery": row, "kept_reason": reason_of(request, member)}
    if request.method == "POST" or context["kept_reason"]:
        try:
            log_look(request, member, "replay", request.POST.get("reason", ""))
            context |= _replayed(row, private=request.user.has_perm(PRIVATE))
        except Problem as problem:
            context["problem"], status = problem, problem.status
    return render(request, "inspect/replay", "Replay", status, **context)


def _replayed(row: Delivery, *, private: bool) -> dict[str, Any]:
    try:
        found = replay_delivery(row)
    except NotReplayable as why:
        return {"missing": str(why)}
    kind = found.request.data.kind
    hidden = frozenset() if private or kind != "member" else frozenset({LIKED_YOU})
    stages = found.slate.trace.as_json()
    kept = [stage for stage in row.trace if stage["stage"] == "guard"]
    steps = funnel_of([*stages, *kept], without=hidden)
    return {
        "replayed": found,
        "funnel": [(label, left, said, 100 * left / max(steps[0][1], 1)) for label, left, said in steps],
        "refused": _refused(stages),
        "candidates": _candidates(row, found, kind),
    }


def _refused(stages: list[dict[str, Any]]) -> list[tuple[str, int]]:
    """How many each filter refused first, the most first."""
    counts: dict[str, int] = next(
        (stage.get("reasons", {}) for stage in stages if stage["stage"] == "filters"), {}
    )
    found = [(SENTENCES.get(name, name), count) for name, count in counts.items() if count]
    return sorted(found, key=lambda pair: -pair[1])


def _candidates(row: Delivery, found: Replayed, kind: str) -> list[dict[str, Any]]:
    """Who was shown, in order, each with the waterfall of the score."""
    names = names_of([(kind, number) for number in row.candidates])
    result = []
    for rank, number in enumerate(row.candidates, 1):
        told = dict(found.waterfall(number) or {})
        external_id, name = names.get((kind, number), ("", f"erased ({number})"))
        result.append(
            {
                "rank": rank,
                "id": external_id,
                "name": name,
                "score": row.scores[rank - 1],
                "bars": bars_of(told),
                "caps": caps_of(told),
                "places": told.get("places"),
            }
        )
    return result


PAGES: Pages = [("inspect/deliveries/<uuid:pk>/replay/", "delivery_replay", replay)]
