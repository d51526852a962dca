"""Seconds since 1970-01-01 UTC to the units of the columns: hours, days, yyyymmdd, years.

No clock is read here.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

ADULT = 18


def hour_of(now: float) -> int:
    """Hours since 1970-01-01 UTC."""
    return int(now // 3600)


def day_of(now: float) -> int:
    """Days since 1970-01-01 UTC."""
    return int(now // 86400)


def date_of(now: float) -> int:
    """The date in UTC as yyyymmdd. An age is (date_of(now) - birth_date) // 10000, exactly."""
    return _date_of_day(day_of(now))


@lru_cache(maxsize=8)
def _date_of_day(since: int) -> int:
    """Of days since 1970-01-01: told once a day, not once a request."""
    day = np.datetime64(since, "D")
    month = day.astype("M8[M]")
    months = int(month.astype("i8"))
    return (1970 + months // 12) * 10000 + (months % 12 + 1) * 100 + int((day - month).astype("i8")) + 1


def years_of(date: npt.NDArray[np.int32] | int) -> npt.NDArray[Any]:
    """yyyymmdd as years with a fraction (float64), to take differences of; 0 stays 0."""
    date = np.asarray(date, "i8")
    return np.where(
        date > 0, date // 10000 + ((date // 100 % 100) - 1) / 12.0 + ((date % 100) - 1) / 372.0, 0.0
    )
