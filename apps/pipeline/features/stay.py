"""When the viewer is in the market they draw from: today, or the days of a coming trip."""

from __future__ import annotations

from apps.pipeline.contracts import Request
from apps.pipeline.features.calendar import date_of_day, day_of, months_of_days


def months_there(request: Request) -> int:
    """The months in which the viewer is there, as calendar.months_set."""
    return months_of_days(*_days(request))


def last_date_there(request: Request) -> int:
    """The last day on which the viewer is there, as yyyymmdd."""
    return date_of_day(_days(request)[1])


def _days(request: Request) -> tuple[int, int]:
    if request.stay is not None:
        return request.stay.first_day, request.stay.last_day
    today = day_of(request.now) if request.day is None else request.day
    return today, today
