"""Impressions are put back into the lists they came from."""

import numpy as np

from apps.simulation.lists import split_lists
from apps.simulation.log import TYPES, Events

IMPRESSION, LIKE = TYPES.index("impression"), TYPES.index("like")


def events(*rows: tuple[int, int, int, int, int, int]) -> Events:
    """(type, actor, target, surface, position, at)"""
    return Events(*np.array(rows, "i8").T)


def test_a_list_ends_where_the_viewer_the_surface_or_a_first_position_begins() -> None:
    one, other = 7, 8
    log = events(
        (IMPRESSION, one, 20, 0, 0, 100),
        (IMPRESSION, other, 20, 0, 0, 101),
        (LIKE, one, 20, 0, 0, 102),
        (IMPRESSION, one, 21, 0, 2, 112),
        (IMPRESSION, one, 30, 2, 0, 115),
        (IMPRESSION, one, 22, 0, 0, 500),
    )
    assert [rows.tolist() for rows in split_lists(log)] == [[0, 3], [5], [1], [4]]


def test_nothing_seen_is_no_list() -> None:
    assert split_lists(events((LIKE, 1, 2, 0, 0, 5))) == []
