"""Rows lie by market, then by who can see them, then near their neighbours; blocks say what holds for all."""

import numpy as np

from apps.pipeline import blocks
from apps.pipeline.layout import along_curve, in_order
from tests.pipeline.markets import MAN, WOMAN, member_table, place_table, random_members


def test_dating_lies_by_market_then_gender_then_seeking_then_cell_then_number():
    members = [
        {"market": 1},
        {"market": 0, "gender": MAN, "seeking": WOMAN},
        {"market": 0, "seeking": MAN},
        {"market": 0, "seeking": WOMAN, "x": 500},
        {"market": 0, "seeking": WOMAN},
        {"market": -1},
        {"market": 0, "seeking": WOMAN},
    ]
    assert in_order(member_table(members), "dating")["number"].tolist() == [6, 5, 7, 4, 3, 2, 1]


def test_in_one_cell_the_older_come_first_so_that_blocks_hold_few_ages():
    members = [{"birth_date": 19960101}, {"birth_date": 19700101}, {"birth_date": 19960101}, {"x": -500}]
    assert in_order(member_table(members), "dating")["number"].tolist() == [4, 2, 1, 3]


def test_networking_lies_by_the_first_industry_and_places_by_cell():
    members = [{"industries": 0b100}, {"industries": 0b110}, {"industries": 0b101}, {}]
    assert in_order(member_table(members), "networking")["number"].tolist() == [4, 3, 2, 1]
    places = place_table([{"x": 600, "y": 600}, {"y": 600}, {}, {"x": 600}])
    assert in_order(places, "travel")["number"].tolist() == [3, 4, 2, 1]


def test_the_curve_turns_within_a_quarter_before_it_goes_on():
    """Four cells by four: each quarter of four cells is walked whole."""
    x, y = (axis.ravel() * 500 for axis in np.meshgrid(np.arange(4), np.arange(4)))
    walked = np.argsort(along_curve(x, y))
    quarters = (x[walked] // 1000 + 2 * (y[walked] // 1000)).tolist()
    assert quarters == [0] * 4 + [1] * 4 + [2] * 4 + [3] * 4


def test_the_bounds_of_a_block_hold_for_every_row():
    table = in_order(random_members(700, 4), "dating")
    statistics = blocks.block_statistics(table.columns)
    assert len(statistics) == 3
    for i in range(len(table)):
        of = statistics[i // blocks.ROWS]
        row = {name: int(table[name][i]) for name in table.columns if table[name].ndim == 1}
        assert row["gender"] & ~of[blocks.GENDERS] == 0
        assert row["seeking"] & ~of[blocks.SEEKING] == 0
        assert row["intents"] & ~of[blocks.INTENTS] == 0
        assert row["birth_date"] == 0 or of[blocks.BORN_FIRST] <= row["birth_date"] <= of[blocks.BORN_LAST]
        assert of[blocks.AGE_MIN] <= row["age_min"]
        assert row["age_max"] <= of[blocks.AGE_MAX]
        assert of[blocks.WEST] <= row["x"] <= of[blocks.EAST]
        assert of[blocks.SOUTH] <= row["y"] <= of[blocks.NORTH]
        assert (row["max_distance"] or blocks.UNLIMITED) <= of[blocks.LIMIT]


def test_nobody_makes_no_block():
    assert blocks.block_statistics(member_table([]).columns).shape == (0, blocks.WIDTH)
