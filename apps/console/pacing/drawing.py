"""A rule's last 24 hours as lines: target and actual, and the correction beside them; and the hours as rows.

Takes what apps.delivery.pacing_history gives; a time without a step breaks the lines.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from apps.common.local_time import written
from apps.console.figures import nice_top, runs, text

Said = Mapping[str, Any]
Steps = Sequence[tuple[datetime, Said | None]]
HOURLY = 12  # steps of five minutes
FLOOR = "Times a day each is shown at the rate of the hour, on average; the target follows how busy it is"


@dataclass(frozen=True)
class Line:
    """`colour`: 1 to 4; `runs`: unbroken runs of points in percent of the plot."""

    name: str
    colour: int
    runs: tuple[str, ...]
    last: str


@dataclass(frozen=True)
class Plot:
    title: str
    sentence: str
    lines: tuple[Line, ...]
    ticks: tuple[tuple[float, str], ...]  # top in percent, label
    axis: tuple[str, ...]


@dataclass(frozen=True)
class Hour:
    """The step at the end of an hour."""

    at: datetime
    target: str
    actual: str
    correction: str
    state: str
    colour: str


def state_of(said: Said) -> tuple[str, str]:
    """Word and colour: what keeps the pacer from moving, if anything does."""
    if said["frozen"]:
        return "frozen: too few lists", "warn"
    return ("as far as it may go", "warn") if said["bounded"] else ("steering", "good")


def plots(steps: Steps, kind: str) -> tuple[Plot, Plot]:
    """Does it get what it should? How far are scores moved for that?"""
    percent, axis = kind == "share_target", _axis(steps)
    names = ("target", "actual", "correction")
    target, actual, moved = ([None if s is None else float(s[name]) for _, s in steps] for name in names)
    top = nice_top(max((v for v in (*target, *actual) if v is not None), default=0.0))
    what = "Share of all places" if percent else FLOOR
    got = Plot(
        "Does it get what it should?",
        f"{what}, every five minutes.",
        (
            Line("Target", 3, runs(target, top), _last(target, percent=percent)),
            Line("Actual", 1, runs(actual, top), _last(actual, percent=percent)),
        ),
        tuple((100 - 50 * k, text(top * k / 2, percent)) for k in range(3)),
        axis,
    )
    reach = nice_top(max((abs(v) for v in moved if v is not None), default=0.0))
    low, height = (-reach, 2 * reach) if any(v is not None and v < 0 for v in moved) else (0.0, reach)
    lifted = [None if v is None else v - low for v in moved]
    price = Plot(
        "How far does it move scores?",
        "Added to the score of those whom it means; 0 is as if there were no rule.",
        (Line("Correction", 2, runs(lifted, height), _last(moved, percent=False)),),
        tuple((100 - 50 * k, text(low + height * k / 2, False)) for k in range(3)),
        axis,
    )
    return got, price


def hours(steps: Steps, kind: str) -> list[Hour]:
    """The table under the lines, the latest first; hours without a step are left out."""
    found = []
    for at, said in steps[::-1][::HOURLY]:
        if said is not None:
            target, actual = (
                text(float(said[name]), kind == "share_target") for name in ("target", "actual")
            )
            found.append(Hour(at, target, actual, f"{said['correction']:+.4f}", *state_of(said)))
    return found


def _axis(steps: Steps) -> tuple[str, ...]:
    return tuple(written(steps[int(k * (len(steps) - 1))][0]) for k in (0, 0.5, 1))


def _last(line: Sequence[float | None], *, percent: bool) -> str:
    known = [value for value in line if value is not None]
    return text(known[-1], percent) if known else "–"
