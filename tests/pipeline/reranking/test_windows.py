"""Sliding windows: by hand on a line of letters, as properties over random lines, and in a whole list."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.pipeline.contracts import Pool, Request
from apps.pipeline.params import PipelineParams
from apps.pipeline.reranking.order import by_score
from apps.pipeline.reranking.windows import LENGTH, NO_CATEGORY, arrange, keep_windows
from apps.pipeline.run import run
from tests.pipeline.markets import member_table, place_table, request_for, snapshot_of

LETTERS = {"a": 1, "b": 2, "c": 4, "-": 0, "x": 3}  # x has both a and b


def arranged(line: str, most: int, places: int | None = None) -> str:
    order = arrange([[LETTERS[one] for one in line]], [most], places=len(line) if places is None else places)
    return "".join(line[i] for i in order)


@pytest.mark.parametrize(
    ("line", "most", "expected"),
    [
        ("aaabbb", 2, "aabbab"),  # the third a would be the third of five; nobody fits the fifth place
        ("aaabc", 1, "abcaa"),
        ("aaaaa", 1, "aaaaa"),  # nobody else: nobody is left out
        ("---aa", 1, "---aa"),  # only the last place has no other choice
        ("aabcab", 4, "aabcab"),
        ("aabcab", 2, "aabcba"),
        ("ax-bc", 1, "a-bcx"),  # x shares a with the first, b with the third
    ],
)
def test_by_hand(line: str, most: int, expected: str) -> None:
    assert arranged(line, most) == expected


def test_two_limits_hold_together() -> None:
    industries, crafts = [1, 1, 2, 2, 4], [1, 2, 1, 4, 8]
    assert arrange([industries, crafts], [1, 1], places=3) == [0, 3, 4, 1, 2]


def test_below_the_list_the_line_stays_as_it_was() -> None:
    assert arranged("aaaabcab", 1, places=2) == "ab" + "aaacab"


lines = st.lists(st.integers(0, 7), max_size=25)


@given(lines, st.integers(1, LENGTH - 1), st.integers(0, 25))
@settings(max_examples=200, deadline=None)
def test_each_place_goes_to_the_first_who_keeps_the_limit_else_to_the_first(
    bits: list[int], most: int, places: int
) -> None:
    order = arrange([bits], [most], places=min(places, len(bits)))
    assert sorted(order) == list(range(len(bits)))
    for place in range(min(places, len(bits))):
        above = [bits[i] for i in order[max(place - LENGTH + 1, 0) : place]]
        rest = sorted(order[place:])

        def breaks(one: int, above: list[int] = above) -> bool:
            return any(sum(b >> bit & 1 for b in above) >= most for bit in range(3) if bits[one] >> bit & 1)

        fitting = [one for one in rest if not breaks(one)]
        assert order[place] == (fitting[0] if fitting else rest[0])
    rest = order[min(places, len(bits)) :]
    assert all(a < b for a, b in pairwise(rest))


def asked(crafts: list[int], **params: int) -> Request:
    """The viewer is 1; the others cost more and more."""
    members = [{}, *({"crafts": bits, "price": i / 10} for i, bits in enumerate(crafts))]
    return request_for(snapshot_of(member_table(members)), 1, limit=6, params=PipelineParams(**params))


def test_no_five_in_a_row_of_a_whole_list_hold_three_of_one_craft() -> None:
    crafts = [1, 1, 1, 1, 2, 2, 2, 4, 4, 4]
    assert run(asked(crafts)).numbers.tolist()[:6] == [2, 3, 4, 5, 6, 7]
    slate = run(asked(crafts, craft_window=2))
    told = [crafts[number - 2] for number in slate.numbers.tolist()[:6]]
    assert told == [1, 1, 2, 2, 4, 1]
    assert sorted(slate.numbers.tolist()) == list(range(2, 12))
    assert slate.propensity.tolist() == [1.0] * 10


@pytest.mark.parametrize("most", [0, LENGTH])
def test_without_a_limit_the_very_same_order_comes_back(most: int) -> None:
    request = asked([1, 1, 1, 1, 1, 1], craft_window=most)
    table = request.data.candidates
    pool = Pool(table, np.zeros(len(table), "u4"), score=-table["price"])
    order = by_score(pool)
    assert keep_windows(request, pool, order) is order


def test_places_are_kept_apart_by_category_and_one_without_counts_for_none() -> None:
    categories = [0, 0, 0, NO_CATEGORY, NO_CATEGORY, 200]
    table = place_table([{"category": c} for c in categories])
    viewers = member_table([{}])
    snapshot = snapshot_of(table, surface="travel", viewers=viewers)
    request = request_for(snapshot, 1, limit=6, params=PipelineParams(lineup="places", category_window=1))
    pool = Pool(table, np.zeros(6, "u4"), score=np.linspace(1, 0, 6).astype("f4"))
    order = keep_windows(request, pool, by_score(pool))
    assert order.positions.tolist() == [0, 3, 4, 5, 1, 2]
