"""The heavy ranker finds what goes together, and stays away where it finds nothing."""

import numpy as np
import pytest

from apps.learning.decisions import Decisions, decisions_of
from apps.learning.heavy_model import compare, fit_heavy_model
from apps.learning.judging import Groups
from apps.learning.members import learn_members
from apps.learning.rankers import answers_a_like, fit_rankers
from apps.pipeline.params import PipelineParams
from apps.pipeline.run import run
from apps.pipeline.table import Table, table_from_columns
from tests.learning.worlds import DAY, NOW, TODAY
from tests.pipeline.markets import request_for, snapshot_of

MEMBERS, EACH = 1500, 20
OF, SHARE = 16, 3  # three words of sixteen: half of all pairs have one in common


def _words(rng) -> np.ndarray:
    """[members] sets of SHARE words of OF."""
    chosen = rng.random((MEMBERS, OF)).argsort(axis=1)[:, :SHARE]
    return (1 << chosen).sum(axis=1)


def one_or_the_other() -> tuple[Table, Decisions]:
    """Liked is whoever is of one's industry or shares an interest, but not both."""
    rng = np.random.default_rng(3)
    industries, interests = (_words(rng) for _ in range(2))
    source = np.repeat(np.arange(MEMBERS), EACH)
    target = (source + rng.integers(1, MEMBERS, len(source))) % MEMBERS
    _, first = np.unique(source * MEMBERS + target, return_index=True)
    source, target = source[first], target[first]
    wanted = (industries[source] & industries[target] != 0) ^ (interests[source] & interests[target] != 0)
    liked = rng.random(len(source)) < 1 / (1 + np.exp(-np.where(wanted, 1.5, -1.5)))
    table = table_from_columns(
        "member",
        {
            "number": np.arange(1, MEMBERS + 1),
            "gender": 1,
            "seeking": 1,
            "intents": 1,
            "age_max": 120,
            "birth_date": 19900101,
            "industries": industries,
            "interests": interests,
        },
        MEMBERS,
    )
    at = NOW - rng.random(len(source)) * 30 * DAY
    return table, decisions_of(source, target, liked, at)


@pytest.fixture(scope="module")
def learnt():
    table, decisions = one_or_the_other()
    return learn_members(table, decisions, now=NOW, today=TODAY), table


def test_it_finds_what_no_sum_can_say(learnt):
    report = learnt[0].report
    assert report["like"]["auc"] < 0.6
    assert report["heavy"]["auc"] > 0.75  # the truth itself, a coin of .82 and .18, is at .82
    assert report["heavy"]["calibration_error"] < 0.1  # of 3,750 decisions, learnt from as many
    assert report["heavy"]["used"]
    assert report["heavy"]["gain_low"] > 0.05
    assert report["heavy"]["over_light_low"] > 0.15
    assert report["models"] == ["heavy", "like"]


def test_the_list_is_led_by_those_whom_only_it_can_tell(learnt):
    """From learning through the snapshot to the list: one's own industry or interest, and not both."""
    found, table = learnt
    snapshot = snapshot_of(found.table, models=found.models, arrays=found.arrays)
    viewer = table.gather(np.array([0]))
    wanted = (table["industries"] & viewer["industries"] != 0) ^ (
        table["interests"] & viewer["interests"] != 0
    )

    def share(width):
        params = PipelineParams(
            heavy_width=width, reciprocity="viewer_only", quotas={"nearest": MEMBERS, "newcomers": 0}
        )
        return float(wanted[run(request_for(snapshot, 1, params=params, limit=20)).numbers - 1].mean())

    assert share(MEMBERS) > 0.9
    assert share(0) < 0.8


NOBODY = Groups.of(table_from_columns("member", {}, 8000), decisions_of([], [], []))


def asked(n: int, strength: float, turned_from: float = 1.0):
    """Decisions at times 0 to n with two features; liked is whoever has one of them and not the other.

    From the share `turned_from` of them on it is the other way round.
    """
    rng = np.random.default_rng(4)
    columns = {name: rng.integers(0, 2, n).astype("f4") for name in ("light_eyes", "tall")}
    logit = np.where(columns["light_eyes"] != columns["tall"], strength, -strength)
    logit[int(turned_from * n) :] *= -1.0
    liked = rng.random(n) < 1 / (1 + np.exp(-logit))
    decisions = decisions_of(np.arange(n), np.zeros(n), liked, np.arange(n))
    return decisions, lambda some: ({name: column[some.source] for name, column in columns.items()}, None)


def test_where_nothing_goes_together_the_light_one_stays_alone():
    found = fit_rankers(*asked(8000, 0.0), "like", NOBODY)
    assert found.report["heavy"]["used"] is False
    assert set(found.models) == {"like"}
    assert found.arrays == {}


def test_it_is_judged_on_decisions_later_than_those_it_learnt_from():
    """Turned around at the last, what was learnt before is wrong there: it must not be used."""
    assert "heavy" in fit_rankers(*asked(8000, 1.5), "like", NOBODY).models
    found = fit_rankers(*asked(8000, 1.5, turned_from=0.5), "like", NOBODY)
    assert found.report["heavy"]["gain_high"] < 0.0
    assert "heavy" not in found.models


def test_few_decisions_give_no_heavy_ranker():
    rng = np.random.default_rng(0)
    assert fit_heavy_model({"light": rng.random(500).astype("f4")}, rng.random(500) < 0.5) is None


def test_the_gain_is_a_mean_with_an_interval_by_member():
    """Two members, two decisions each: gains of log 2 for one, 0 for the other."""
    liked = np.array([True, True, True, True])
    light, heavy = np.array([0.25, 0.25, 0.5, 0.5], "f4"), np.array([0.5, 0.5, 0.5, 0.5], "f4")
    found = compare(liked, light, heavy, np.array([7, 7, 9, 9]))
    assert found["gain"] == pytest.approx(np.log(2) / 2)
    half = 1.96 * np.sqrt(2 * np.log(2) ** 2) / 4
    assert found["gain_low"] == pytest.approx(np.log(2) / 2 - half)
    assert found["used"] is False


def test_who_likes_back_answers_a_like_from_before():
    """1 liked 0, 2 passed 0, 3 liked 0 at the very moment and 4 later: of 0's decisions one is an answer."""
    said = decisions_of([1, 2, 3, 4], [0, 0, 0, 0], [True, False, True, True], [10, 10, 20, 30])
    of_0 = decisions_of([0] * 5, [1, 2, 3, 4, 5], [True, False, True, False, True], [20] * 5)
    assert answers_a_like(of_0, said).tolist() == [True, False, False, False, False]
    assert not answers_a_like(of_0, decisions_of([], [], [])).any()


def test_likes_back_are_judged_apart():
    """Most like back and half like, and no feature says who was liked before: right for all together, far
    off for answers."""
    decisions, features = asked(8000, 0.0)
    first = decisions_of(np.zeros(8000), np.arange(8000), np.arange(8000) % 2 == 0, np.full(8000, -1))
    back = np.where(np.arange(8000) % 2 == 0, True, decisions.liked)
    back[::20] = False
    every = Decisions(decisions.source, decisions.target, back, decisions.at)
    report = fit_rankers(every, features, "like", NOBODY, first).report
    assert report["like_back"]["decisions"] == 2000
    assert report["like_back"]["yes"] == pytest.approx(0.9)
    assert report["like_back"]["calibration_error"] > 0.15
    assert report["like"]["calibration_error"] < 0.05


def test_learning_twice_gives_the_same_trees():
    first, second = (fit_rankers(*asked(8000, 1.5), "like", NOBODY) for _ in range(2))
    assert first.models == second.models
    assert list(first.arrays) == ["heavy.feature", "heavy.threshold", "heavy.leaf"]
    for name, array in first.arrays.items():
        assert np.array_equal(array, second.arrays[name])
