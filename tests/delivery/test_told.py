"""Of all who are gone or changed a delivery keeps those who matter to its list, whoever was asked before."""

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from apps.delivery.told import Told, pack, told_by, unpack
from apps.delivery.told_signals import crowd_of
from apps.pipeline.contracts import Request
from apps.pipeline.signals import Signals
from tests.pipeline.markets import random_members, request_for, snapshot_of

SNAPSHOTS = [snapshot_of(random_members(300, seed)) for seed in (1, 2)]


def those_who_matter(request: Request, numbers: np.ndarray) -> list[int]:
    """As it is meant: of the viewer's market, or connected with the viewer."""
    market, table = request.viewer.row["market"][0], request.data.candidates
    here = set(table["number"][table["market"] == market].tolist())
    near = set(request.snapshot.connections.neighbours(request.viewer.number).tolist())
    return [number for number in numbers.tolist() if number in here | near]


def test_who_is_gone_or_stale_is_told_by_market_whatever_was_asked_before():
    draw, asked = np.random.default_rng(3), 0
    sets = [np.sort(draw.choice(300, size, replace=False) + 1).astype("i4") for size in (90, 60, 120, 5)]
    for turn in range(60):
        snapshot = SNAPSHOTS[turn // 7 % 2]
        viewers = snapshot.surfaces["dating"].viewers
        at_home = viewers["number"][viewers["market"] >= 0]
        gone, stale = sets[turn // 5 % 4], sets[(turn // 5 + 1) % 4]
        request = replace(request_for(snapshot, int(draw.choice(at_home))), gone=gone, stale=stale)
        told = told_by(request, np.zeros(0, "i4"))
        assert told.gone.tolist() == those_who_matter(request, request.gone)
        assert told.stale.tolist() == those_who_matter(request, stale)
        asked += len(told.gone) + len(told.stale)
    assert asked > 1000, "hardly anybody mattered: the test shows nothing"


SETS = st.lists(st.integers(0, 2**31 - 1), unique=True, max_size=300).map(
    lambda one: np.array(sorted(one), "i4")
)


@given(st.lists(SETS, min_size=7, max_size=7), st.booleans())
def test_what_is_packed_is_read_again(sets: list[np.ndarray], everybody: bool):
    names = ("excluded", "liked_by", "capped", "gone", "only", "stale", "untied")
    told = Told(**dict(zip(names, sets, strict=True)))
    told = replace(told, only=None) if everybody else told
    packed = pack(told)
    assert packed, "it fits"
    again = unpack(packed, "member")
    for name in names:
        if name == "only" and everybody:
            assert again.only is None
        else:
            assert np.array_equal(getattr(again, name), getattr(told, name))


def test_what_does_not_fit_is_not_packed():
    draw = np.random.default_rng(5)
    assert pack(Told(excluded=np.sort(draw.integers(0, 2**31 - 1, 4000)).astype("i4"))) == b""


def test_of_the_ranked_those_are_told_of_whom_something_is_known():
    unread, active = np.array([0, 3, 0, 0], "u1"), np.array([0, 0, 990, 1005, 0], "i4")
    signals = Signals(unread=unread, active_hour=active)
    crowd = crowd_of(np.array([1, 2, 3, 9], "i4"), signals, hour=1000)
    assert crowd.tolist() == [(1, 3, 255), (2, 0, 10), (3, 0, 0)]  # number, unread likes, hours
