"""The pacer's pages: all rules that it holds, and one of them over the last 24 hours.

Reads what the pacer keeps; the forms are with the other rules (apps.console.rules).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse

from apps.common.clock import now
from apps.console.figures import text
from apps.console.pacing.drawing import hours, plots, state_of
from apps.console.page import Pages, needs, render
from apps.console.rules.rows import span
from apps.delivery.pacing import LEAST_PLACES
from apps.delivery.pacing_history import LastStep, history, is_within, last_step, share_within
from apps.policies.conditions import in_words
from apps.policies.fields import moment
from apps.policies.rules import PACED
from apps.releases.selectors import live_release, switched_off

Rule = Mapping[str, Any]


@dataclass(frozen=True)
class Held:
    """A rule that the pacer holds, as it is now."""

    surface: str
    rule: Rule
    target: str
    tolerance: str
    actual: str
    state: str
    colour: str
    is_within: bool | None  # none: nothing measured


@needs("releases.view_release")
def pacer(request: HttpRequest) -> HttpResponse:
    """Every floor and share target of the live release, with its target and what it got."""
    content, off = live_release().content, switched_off()
    steps = {surface: last_step(surface) for surface in sorted(content["surfaces"])}
    found = [
        _held(surface, rule, steps[surface], is_off=f"rule:{surface}/{rule['id']}" in off)
        for surface, rule in _paced(content)
    ]
    used = {one.surface for one in found}
    surfaces = [(surface, step, _age(step)) for surface, step in steps.items() if surface in used]
    return render(request, "pacing/all", "Pacer", held=found, surfaces=surfaces)


@needs("releases.view_release")
def paced_rule(request: HttpRequest, surface: str, name: str) -> HttpResponse:
    """One rule: target, actual and correction over the last 24 hours."""
    content = live_release().content
    rule = next((r for s, r in _paced(content) if (s, r["id"]) == (surface, name)), None)
    if rule is None:
        raise Http404
    step, steps = last_step(surface), history(surface, name)
    off = switched_off().get(f"rule:{surface}/{name}")
    said = step.rules.get(name) if step else None
    within, names = share_within(steps), {one["key"]: one["name"] for one in content.get("segments", [])}
    context: dict[str, Any] = {
        "held": _held(surface, rule, step, is_off=off is not None),
        "step": step,
        "age": _age(step),
        "least_places": int(LEAST_PLACES),
        "said": said,
        "off": off,
        "kind": rule["type"].replace("_", " "),
        "viewers": in_words(rule["viewers"], "member", names),
        "candidates": in_words(rule["candidates"], content["surfaces"][surface]["kind"], names),
        "within": None if within is None else f"{within:.0%}",
        "plots": plots(steps, rule["type"]),
        "hours": hours(steps, rule["type"]),
        "ends_at": moment(rule["ends_at"]),
    }
    return render(request, "pacing/one", rule["name"], **context)


def _age(step: LastStep | None) -> str:
    return "" if step is None else span(max(step.age.total_seconds(), 0))


def _paced(content: Mapping[str, Any]) -> Iterator[tuple[str, Rule]]:
    for surface in sorted(content["surfaces"]):
        for rule in content["surfaces"][surface].get("rules", []):
            if rule["type"] in PACED:
                yield surface, rule


def _held(surface: str, rule: Rule, step: LastStep | None, *, is_off: bool) -> Held:
    percent, effect = rule["type"] == "share_target", rule["effect"]
    target = f"{effect['share']:.0%} of the places" if percent else f"{effect['daily']:,} a day each"
    points = f"{100 * effect['tolerance']:g}"
    tolerance = f"{points} points" if percent else f"{points}%"
    said = None if step is None else step.rules.get(rule["id"])
    if waits := _waits(rule, is_off=is_off):
        return Held(surface, rule, target, tolerance, "–", waits, "", None)
    if said is None:
        return Held(surface, rule, target, tolerance, "–", "no step yet", "info", None)
    actual = text(said["actual"], percent) + ("" if percent else " a day")
    return Held(surface, rule, target, tolerance, actual, *state_of(said), is_within(said))


def _waits(rule: Rule, *, is_off: bool) -> str:
    """Why the pacer leaves it alone; empty: it does not."""
    if is_off:
        return "switched off"
    if moment(rule["ends_at"]) <= now():
        return "ended"
    return "not begun" if moment(rule["starts_at"]) > now() else ""


PAGES: Pages = [
    ("pacer/", "pacer", pacer),
    ("pacer/<slug:surface>/<slug:name>/", "paced_rule", paced_rule),
]
