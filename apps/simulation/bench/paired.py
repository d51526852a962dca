"""What a release adds to one request, in one thread: the same viewers are served without and with, in turn.

Rounds over HTTP drift with whatever else the machine does; two calls a millisecond apart meet the same one.
Takes both releases and viewers, gives CPU milliseconds of this thread; Valkey's own time is not in it.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from apps.delivery.question import Question
from apps.delivery.runtime import Runtime, runtime
from apps.delivery.serve import serve
from apps.releases.models import Release
from apps.releases.publishing import roll_back
from apps.releases.selectors import live_release

WARM = 200  # viewers served before anything is counted


def paired_cost(
    releases: tuple[Release, Release], viewers: Sequence[str], surface: str, limit: int
) -> dict[str, float]:
    """Median CPU of a request without and with, and the median and mean of the differences by viewer."""
    here = runtime()
    sides = [_side(here, release) for release in releases]
    costs: list[tuple[float, float]] = []
    for i, viewer in enumerate(viewers):
        cost = [0.0, 0.0]
        for side in (0, 1) if i % 2 else (1, 0):  # who is second finds the first one's holds
            here.world = replace(here.world, **sides[side])
            question = Question(surface=surface, member=viewer, limit=limit)
            started = time.thread_time()
            serve(here, question)
            cost[side] = 1000 * (time.thread_time() - started)
        if i >= WARM:
            costs.append((cost[0], cost[1]))
    added = [one - none for none, one in costs]
    return {
        "without_ms": round(statistics.median(none for none, _ in costs), 4),
        "with_ms": round(statistics.median(one for _, one in costs), 4),
        "added_median_ms": round(statistics.median(added), 4),
        "added_mean_ms": round(statistics.fmean(added), 4),
        "viewers": len(costs),
    }


def _side(here: Runtime, release: Release) -> dict[str, Any]:
    """What of the world belongs to a release, as this process serves it once it is live."""
    if live_release().number != release.number:
        roll_back(release, actor=None, note="For a benchmark")
    here.poll(wait=True)
    return {"live": here.world.live, "masks": here.world.masks}
