"""Line charts as plain numbers: points in percent of the plot, ticks, marks. The template draws them as SVG.

Takes values by (surface, day), gives a Chart; a day without a value breaks the line instead of being zero.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any


@dataclass(frozen=True)
class Series:
    """A surface: colour (1 to 4), unbroken runs of points ("x,y x,y"), two weeks' means, row of numbers."""

    name: str
    colour: int
    runs: tuple[str, ...]
    week: str  # the mean of the last seven whole days
    before: str  # of the seven before them
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Mark:
    """A release: `left` in percent of the plot."""

    number: int
    left: float
    note: str
    live_at: datetime


@dataclass(frozen=True)
class Chart:
    title: str
    sentence: str
    series: tuple[Series, ...]
    ticks: tuple[tuple[float, str], ...]  # top in percent, label
    marks: tuple[Mark, ...]
    days: tuple[date, ...]


def draw(
    title: str,
    sentence: str,
    values: Mapping[tuple[str, date], float],
    surfaces: Sequence[Any],
    days: Sequence[date],
    releases: Sequence[Any],
    *,
    percent: bool = False,
) -> Chart:
    """The chart of one figure. Surfaces without any value are left out, but keep the others' colours."""
    within = [v for (_, day), v in values.items() if day in set(days)]
    top = nice_top(max(within, default=0.0))
    series = []
    for i, surface in enumerate(surfaces):
        line = [values.get((surface.key, day)) for day in days]
        if any(value is not None for value in line):
            cells = tuple("–" if value is None else text(value, percent) for value in line)
            week, before = (mean(line[first:end], percent) for first, end in ((-8, -1), (-15, -8)))
            series.append(Series(surface.name, i % 4 + 1, runs(line, top), week, before, cells))
    ticks = tuple((100 - 100 * k / 2, text(top * k / 2, percent)) for k in range(3))
    return Chart(title, sentence, tuple(series), ticks, marks(releases, days), tuple(days))


def mean(line: Sequence[float | None], percent: bool) -> str:
    """The mean of the days that have a value."""
    known = [value for value in line if value is not None]
    return text(sum(known) / len(known), percent) if known else "–"


def nice_top(highest: float) -> float:
    """The next 1, 2 or 5 times a power of ten that is at least `highest`."""
    if highest <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(highest))
    return next(step * power for step in (1.0, 2.0, 5.0, 10.0) if step * power >= highest * (1 - 1e-9))


def runs(line: Sequence[float | None], top: float) -> tuple[str, ...]:
    """Polylines in percent; a lone day becomes a short dash, so that it is seen."""
    found: list[list[tuple[float, float]]] = [[]]
    for i, value in enumerate(line):
        if value is None:
            found.append([])
        else:
            found[-1].append((100 * i / max(len(line) - 1, 1), 100 - 100 * value / top))
    for run in found:
        if len(run) == 1:
            (x, y) = run[0]
            run[:] = [(max(x - 1, 0), y), (min(x + 1, 100), y)]
    return tuple(" ".join(f"{x:.2f},{y:.2f}" for x, y in run) for run in found if run)


def marks(releases: Sequence[Any], days: Sequence[date]) -> tuple[Mark, ...]:
    """Where each release stands; of several on one spot the last is kept, so that labels stay apart."""
    start = datetime.combine(days[0], time(12), UTC)
    span = (days[-1] - days[0]).total_seconds() or 1.0
    kept: list[Mark] = []
    for release in releases:
        left = min(max(100 * (release.published_at - start).total_seconds() / span, 0.0), 100.0)
        mark = Mark(release.number, round(left, 2), release.note, release.published_at)
        if kept and left - kept[-1].left < 7:
            kept.pop()
        kept.append(mark)
    return tuple(kept)


def text(value: float, percent: bool) -> str:
    """A value as the axis and the table print it."""
    if percent:
        return f"{100 * value:.3g}%"
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.2g}"
