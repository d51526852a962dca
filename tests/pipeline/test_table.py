"""Rows of a table: copied at once, or a column at a time as it is asked for."""

import numpy as np
import pytest

from apps.pipeline.table import COLUMNS, OnUse
from apps.pipeline.vectors import DTYPES
from tests.pipeline.markets import random_members, random_places

ROWS = np.array([3, 0, 3, 41], "i4")


@pytest.mark.parametrize("vectors", DTYPES)
@pytest.mark.parametrize("drawn", [random_members, random_places])
def test_rows_that_are_picked_are_the_rows_that_are_gathered(drawn, vectors):
    table = drawn(50, 1).stored(vectors)
    gathered, picked = table.gather(ROWS), table.pick(ROWS)
    twice = table.pick(np.arange(10, 50)).pick(np.array([31]))
    assert list(picked.columns) == list(gathered.columns) == list(COLUMNS[table.kind])
    for name, (dtype, shape) in COLUMNS[table.kind].items():
        assert gathered[name].dtype == picked[name].dtype == dtype
        assert gathered[name].shape == (4, *shape)
        assert np.array_equal(gathered[name], table[name][ROWS])
        assert np.array_equal(picked[name], gathered[name])
        assert np.array_equal(twice[name], gathered[name][3:])


def test_a_column_is_made_when_it_is_first_asked_for_and_once():
    made = []

    def make(name):
        made.append(name)
        return np.zeros(2)

    columns = OnUse(("number", "price"), make)
    assert "price" in columns
    assert "looks" not in columns
    assert (list(columns), len(columns), made) == (["number", "price"], 2, [])
    assert columns["price"] is columns["price"]
    assert made == ["price"]


def test_whoever_goes_through_columns_on_use_has_all_of_them_made():
    def columns():
        return OnUse(("number", "price"), lambda name: np.full(2, len(name)))

    whole = {"number": [6, 6], "price": [5, 5]}
    for found in ({**columns()}, dict(columns()), dict(columns().items()), {} | columns()):
        assert {name: column.tolist() for name, column in found.items()} == whole
    assert [column.tolist() for column in columns().values()] == [*whole.values()]
    assert columns().get("price", ()).tolist() == whole["price"]
    assert columns().get("looks") is None


def test_a_row_is_a_table_of_views():
    table = random_members(50, 1)
    row, gathered = table.row(31), table.gather(np.array([31]))
    assert len(row) == 1
    for name in COLUMNS["member"]:
        assert np.array_equal(row[name], gathered[name])
        assert np.shares_memory(row[name], table[name])


def test_a_column_that_a_table_does_not_have_is_an_error_when_it_is_asked_for():
    with pytest.raises(KeyError):
        random_places(3, 1).pick(np.array([0]))["taste"]
