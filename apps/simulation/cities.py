"""The markets of a simulated world: one big city and two small ones in other time zones.

With the public list of cities at hand, members live in the real towns within 40 km of a market's centre;
without it, around the centre itself. Reads one file; writes nothing.
"""

from __future__ import annotations

import csv
import gzip
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.floating[Any]]
I64 = npt.NDArray[np.integer[Any]]
FILE = "geonames_cities15000.csv.gz"
AROUND = 40.0  # km
KM_PER_DEGREE = 111.195


@dataclass(frozen=True)
class City:
    """A market's centre."""

    key: str
    name: str
    country: str
    latitude: float
    longitude: float
    timezone: str


CITIES = (
    City("los-angeles", "Los Angeles", "US", 34.052, -118.244, "America/Los_Angeles"),
    City("lisbon", "Lisbon", "PT", 38.725, -9.150, "Europe/Lisbon"),
    City("copenhagen", "Copenhagen", "DK", 55.676, 12.566, "Europe/Copenhagen"),
)


def list_is_present(data_dir: str) -> bool:
    """Whether the public list of cities lies in this folder."""
    return bool(data_dir) and (Path(data_dir) / FILE).is_file()


@cache
def towns(data_dir: str) -> tuple[tuple[F64, F64, F64], ...]:
    """Per city: latitudes, longitudes and shares of the population of the towns around it; largest first."""
    with gzip.open(Path(data_dir) / FILE, "rt", encoding="utf-8") as file:
        rows = [
            (float(r["latitude"]), float(r["longitude"]), float(r["population"]))
            for r in csv.DictReader(file)
        ]
    every = np.array(rows)
    return tuple(_around(every, city) for city in CITIES)


def _around(every: F64, city: City) -> tuple[F64, F64, F64]:
    north = (every[:, 0] - city.latitude) * KM_PER_DEGREE
    east = (every[:, 1] - city.longitude) * KM_PER_DEGREE * np.cos(np.radians(city.latitude))
    near = every[np.hypot(north, east) < AROUND]
    near = near[np.lexsort((near[:, 1], near[:, 0], -near[:, 2]))]
    weight = np.sqrt(near[:, 2])
    return near[:, 0], near[:, 1], weight / weight.sum()


def homes(
    generator: np.random.Generator, markets: I64, *, data_dir: str, spread_km: float = 3.0
) -> tuple[F64, F64]:
    """Latitudes and longitudes [n] of somewhere to be, for market indices [n]. `data_dir` empty: no towns."""
    n = len(markets)
    latitude = np.array([city.latitude for city in CITIES])[markets]
    longitude = np.array([city.longitude for city in CITIES])[markets]
    draw, north, east = generator.random(n), generator.standard_normal(n), generator.standard_normal(n)
    if data_dir:
        for market, (lats, lons, shares) in enumerate(towns(data_dir)):
            mine = np.flatnonzero(markets == market)
            town = np.minimum(np.searchsorted(np.cumsum(shares), draw[mine]), len(lats) - 1)
            latitude[mine], longitude[mine] = lats[town], lons[town]
    else:
        spread_km = 12.0
    latitude = latitude + north * spread_km / KM_PER_DEGREE
    return latitude, longitude + east * spread_km / KM_PER_DEGREE / np.cos(np.radians(latitude))
