"""A day's load over several time zones: how many ask follows the local hours, and so does who asks.

Takes viewers and the rate of the busiest hour; gives the hours as the load driver asks for them, and figures
of what it saw. Hours last seconds; they are those of the simulated community.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from apps.simulation.schedule import HOURS, offsets

Hour = tuple[float, float]  # seconds, requests a second


@dataclass(frozen=True)
class Day:
    """What the driver is asked for."""

    rates: list[Hour]
    paths: list[str]  # in the order in which they are asked for

    @property
    def windows(self) -> list[tuple[float, float]]:
        """From when to when each hour lasts, in seconds."""
        return [*pairwise(accumulate((seconds for seconds, _ in self.rates), initial=0.0))]


def day_of(paths: Sequence[str], *, at: int, busiest: float, seconds: float) -> Day:
    """24 hours of `seconds` each, the busiest of them at this rate. Every third viewer lives in one zone.

    `at` (seconds since 1970-01-01 UTC): on which day, for zones change their clocks.
    """
    zones_ahead = (offsets(at) // 3600).tolist()  # hours
    awake = np.array([np.roll(HOURS, -ahead) for ahead in zones_ahead]).T  # [hours UTC, zones]
    asking = awake.sum(axis=1)
    draw, rates, asked = np.random.default_rng(3), [], []
    for hour in range(len(HOURS)):
        rate = busiest * float(asking[hour] / asking.max())
        zones = draw.choice(len(zones_ahead), int(seconds * rate), p=awake[hour] / asking[hour])
        members = draw.integers(0, -(-len(paths) // len(zones_ahead)), len(zones)) * len(zones_ahead) + zones
        asked += [paths[i % len(paths)] for i in members.tolist()]
        rates.append((seconds, rate))
    return Day(rates, asked)


def figures_of(day: Day, seen: Mapping[str, Any]) -> dict[str, float | None]:
    """The busiest and the quietest hour beside the worst, and whoever was not answered."""
    waits, rates = seen["window_p99_ms"], [rate for _, rate in day.rates]
    return {
        "requests_day": seen["requests"],
        "failed_day": seen["failed"],
        "degraded_day": seen["degraded"],
        "asked_per_second_day_busiest": max(rates),
        "asked_per_second_day_quietest": min(rates),
        "p99_ms_day_busiest": waits[rates.index(max(rates))],
        "p99_ms_day_quietest": waits[rates.index(min(rates))],
        "p99_ms_day_worst_hour": max((wait for wait in waits if wait is not None), default=None),
    }
