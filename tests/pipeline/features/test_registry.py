"""Every feature: its number on a pair worked out by hand, and its promise on any pool."""

import subprocess
import sys

import numpy as np
import pytest

from apps.pipeline.contracts import Pool
from apps.pipeline.features.registry import FEATURES
from apps.pipeline.signals import DEED, OTHER_INDUSTRY, Signals
from tests.pipeline.markets import (
    DAY,
    HOUR,
    NOW,
    member_table,
    place_table,
    random_members,
    random_places,
    request_for,
    snapshot_of,
    vector,
)

ANN = {
    "taste": vector(1.0),
    "looks": vector(0.0, 1.0),
    "interests": 0b011,
    "skills": 0b1,
    "industries": 1,
    "crafts": 1,
}
BOB = {
    "looks": vector(np.log(3.0)),
    "taste": vector(0.0, -np.log(3.0)), "selectivity": np.log(4.0), "appeal": 0.0,
    "popularity": 100, "active_hour": HOUR - 72, "interests": 0b111, "skills": 0b1, "industries": 0b11,
    "crafts": 0b10, "x": 600, "y": 800, "birth_date": 19890101, "joined_day": DAY - 7,
}  # fmt: skip
OF_BOB = {
    "reply": 0.0,  # nothing was learnt of replies
    "stays": 0.0,
    "affinity": 0.75,
    "reverse_affinity": 0.25,
    "selectivity": 0.8,
    "appeal": 0.5,
    "popularity": 1.0,
    "activity": 0.5,
    "shared_interests": 0.75,
    "shared_skills": 0.5,
    "same_industry": 1.0,
    "complementary_crafts": 0.5,
    "mutual_connections": 0.75,  # with 3 and 4
    "adamic_adar": 1 - 2 ** -(2 / np.log(3)),  # who know three each
    "pagerank": 0.2,
    "closeness": 0.5,  # 10 km
    "age_closeness": 0.5,  # 7 years
    "newcomer": 0.5,
    "fatigue": 0.75,  # seen twice
    "inbox_load": 0.25,  # 19 of 40 unread likes: one quarter is full
    "presence": 0.0,
    "less_like_this": 0.5,  # of an industry of hers, two weeks ago
}
OF_BAR = {
    "taste": 0.75,
    "alike": 1 / 255,
    "closeness": 0.5,
    "popularity": 0.5,
    "curated": 1.0,
    "in_season": 1.0,
    "friends_saved": 0.75,
    "affordable": 1.0,
    "fatigue": 0.0,
}


def test_features_of_a_pair_of_members():
    table = member_table([ANN, BOB, {}, {}])
    snapshot = snapshot_of(table, edges=[(1, 3), (1, 4), (2, 3), (2, 4), (3, 4)], near=[(1, 2)] * 51)
    signals = Signals(
        less=np.array([(2, OTHER_INDUSTRY, NOW - 14 * 86_400)], DEED),
        tired_of=np.array([2], "i4"),
        times_seen=np.array([2.0], "f4"),
        unread=np.array([0, 0, 19, 0], "u1"),
    )
    request = request_for(snapshot, 1, signals=signals)
    pool = Pool(table.gather(np.array([1])), np.zeros(1, "u4"))
    found = {name: float(f.column(request, pool)[0]) for name, f in FEATURES["member"].items()}
    assert found == pytest.approx(OF_BOB, abs=1e-6)


def test_features_of_a_place():
    bar = {
        "looks": vector(np.log(3.0)), "x": 600, "y": 800,
        "popularity": np.log1p(1000) / 2, "curated": 1, "price_band": 1,
        "best_months": 1 << 6,
    }  # fmt: skip
    table = place_table([bar], first_number=9)
    snapshot = snapshot_of(
        table, surface="travel", viewers=member_table([ANN]), saves=[(1, 9), (1, 9)], alike=[(1, 9)]
    )
    pool = Pool(table, np.zeros(1, "u4"))
    found = {
        name: float(f.column(request_for(snapshot, 1), pool)[0]) for name, f in FEATURES["place"].items()
    }
    assert found == pytest.approx(OF_BAR, abs=1e-6)


@pytest.mark.parametrize("kind", ["member", "place"])
@pytest.mark.parametrize("n", [0, 1, 50])
def test_every_feature_is_a_finite_column_within_zero_and_one(kind, n):
    members = random_members(50, 5)
    table = (random_members if kind == "member" else random_places)(50, 6)
    viewers = None if kind == "member" else members
    snapshot = snapshot_of(table, surface="dating" if kind == "member" else "travel", viewers=viewers)
    pool = Pool(table.gather(np.arange(n)), np.zeros(n, "u4"))
    for name, feature in FEATURES[kind].items():
        column = feature.column(request_for(snapshot, 3), pool)
        assert column.shape == (n,), name
        assert column.dtype == np.float32, name
        assert np.all((column >= 0) & (column <= 1)), name
        assert feature.name == name
        assert feature.sentence.endswith(".")


def test_knobs_can_be_made_without_a_compiler():
    code = (
        "import sys, apps.pipeline.lineup, apps.pipeline.features.registry;"
        "assert not {'numba', 'scipy', 'django'} & set(sys.modules), 'heavy import'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
