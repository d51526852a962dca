"""Cells of about 5 km: only the cell of a position is ever kept."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.common.geo import cell_of, centre_of, centres_of, distance_km, plane_of

latitudes = st.floats(-89.9, 89.9)
longitudes = st.floats(-180, 180)


@given(latitudes, longitudes)
def test_a_point_is_at_most_four_kilometres_from_its_cells_centre(latitude: float, longitude: float) -> None:
    # Half the diagonal of a cell 5.0 km high and about as wide; wider near a pole.
    bound = 3.6 if abs(latitude) < 85 else 6.0
    assert distance_km((latitude, longitude), centre_of(cell_of(latitude, longitude))) <= bound


@given(latitudes, longitudes)
def test_snapping_a_centre_gives_its_own_cell(latitude: float, longitude: float) -> None:
    cell = cell_of(latitude, longitude)
    assert cell_of(*centre_of(cell)) == cell


@given(st.lists(st.tuples(latitudes, longitudes), min_size=1, max_size=20))
def test_columns_and_single_cells_agree(points: list[tuple[float, float]]) -> None:
    cells = np.array([cell_of(*point) for point in points], "i8")
    for i, (latitude, longitude) in enumerate(zip(*centres_of(cells), strict=True)):
        assert (latitude, longitude) == pytest.approx(centre_of(int(cells[i])), abs=1e-9)


@pytest.mark.parametrize("point", [(91, 0), (-91, 0), (0, 181), (0, -181), (math.nan, 0), (0, math.inf)])
def test_a_point_off_the_earth_is_refused(point: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="latitude"):
        cell_of(*point)


def test_the_plane_keeps_distances_within_a_market() -> None:
    centre = (37.77, -122.42)
    a, b = (37.80, -122.27), (37.34, -121.89)  # 61.4 km apart
    x, y = plane_of(np.array([a[0], b[0]]), np.array([a[1], b[1]]), centre)
    in_plane = math.hypot(int(x[0]) - int(x[1]), int(y[0]) - int(y[1])) / 100
    assert in_plane == pytest.approx(distance_km(a, b), rel=0.005)
