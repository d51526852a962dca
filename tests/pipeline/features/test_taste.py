"""The taste of this minute, worked out by hand, and what it may never do."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.pipeline.features import taste_loop
from apps.pipeline.features.finite import finite
from apps.pipeline.features.taste import STRENGTH, faded, with_taste_of_now
from apps.pipeline.params import PipelineParams
from apps.pipeline.run import run
from apps.pipeline.signals import DEED, LIKED, NOT_MY_TYPE, PASSED, SAVED, SEEN_TOO_OFTEN, Signals
from apps.pipeline.table import DIMENSIONS
from apps.pipeline.vectors import decoded, encoded
from tests.pipeline.markets import (
    NOW,
    member_table,
    place_table,
    random_members,
    request_for,
    snapshot_of,
    vector,
)

HOUR = 3600.0
PARAMS = PipelineParams(session_reach=0.5, session_half_life=2, less_half_life=14)
# 1 looks; 2 and 3 are of one kind, 4 and 5 of another, 6 has no looks at all
MARKET = snapshot_of(
    member_table(
        [
            {"taste": vector(0.0, 0.0, 4.0)},
            {"looks": vector(2.0)}, {"looks": vector(1.0)},
            {"looks": vector(0.0, 3.0)}, {"looks": vector(0.0, 1.0)}, {},
        ]
    )
)  # fmt: skip


def deeds(*said):
    return np.array([(number, what, NOW - hours * HOUR) for number, what, hours in said], DEED)


def moved(*said, less=(), params=PARAMS):
    request = request_for(MARKET, 1, params=params, signals=Signals(deeds(*said), deeds(*less)))
    return with_taste_of_now(request).viewer


def test_a_like_moves_the_taste_half_way_towards_them():
    viewer = moved((2, LIKED, 0))
    # pull = (1, 0): |taste| 4 x reach 0.5 x 1 / (1 + 1)
    assert viewer.moved[:3] == pytest.approx([1.0, 0.0, 0.0])
    assert viewer.row["taste"][0][:3] == pytest.approx([1.0, 0.0, 4.0])


def test_a_pass_moves_it_away_by_half_as_much_and_fades_by_half_in_two_hours():
    # pull = -0.5 x 2^-1 in the second direction
    assert moved((4, PASSED, 2)).moved[1] == pytest.approx(-2.0 * 0.25 / 1.25)


def test_not_my_type_counts_as_four_passes_and_the_other_reasons_move_no_taste():
    assert moved(less=[(4, NOT_MY_TYPE, 0)]).moved[1] == pytest.approx(-2.0 * 2.0 / 3.0)
    assert moved(less=[(4, SEEN_TOO_OFTEN, 0)]).moved is None


@pytest.mark.parametrize(
    "said",
    [
        [],
        [(2, LIKED, 8.0)],  # four half-lives ago
        [(6, LIKED, 0)],  # nobody knows how they look
        [(99, LIKED, 0), (-1, LIKED, 0)],  # nobody knows them
        [(2, LIKED, 0), (3, PASSED, 0), (3, PASSED, 0)],  # a like and two passes of the same kind
    ],
)
def test_what_says_nothing_moves_nothing(said):
    assert moved(*said).moved is None


def test_a_reach_of_zero_switches_it_off():
    assert moved((2, LIKED, 0), params=PipelineParams()).moved is None


def test_a_viewer_without_a_taste_gets_one_from_what_they_like():
    snapshot = snapshot_of(member_table([{}, {"looks": vector(2.0)}]))
    request = request_for(snapshot, 1, params=PARAMS, signals=Signals(deeds((2, LIKED, 0))))
    assert with_taste_of_now(request).viewer.moved[0] == pytest.approx(0.25)


def test_those_like_the_liked_rise_and_those_like_the_passed_fall():
    before = run(request_for(MARKET, 1, params=PARAMS)).numbers.tolist()
    liked = run(request_for(MARKET, 1, params=PARAMS, signals=Signals(deeds((4, LIKED, 0))), excluded=[4]))
    passed = run(request_for(MARKET, 1, params=PARAMS, signals=Signals(deeds((2, PASSED, 0))), excluded=[2]))
    assert before.index(3) < before.index(5)
    assert liked.numbers.tolist()[0] == 5
    assert passed.numbers.tolist()[-1] == 3
    assert {"taste_moved": 1.0} in [stage.detail.get("signals") for stage in liked.trace.stages]


@given(
    said=st.lists(
        st.tuples(st.integers(-2, 60), st.sampled_from([LIKED, PASSED, 3, 77]), st.floats(-5, 500)),
        max_size=32,
    ),
    reach=st.floats(0, 1),
)
@settings(max_examples=60, deadline=None)
def test_the_taste_never_moves_further_than_its_reach(said, reach):
    snapshot = snapshot_of(random_members(50, 3, market=0))
    params = PipelineParams(session_reach=reach)
    request = request_for(snapshot, 1, params=params, signals=Signals(deeds(*said)))
    viewer = with_taste_of_now(request).viewer
    length = float(np.linalg.norm(request.viewer.row["taste"][0]))
    assert viewer.moved is None or np.linalg.norm(viewer.moved) <= reach * length * (1 + 1e-5)
    again = with_taste_of_now(with_taste_of_now(request)).viewer
    assert np.array_equal(again.row["taste"], viewer.row["taste"])


def pull_of(deeds, strength, half_life, row_of, looks):
    """In plain numpy: the sum of directions."""
    known = (deeds["number"] >= 0) & (deeds["number"] < len(row_of))
    known[known] = row_of[deeds["number"][known]] >= 0
    deeds = deeds[known]
    weights = strength[deeds["what"]] * faded(deeds["at"], NOW, half_life)
    theirs = finite(decoded(looks[row_of[deeds["number"]]]).astype("f8"))
    lengths = np.linalg.norm(theirs, axis=1)
    return (weights / np.where(lengths > 0.0, lengths, 1.0)) @ theirs


@given(
    seed=st.integers(0, 10_000), n=st.integers(0, 40), stored=st.sampled_from(["float32", "bfloat16"]),
    half_life=st.sampled_from([1.0, 2 * HOUR]),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_the_pass_agrees_with_numpy(seed, n, stored, half_life):
    random = np.random.default_rng(seed)
    done = deeds(
        *zip(
            random.integers(-2, 70, n),
            random.choice([LIKED, PASSED, SAVED, 77], n),
            random.normal(0, 4, n),
            strict=True,
        )
    )
    row_of = np.where(random.random(60) < 0.8, random.permutation(60), -1).astype("i4")
    looks = random.normal(0, 1, (60, DIMENSIONS)).astype("f4")
    looks[random.random(60) < 0.2] = 0.0
    looks[random.random(looks.shape) < 0.02] = np.nan
    looks, found = encoded(looks, stored), np.ones(DIMENSIONS, "f4")
    taste_loop.pull(done, STRENGTH, NOW, half_life, row_of, looks, found)
    expected = 1.0 + pull_of(done, STRENGTH, half_life, row_of, looks)
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("which", ["decided", "less"])
def test_deeds_do_no_harm_where_nobody_is_left_to_be_shown(which):
    empty = snapshot_of(place_table([]), surface="travel", viewers=member_table([{}]))
    signals = Signals(**{which: deeds((2, NOT_MY_TYPE, 1))})
    params = PipelineParams(lineup="places", session_reach=0.5, weights={"less_like_this": 1.0})
    slate = run(request_for(empty, 1, params=params, signals=signals))
    assert len(slate.numbers) == 0
