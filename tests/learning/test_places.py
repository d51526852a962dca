import numpy as np

from apps.learning import quality
from apps.learning.decisions import decisions_of
from apps.learning.places import _drawn, learn_places
from apps.pipeline.features.tower import embed
from apps.pipeline.table import empty_table, table_from_columns
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


def test_saves_that_mean_nothing_are_predicted_as_a_coin() -> None:
    """The guard against a leak: with saves at random, features that had seen them would look clever."""
    rng = np.random.default_rng(5)
    places = table_from_columns("place", {"number": np.arange(1, 61), "tags": rng.integers(0, 8, 60)}, 60)
    viewers = table_from_columns(
        "member", {"number": np.arange(1, 201), "crafts": rng.integers(0, 8, 200)}, 200
    )
    pairs = np.argwhere(rng.random((200, 60)) < 0.6)
    at = NOW - rng.random(len(pairs)) * 30 * DAY
    saved = rng.random(len(pairs)) < 0.3
    saves = decisions_of(pairs[saved, 0], pairs[saved, 1], np.ones(saved.sum()), at[saved])
    learnt = learn_places(
        places,
        viewers,
        saves,
        shown=decisions_of(pairs[:, 0], pairs[:, 1], np.zeros(len(pairs)), at),
        popularity=np.bincount(saves.target, minlength=60),  # it has counted the labels too
        today=TODAY,
    )
    assert abs(learnt.report["save"]["auc"] - 0.5) < 0.06


def test_newcomers_get_from_the_tower_what_their_profile_says() -> None:
    """Members like the places of their own kind; somebody new of a kind does, and so is a new place liked."""
    rng = np.random.default_rng(6)
    kind, place_kind = rng.integers(0, 2, 300), rng.integers(0, 2, 60)
    viewers = table_from_columns("member", {"number": np.arange(1, 301), "crafts": 1 << kind}, 300)
    places = table_from_columns("place", {"number": np.arange(1, 61), "tags": 1 << place_kind}, 60)
    pairs = np.argwhere(rng.random((300, 60)) < 0.5)
    same = kind[pairs[:, 0]] == place_kind[pairs[:, 1]]
    saved = rng.random(len(pairs)) < np.where(same, 0.5, 0.1)
    learnt = learn_places(
        places,
        viewers,
        decisions_of(pairs[saved, 0], pairs[saved, 1], np.ones(saved.sum())),
        shown=decisions_of(pairs[:, 0], pairs[:, 1], np.zeros(len(pairs))),
        popularity=np.zeros(60),
        today=TODAY,
    )
    content = {f"travel.{name}": weights for name, weights in learnt.content.items()}
    members = table_from_columns("member", {"number": [1, 2], "crafts": [1, 2]}, 2)
    fresh = table_from_columns("place", {"number": [1, 2], "tags": [1, 2]}, 2)
    taste = embed(members, surface="travel", content=content, today=TODAY)["taste"]
    looks = embed(fresh, surface="travel", content=content, today=TODAY)["looks"]
    lead = taste @ looks.T
    assert (taste[:, -1] == 1.0).all()
    # log-odds of 0.5 against 0.1: 2.2 apart
    assert 1.5 < lead[0, 0] - lead[0, 1] < 2.9
    assert 1.5 < lead[1, 1] - lead[1, 0] < 2.9


def test_places_drawn_are_of_the_market_of_what_was_saved_in_whatever_order_they_lie() -> None:
    markets = np.random.default_rng(6).integers(-1, 4, 50)
    places = table_from_columns("place", {"number": np.arange(1, 51), "market": markets}, 50)
    saved = np.arange(50)
    drawn = _drawn(places, decisions_of(np.arange(50), saved, np.ones(50)))
    assert (markets[drawn.target] == markets[drawn.source]).all()
    assert len(np.unique(drawn.target)) > 40
