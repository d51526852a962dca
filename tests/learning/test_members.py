import numpy as np
import pytest

from apps.learning import quality
from apps.learning.decisions import decisions_of, split_by_time
from apps.learning.like_model import features_of, fit_like_model
from apps.learning.members import learn_members
from apps.learning.representation import represent_members, with_columns
from apps.pipeline.features.chances import like_probability
from apps.pipeline.features.tower import embed, profile_matrix
from apps.pipeline.table import table_from_columns
from tests.learning.worlds import NOW, TODAY, two_camps


def test_a_newcomer_is_placed_by_profile_alone() -> None:
    table, decisions, camp = two_camps()
    learnt = learn_members(table, decisions, now=NOW, today=TODAY)
    newcomer = table_from_columns(
        "member", {"number": 999, "gender": 1, "birth_date": 19900101, "crafts": 2}, 1
    )
    content = {f"dating.{name}": weights for name, weights in learnt.content.items()}
    row = embed(newcomer, surface="dating", content=content, today=TODAY)
    affinity = learnt.table["looks"] @ row["taste"][0]
    assert quality.auc(camp == 1, affinity) > 0.9


def test_the_like_model_puts_later_likes_before_later_passes() -> None:
    table, decisions, _ = two_camps(n=200, each=60)
    report = learn_members(table, decisions, now=NOW, today=TODAY).report["like"]
    assert report["auc"] > 0.8


def test_the_like_model_promises_what_happens() -> None:
    # 1,500 later decisions in ten bins: even a perfect model shows a gap of about 0.03.
    table, decisions, _ = two_camps(n=200, each=60, strength=1.0)
    report = learn_members(table, decisions, now=NOW, today=TODAY).report["like"]
    assert report["calibration_error"] < 0.06


def test_likes_that_mean_nothing_are_predicted_as_a_coin() -> None:
    """The guard against a leak: with labels at random, features that had seen them would look clever."""
    table, decisions, _ = two_camps(n=200, each=40, strength=0.0)
    report = learn_members(table, decisions, now=NOW, today=TODAY).report["like"]
    assert abs(report["auc"] - 0.5) < 0.05


def test_features_made_of_their_own_labels_would_look_clever() -> None:
    """The same noise, judged on the block that made the features: what the split by time prevents."""
    table, decisions, _ = two_camps(n=200, each=40, strength=0.0)
    profiles = profile_matrix(table, "member", today=TODAY)
    leaky = with_columns(table, represent_members(decisions, profiles).columns)
    features = features_of(leaky, leaky, decisions, None)
    model = fit_like_model(features, decisions.liked)
    assert model is not None
    assert quality.auc(decisions.liked, like_probability(features, model)) > 0.6


def test_blocks_of_time_share_no_decision() -> None:
    _, decisions, _ = two_camps(n=50)
    earlier, later = split_by_time(decisions, 0.75)
    assert len(earlier) + len(later) == len(decisions)
    assert earlier.at.max() < later.at.min()
    assert len(earlier) / len(decisions) == pytest.approx(0.75, abs=0.01)


def test_popularity_counts_likes_of_the_last_30_days() -> None:
    table = table_from_columns("member", {"number": [1, 2, 3]}, 3)
    day = 86400
    decisions = decisions_of(
        [0, 1, 0, 2], [2, 2, 1, 1], [True, True, False, True], [NOW - day, NOW - 2 * day, NOW, NOW - 40 * day]
    )
    assert learn_members(table, decisions, now=NOW, today=TODAY).table["popularity"].tolist() == [0, 0, 2]


@pytest.mark.parametrize("members", [0, 1, 2])
@pytest.mark.parametrize("liked", [None, True, False])
def test_almost_nothing_gives_defaults_and_no_error(members: int, liked: bool | None) -> None:
    table = table_from_columns("member", {"number": np.arange(1, members + 1)}, members)
    known = [] if liked is None or members < 2 else [liked]
    n = len(known)
    decisions = decisions_of([0] * n, [1] * n, known, [NOW] * n)
    learnt = learn_members(table, decisions, now=NOW, today=TODAY)
    assert learnt.models == {}
    for name in ("taste", "looks", "selectivity", "appeal", "popularity"):
        assert np.isfinite(learnt.table[name]).all()


def test_learning_twice_gives_the_same() -> None:
    table, decisions, _ = two_camps(n=80)
    first, second = (learn_members(table, decisions, now=NOW, today=TODAY) for _ in range(2))
    assert first.models == second.models
    for name, column in first.table.columns.items():
        assert np.array_equal(column, second.table[name])
