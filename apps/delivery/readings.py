"""Readings of the experiments that are live: made in the background, kept, and shown with their time.

One reads all deliveries of an experiment, so the next is due only after twenty times what the last one took.
An experiment that has ended is read once more, and then never again. Safe to repeat.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q

from apps.common import clock
from apps.delivery.models import ExperimentReading
from apps.experiments.results import Compared, Results, results
from apps.experiments.statistics import Estimate, SampleRatio
from apps.policies.experiments import salt_of
from apps.policies.fields import moment
from apps.releases.selectors import live_release

LEAST_PAUSE = timedelta(seconds=60)
REST = 20  # times what a reading took, until the next one
LEASE = timedelta(minutes=30)  # a worker that died in it


def read_experiments() -> int:
    """Reads each live experiment whose reading is due; how many that were."""
    at = clock.now()
    running = [one for one in live_release().content.get("experiments", []) if moment(one["starts_at"]) <= at]
    return sum(read_experiment(one, at) for one in running if is_due(one, latest_reading(one), at))


def latest_reading(experiment: Mapping[str, Any]) -> ExperimentReading | None:
    """Of this phase."""
    return ExperimentReading.objects.filter(key=experiment["key"], salt=salt_of(experiment)).first()


def is_due(experiment: Mapping[str, Any], reading: ExperimentReading | None, at: datetime) -> bool:
    if reading is None or reading.until is None:
        return True
    pause = max(LEAST_PAUSE, timedelta(seconds=REST * reading.seconds))
    return reading.until < moment(experiment["ends_at"]) and reading.until + pause <= at


def read_experiment(experiment: Mapping[str, Any], at: datetime) -> bool:
    """Reads it as of `at`, unless another worker is doing so."""
    row, _ = ExperimentReading.objects.get_or_create(key=experiment["key"], salt=salt_of(experiment))
    mine = ExperimentReading.objects.filter(pk=row.pk)
    free = Q(claimed_until=None) | Q(claimed_until__lt=at)
    if not mine.filter(free).update(claimed_until=at + LEASE):
        return False
    began = time.monotonic()
    try:
        found = asdict(results(experiment, now=at))
        mine.update(results=found, until=at, seconds=time.monotonic() - began)
    finally:
        mine.update(claimed_until=None)
    return True


def results_of(reading: ExperimentReading | None) -> Results | None:
    """What was read, as it was computed; None before the first reading."""
    if reading is None or reading.results is None:
        return None
    said = reading.results
    compared = [Compared(**one | {"estimate": _estimate(one["estimate"])}) for one in said["compared"]]
    ratio = said["ratio"]
    ratio = SampleRatio(tuple(ratio["counts"]), tuple(ratio["expected"]), ratio["p"])
    return Results(tuple(said["exposed"]), ratio, tuple(compared), said["clusters"])


def _estimate(said: dict[str, Any] | None) -> Estimate | None:
    return None if said is None else Estimate(**said | {"units": tuple(said["units"])})
