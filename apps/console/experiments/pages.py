"""The page of one experiment, live or of a release before: who saw what, whether the dealing is sound, and
what it did.

Reads results; the forms are with the other entries (apps.console.rules), the switch with releases.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse

from apps.common.clock import now
from apps.console.page import Pages, needs, render
from apps.delivery.readings import latest_reading, results_of
from apps.experiments.results import Compared
from apps.experiments.statistics import FEW_CLUSTERS
from apps.policies.conditions import in_words
from apps.policies.experiments import METRICS, UNITS
from apps.policies.fields import moment
from apps.releases.models import Release
from apps.releases.selectors import live_release, past_experiments, switched_off


@dataclass(frozen=True)
class Line:
    """One metric drawn: the interval as a bar around the difference, in percent of the drawn width."""

    compared: Compared
    left: float
    width: float
    point: float
    zero: float
    sentence: str


@needs("releases.view_release")
def experiment(request: HttpRequest, key: str) -> HttpResponse:
    """One experiment of the live release, or of the last one that had it."""
    release, past = live_release(), None
    found = next((one for one in release.content.get("experiments", []) if one["key"] == key), None)
    if found is None:
        past, found = past_experiments().get(key, (None, None))
    if found is None:
        raise Http404
    if past is not None:
        release = Release.objects.get(number=past)
    reading = latest_reading(found)
    shown = results_of(reading)
    exposed = shown.exposed if shown else (0,) * len(found["variants"])
    variants = [
        (variant, count, 100 * count / max(*exposed, 1))
        for variant, count in zip(found["variants"], exposed, strict=True)
    ]
    context: dict[str, Any] = {
        "experiment": found,
        "past": past,
        "results": shown,
        "read_until": reading.until if reading else None,
        "variants": variants,
        "lines": [_line(one) for one in shown.compared] if shown else [],
        "metric": METRICS[found["metric"]],
        "unit": UNITS[found["unit"]],
        "audience": in_words(found["audience"], "member", _names(release.content)),
        "starts_at": moment(found["starts_at"]),
        "ends_at": moment(found["ends_at"]),
        "is_over": moment(found["ends_at"]) <= now(),
        "has_begun": moment(found["starts_at"]) <= now(),
        "interferes": found["unit"] == "member" and _shows_people(release.content, found),
        "few_clusters": shown is not None and found["unit"] == "market" and shown.clusters < 2 * FEW_CLUSTERS,
        "off": switched_off().get(f"experiment:{key}"),
    }
    return render(request, "experiments/one", found["name"], **context)


def _names(content: dict[str, Any]) -> dict[str, str]:
    return {one["key"]: one["name"] for one in content.get("segments", [])}


def _shows_people(content: dict[str, Any], found: dict[str, Any]) -> bool:
    return bool(content["surfaces"][found["surface"]]["kind"] == "member")


def _line(one: Compared) -> Line:
    estimate = one.estimate
    if estimate is None:
        return Line(one, 0, 0, 50, 50, "Too few were exposed to say anything.")
    reach = max(abs(estimate.low), abs(estimate.high), 1e-9) * 1.1
    left, right = (50 + 50 * value / reach for value in (estimate.low, estimate.high))
    return Line(one, left, right - left, 50 + 50 * estimate.difference / reach, 50, _sentence(one))


def _sentence(one: Compared) -> str:
    estimate = one.estimate
    assert estimate is not None
    lift = f" ({estimate.lift:+.1%})" if estimate.lift is not None else ""
    said = f"{estimate.control:.3f} with the control, {estimate.treatment:.3f} with {one.variant}{lift}."
    if estimate.is_clear:
        return f"{said} The interval leaves out no difference."
    return f"{said} No difference lies within the interval: it may be chance."


PAGES: Pages = [("experiments/<slug:key>/", "experiment", experiment)]
