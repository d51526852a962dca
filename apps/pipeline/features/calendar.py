"""Seconds since 1970-01-01 UTC to the units of the columns: hours, days, yyyymmdd, years.

No clock is read here.
"""

from __future__ import annotations

from collections.abc import Iterable
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
    return date_of_day(day_of(now))


@lru_cache(maxsize=64)
def date_of_day(since: int) -> int:
    """Of days since 1970-01-01: told once a day, not once a request."""
    day = np.datetime64(since, "D")
    month = day.astype("M8[M]")
    months = int(month.astype("i8"))
    return (1970 + months // 12) * 10000 + (months % 12 + 1) * 100 + int((day - month).astype("i8")) + 1


def months_set(months: Iterable[int]) -> int:
    """Months from 1 to 12 as bits: bit m stands for month m."""
    return sum(1 << month for month in set(months))


@lru_cache(maxsize=1024)
def months_of_days(first: int, last: int) -> int:
    """The months that days (since 1970-01-01, both included) lie in, as months_set; the first's at least."""
    start, end = (date_of_day(day) // 100 for day in (first, max(first, last)))
    count = (end // 100 - start // 100) * 12 + end % 100 - start % 100 + 1
    return months_set((start % 100 - 1 + i) % 12 + 1 for i in range(min(count, 12)))


def years_of(date: npt.NDArray[np.int32] | int) -> npt.NDArray[Any]:
    """yyyymmdd as years with a fraction (float64), to take differences of; 0 stays 0."""
    date = np.asarray(date, "i8")
    return np.where(
        date > 0, date // 10000 + ((date // 100 % 100) - 1) / 12.0 + ((date % 100) - 1) / 372.0, 0.0
    )
