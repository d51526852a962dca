"""Whoever was there keeps what was learnt of them; for everybody else the content tower speaks."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from apps.learning.kept import keep_learnt
from apps.pipeline.features.tower import embed, width
from apps.pipeline.table import DIMENSIONS
from tests.pipeline.markets import TODAY, member_table, place_table, snapshot_of

RANDOM = np.random.default_rng(3)
CONTENT = {
    "dating.appeal_weights": RANDOM.normal(size=width("member")).astype("f4"),
    "dating.taste_weights": RANDOM.normal(size=(width("member"), DIMENSIONS)).astype("f4"),
    "travel.place_looks_weights": RANDOM.normal(size=(width("place"), DIMENSIONS)).astype("f4"),
    "travel.taste_weights": RANDOM.normal(size=(width("member"), DIMENSIONS)).astype("f4"),
}
EARLIER = [{"appeal": 1.0, "popularity": 3.0}, {"appeal": 2.0}, {"appeal": 3.0}]


@given(numbers=st.sets(st.integers(1, 9), min_size=1))
def test_members_by_number(numbers: set[int]) -> None:
    before = snapshot_of(member_table(EARLIER), content=CONTENT, models={"like": {"intercept": -1.0}})
    table = member_table([{"number": number, "interests": number} for number in sorted(numbers)])

    kept = keep_learnt(before, "dating", table, None, today=TODAY)

    tower = embed(table, surface="dating", content=CONTENT, today=TODAY)
    for i, number in enumerate(table["number"].tolist()):
        expected = EARLIER[number - 1]["appeal"] if number <= 3 else tower["appeal"][i]
        assert np.isclose(kept.table["appeal"][i], expected, rtol=1e-4, atol=1e-5)  # BLAS rounds by size
        assert kept.table["popularity"][i] == (3.0 if number == 1 else 0.0)
    assert np.array_equal(kept.table["interests"], table["interests"])
    assert kept.models == {"like": {"intercept": -1.0}}
    assert set(kept.content) == {"appeal_weights", "taste_weights"}
    assert kept.viewers is None


def test_places_and_those_who_look_at_them() -> None:
    places = place_table([{"popularity": 2.0, "looks": np.ones(DIMENSIONS)}, {}])
    viewers = member_table([{"taste": np.full(DIMENSIONS, 0.5)}])
    before = snapshot_of(places, surface="travel", viewers=viewers, content=CONTENT)
    new_places = place_table([{"tags": 1}, {"tags": 2}], first_number=2)
    new_viewers = member_table([{}, {}])

    kept = keep_learnt(before, "travel", new_places, new_viewers, today=TODAY)

    assert kept.viewers is not None
    assert np.array_equal(kept.viewers["taste"][0], viewers["taste"][0])
    tower = embed(new_viewers, surface="travel", content=CONTENT, today=TODAY)
    assert np.allclose(kept.viewers["taste"][1], tower["taste"][1], rtol=1e-4, atol=1e-5)
    assert not kept.table["looks"][0].any()  # number 2 was there, and nobody had learnt anything of it
    assert kept.table["looks"][1].any()
    assert np.array_equal(kept.table["tags"], [1, 2])


def test_the_trees_of_the_heavy_ranker_stay_too() -> None:
    trees = {"heavy.leaf": np.array([[0.5, 1.0]])}
    before = snapshot_of(member_table(EARLIER), content=CONTENT, models={"heavy": {}}, arrays=trees)
    kept = keep_learnt(before, "dating", member_table([{}]), None, today=TODAY)
    assert np.array_equal(kept.arrays["heavy.leaf"], trees["heavy.leaf"])
