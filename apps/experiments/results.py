"""What an experiment shows so far: exposure, the sample ratio, and each metric with the interval of its unit.

Takes an experiment and a time; reads outcomes, computes statistics, writes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from apps.experiments.outcomes import Outcomes, outcomes
from apps.experiments.statistics import Estimate, SampleRatio, by_cluster, by_member, sample_ratio
from apps.policies.experiments import METRICS


@dataclass(frozen=True)
class Compared:
    """One metric of one variant against the control; no estimate while too few were exposed."""

    metric: str
    label: str
    variant: str
    is_primary: bool
    estimate: Estimate | None


@dataclass(frozen=True)
class Results:
    """All that the page shows."""

    exposed: tuple[int, ...]  # by variant, in the experiment's order
    ratio: SampleRatio
    compared: tuple[Compared, ...]
    clusters: int


def results(experiment: Mapping[str, Any], *, now: datetime) -> Results:
    """Everything as of `now`, or of the experiment's end."""
    first = outcomes(experiment, experiment["metric"], until=now)
    variants = experiment["variants"]
    exposed = tuple(int((first.variant == i).sum()) for i in range(len(variants)))
    weights = [variant["weight"] for variant in variants]
    ratio = sample_ratio(_units(first, experiment, len(variants)), weights)
    compared = list(_compare(experiment, experiment["metric"], first, is_primary=True))
    for metric in experiment["guardrails"]:
        if metric != experiment["metric"]:
            found = outcomes(experiment, metric, until=now)
            compared += _compare(experiment, metric, found, is_primary=False)
    return Results(exposed, ratio, tuple(compared), len(set(first.market.tolist())))


def compare(found: Outcomes, variant: int, *, unit: str) -> Estimate | None:
    """A variant against the control, with the interval that fits what was dealt."""
    chosen = (found.variant == 0) | (found.variant == variant)
    values, treated = found.value[chosen], found.variant[chosen] == variant
    if unit == "market":
        return by_cluster(values, treated, found.market[chosen])
    return by_member(values[~treated], values[treated])


def _units(found: Outcomes, experiment: Mapping[str, Any], variants: int) -> list[int]:
    """How many units were dealt: members, or markets."""
    if experiment["unit"] == "member":
        return [int((found.variant == i).sum()) for i in range(variants)]
    return [len(set(found.market[found.variant == i].tolist())) for i in range(variants)]


def _compare(
    experiment: Mapping[str, Any], metric: str, found: Outcomes, *, is_primary: bool
) -> list[Compared]:
    return [
        Compared(
            metric, METRICS[metric], variant["name"], is_primary, compare(found, i, unit=experiment["unit"])
        )
        for i, variant in enumerate(experiment["variants"])
        if i
    ]
