"""Why somebody is, or is not, shown to a member: the first stage that lost them and the smallest change.

One side's secrets (a block, a pass, a preference) are for trust and safety alone; everybody else reads "not
eligible". Each look has a reason (looks.py).
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse

from apps.common.errors import Problem
from apps.common.looks import log_look, reason_of
from apps.console.page import Pages, needs, render
from apps.delivery.services import explain
from apps.surfaces.selectors import active_surfaces

PRIVATE = "interactions.see_private"
STAGES = {
    "snapshot": "Not known yet", "filters": "Lost by a filter", "retrieval": "No source found them",
    "ranking": "Ranked too low", "reranking": "Moved out of the list", "random_order": "Not drawn",
    "cap": "At an exposure cap", "shown": "Shown",
}  # fmt: skip


@needs("members.view_member")
def why_not(request: HttpRequest) -> HttpResponse:
    """The form, and the answer under it."""
    names = ("surface", "viewer", "candidate", "reason")
    given = {name: request.POST.get(name, "").replace("\x00", "").strip()[:200] for name in names}
    context: dict[str, Any] = {"given": given, "surfaces": sorted(active_surfaces()), "answer": None}
    context["kept_reason"] = reason_of(request, given["viewer"])
    context["sees_private"] = request.user.has_perm(PRIVATE)
    status = 200
    if request.method == "POST":
        try:
            context |= _answer(request, given)
        except Problem as problem:
            context["problem"], status = problem, problem.status
    return render(request, "inspect/why_not", "Why not", status, **context)


def _answer(request: HttpRequest, given: dict[str, str]) -> dict[str, Any]:
    surfaces = active_surfaces()
    is_person = given["surface"] in surfaces and surfaces[given["surface"]].kind == "member"
    for member in [given["viewer"]] + [given["candidate"]] * is_person:
        log_look(request, member, "why not", given["reason"])
    told = explain(
        surface=given["surface"],
        viewer=given["viewer"],
        candidate=given["candidate"],
        private=request.user.has_perm(PRIVATE),
    )
    return {
        "answer": told,
        "stage": STAGES.get(told["stage"], told["stage"]),
        "bars": bars_of(told["waterfall"] or {}),
        "caps": caps_of(told["waterfall"] or {}),
        "kept_reason": reason_of(request, given["viewer"]),
    }


def bars_of(waterfall: dict[str, Any]) -> list[tuple[str, str, float]]:
    """What made the score, step by step: label, number, width in percent."""
    looked_at = " (second look)" if waterfall.get("ranker") == "heavy" else ""
    steps: list[tuple[str, float]] = []
    for name, label in (
        ("p", f"Viewer may like them{looked_at}"),
        ("q", f"They may like the viewer{looked_at}"),
        ("phi", "Both, by the rule"),
    ):
        if isinstance(waterfall.get(name), float):
            steps.append((label, waterfall[name]))
    for rule in waterfall.get("rules") or []:
        if isinstance(rule, dict):
            steps.append((f"Rule {rule.get('rule') or rule.get('key')} ×", float(rule.get("factor", 1))))
    if len(waterfall.get("rules") or []) > 1:
        steps.append(("All rules together ×", float(waterfall.get("multiplier", 1))))
    for name, feature in (waterfall.get("features") or {}).items():
        if feature.get("contribution"):
            said = name.replace("_", " ").capitalize()
            steps.append((f"{said} (weight {feature['weight']:g})", float(feature["contribution"])))
    if isinstance(waterfall.get("price"), float):
        steps.append(("Price", 0.0 - waterfall["price"]))  # it is subtracted; not -0.0
    if isinstance(waterfall.get("score"), float):
        steps.append(("Score", waterfall["score"]))
    most = max([abs(value) for _, value in steps] or [1.0]) or 1.0
    return [(label, f"{value:+.4f}", 100 * abs(value) / most) for label, value in steps]


def caps_of(waterfall: dict[str, Any]) -> str:
    """The caps that count for a candidate, in words; "": nobody was scored."""
    said = waterfall.get("caps")
    if not said:
        return ""
    parts = [
        f"{said[name]:,} times in {span}"
        for name, span in (("daily", "24 hours"), ("hourly", "an hour"))
        if said[name]
    ]
    return f"May be shown {' and '.join(parts)}." if parts else "No cap."


PAGES: Pages = [("inspect/why-not/", "why_not", why_not)]
