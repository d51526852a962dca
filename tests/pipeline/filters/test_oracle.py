"""The compiled predicates agree with the numpy oracle, rule by rule, on markets full of edges."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.pipeline.contracts import Trip
from apps.pipeline.filters import eligibility, oracle
from apps.pipeline.filters.rules import CODE
from tests.pipeline.markets import DAY, member_table, random_members, random_places, request_for, snapshot_of

SEEDS = st.integers(0, 10_000)
DAYS = st.integers(0, 400)


def assert_agrees(request):
    table = request.data.candidates
    refusals = eligibility.refusals(request, table)
    for name, mask in oracle.refusing(request, table).items():
        assert np.array_equal(refusals >> CODE[name] & 1 == 1, mask), name
    assert np.array_equal(refusals == 0, oracle.eligible(request, table))


@pytest.mark.parametrize("surface", ["dating", "networking"])
@given(seed=SEEDS, market=st.integers(-1, 1), viewer=st.integers(1, 80))
@settings(max_examples=60, deadline=None)
def test_members_agree_with_the_oracle(surface, seed, market, viewer):
    random = np.random.default_rng(seed)
    snapshot = snapshot_of(random_members(80, seed), surface=surface)
    marked = random.integers(-3, 90, (2, 6))
    assert_agrees(request_for(snapshot, viewer, market=market, excluded=marked[0], gone=marked[1]))


STAYS = st.one_of(
    st.none(), st.builds(lambda first, days: Trip(1, DAY + first, DAY + first + days), DAYS, DAYS)
)


@given(seed=SEEDS, born=st.sampled_from([0, 20080601, 20080602, 19960101]), stay=STAYS)
@settings(max_examples=80, deadline=None)
def test_places_agree_with_the_oracle(seed, born, stay):
    viewers = member_table([{"birth_date": born}])
    snapshot = snapshot_of(random_places(60, seed), surface="travel", viewers=viewers)
    market = -1 if stay is None else stay.market
    assert_agrees(request_for(snapshot, 1, excluded=[3, 4], gone=[5], stay=stay, market=market))


def test_the_edges_are_really_met():
    """Every rule refuses somebody whom no other rule refuses, so that none can break unseen."""
    alone = set()
    for seed in range(60):
        snapshot = snapshot_of(random_members(400, seed))
        request = request_for(snapshot, 1 + seed, market=0, excluded=range(50, 90), gone=range(90, 130))
        masks = oracle.refusing(request, request.data.candidates)
        total = np.sum(list(masks.values()), axis=0)
        alone |= {name for name, mask in masks.items() if np.any(mask & (total == 1))}
    assert alone == set(masks)
    alone = set()
    for seed in range(20):
        snapshot = snapshot_of(random_places(400, seed), surface="travel", viewers=member_table([{}]))
        request = request_for(snapshot, 1, excluded=range(50, 90), gone=range(90, 130))
        masks = oracle.refusing(request, request.data.candidates)
        total = np.sum(list(masks.values()), axis=0)
        alone |= {name for name, mask in masks.items() if np.any(mask & (total == 1))}
    assert alone == set(masks) - {"not_adult"}  # the viewer's alone: it refuses all
