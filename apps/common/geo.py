"""Coordinates snapped to cells of about 5 km, before they are stored.

A cell is one int32; only cells are kept, so an exact position can't be read back. Rows are 0.045 degrees of
latitude (5.0 km); each row is cut into as many columns as keeps their width at about 5 km.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

STEP = 0.045
COLUMN_BITS = 13  # at most 8,000 columns on the equator
KM_PER_DEGREE = 111.19492664455873  # pi * 6371.0088 km / 180

F64 = npt.NDArray[np.float64]


def cell_of(latitude: float, longitude: float) -> int:
    """The cell that holds a point. Raises ValueError outside -90..90 and -180..180."""
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
        raise ValueError("latitude must be within -90 and 90, longitude within -180 and 180")
    row = min(int((latitude + 90) / STEP), int(180 / STEP) - 1)
    columns = _columns(row)
    column = int((longitude + 180) / 360 * columns) % columns
    return (row << COLUMN_BITS) | column


def centre_of(cell: int) -> tuple[float, float]:
    """Latitude and longitude of a cell's centre, in degrees."""
    row, column = cell >> COLUMN_BITS, cell & ((1 << COLUMN_BITS) - 1)
    return -90 + (row + 0.5) * STEP, -180 + (column + 0.5) * 360 / _columns(row)


def centres_of(cells: npt.NDArray[np.int64]) -> tuple[F64, F64]:
    """Latitudes and longitudes [n] of the centres of cells [n], in degrees."""
    rows, columns = cells >> COLUMN_BITS, cells & ((1 << COLUMN_BITS) - 1)
    latitude: F64 = (-90 + (rows + 0.5) * STEP).astype("f8")
    width = np.maximum(1, (360 * np.cos(np.radians(latitude)) / STEP).astype("i8"))
    longitude: F64 = (-180 + (columns + 0.5) * 360 / width).astype("f8")
    return latitude, longitude


def plane_of(latitude: F64, longitude: F64, centre: tuple[float, float]) -> tuple[npt.NDArray[np.int16], ...]:
    """East and north of `centre` in units of 10 m, as int16 [n]; clipped at 327 km."""
    lat0, lon0 = centre
    east = (np.mod(longitude - lon0 + 180, 360) - 180) * math.cos(math.radians(lat0)) * KM_PER_DEGREE
    north = (latitude - lat0) * KM_PER_DEGREE
    return tuple(np.clip(np.rint(km * 100), -32767, 32767).astype("i2") for km in (east, north))


def distance_km(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Great-circle distance in kilometres (haversine)."""
    lat1, lon1, lat2, lon2 = map(math.radians, (*a, *b))
    h = math.sin((lat2 - lat1) / 2) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin((lon2 - lon1) / 2) ** 2
    return 2 * 6371.0088 * math.asin(math.sqrt(min(1.0, h)))


def _columns(row: int) -> int:
    return max(1, int(360 * math.cos(math.radians(-90 + (row + 0.5) * STEP)) / STEP))
