import numpy as np

from apps.learning import quality
from apps.learning.decisions import decisions_of
from apps.learning.places import learn_places
from apps.pipeline.snapshot import empty_table, table_from_columns
from tests.learning.worlds import DAY, NOW, TODAY

NOTHING = decisions_of([], [], [])


def test_taste_in_places_is_found_from_saves() -> None:
    rng = np.random.default_rng(3)
    viewers, places = 150, 80
    likes_bars, is_bar = rng.integers(0, 2, viewers), rng.integers(0, 2, places)
    wanted = np.where(likes_bars[:, None] == is_bar[None, :], 0.25, 0.03)
    source, target = np.nonzero(rng.random((viewers, places)) < wanted)
    saves = decisions_of(source, target, np.ones(len(source)), NOW - rng.random(len(source)) * 30 * DAY)
    learnt = learn_places(
        table_from_columns(
            "place", {"number": np.arange(1, places + 1), "market": 0, "category": is_bar}, places
        ),
        table_from_columns("member", {"number": np.arange(1, viewers + 1)}, viewers),
        saves,
        shown=NOTHING,
        popularity=np.zeros(places),
        today=TODAY,
    )
    assert learnt.viewers is not None
    affinity = learnt.viewers["taste"] @ learnt.table["looks"].T
    assert quality.auc((likes_bars[:, None] == is_bar[None, :]).ravel(), affinity.ravel()) > 0.85
    assert learnt.report["save"]["auc"] > 0.7


def test_no_places_and_no_saves_are_no_error() -> None:
    learnt = learn_places(
        empty_table("place"),
        empty_table("member"),
        NOTHING,
        shown=NOTHING,
        popularity=np.zeros(0),
        today=TODAY,
    )
    assert len(learnt.table) == 0
    assert learnt.models == {}


def test_places_shown_and_not_saved_are_the_other_class() -> None:
    rng = np.random.default_rng(4)
    places = table_from_columns("place", {"number": np.arange(1, 41), "market": 0}, 40)
    viewers = table_from_columns("member", {"number": np.arange(1, 101)}, 100)
    pairs = np.argwhere(rng.random((100, 40)) < 0.5)
    saved = pairs[pairs[:, 1] < 20]  # the first twenty are saved whenever they are shown
    at = NOW - rng.random(len(pairs)) * 30 * DAY
    shown = decisions_of(pairs[:, 0], pairs[:, 1], np.zeros(len(pairs)), at)
    saves = decisions_of(saved[:, 0], saved[:, 1], np.ones(len(saved)), at[pairs[:, 1] < 20])
    liked_places = np.where(np.arange(40) < 20, 4.0, 0.0)
    learnt = learn_places(places, viewers, saves, shown=shown, popularity=liked_places, today=TODAY)
    assert learnt.report["shown"] == len(pairs)
    assert learnt.report["save"]["auc"] > 0.8
