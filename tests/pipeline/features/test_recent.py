"""Features of the last minutes and days at their edges."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.pipeline.contracts import Pool
from apps.pipeline.features import recent
from apps.pipeline.params import PipelineParams
from apps.pipeline.signals import DEED, TOO_FAR, Signals, by_number
from tests.pipeline.markets import HOUR, NOW, member_table, request_for, snapshot_of

FAR = {"x": 3000}  # 30 km to the east
TABLE = member_table(
    [{}, {"x": 500}, FAR, {"x": 4000}, {"active_hour": HOUR - 23}, {"active_hour": HOUR - 24}]
)
SNAPSHOT = snapshot_of(TABLE)


def values(feature, signals, **params):
    request = request_for(SNAPSHOT, 1, params=PipelineParams(**params), signals=signals)
    return feature(request, Pool(TABLE, np.zeros(len(TABLE), "u4"))).astype("f4").tolist()


def test_fatigue_grows_with_the_times_seen():
    signals = Signals(tired_of=np.array([2, 3, 4], "i4"), times_seen=np.array([0.5, 1, 3], "f4"))
    assert values(recent.fatigue, signals) == pytest.approx([0, 1 - 2**-0.5, 0.5, 0.875, 0, 0])


def test_an_inbox_is_told_in_quarters_so_that_no_single_like_shows():
    signals = Signals(unread=np.array([9, 9, 10, 39, 40, 255, 0], "u1"))
    assert values(recent.inbox_load, signals, inbox_full=40) == [0, 0.25, 0.75, 1, 1, 0]


@given(st.lists(st.integers(0, 255), min_size=1, max_size=8), st.integers(-1, 1000))
def test_an_inbox_is_full_by_as_many_quarters_as_numpy_finds(unread, full):
    unread = np.array([*unread, 0], "u1")
    share = by_number(unread, TABLE["number"]).astype("f4") / np.float32(max(full, 1))
    expected = np.floor(np.minimum(share, 1.0) * 4.0) / 4.0
    assert values(recent.inbox_load, Signals(unread=unread), inbox_full=full) == expected.tolist()


def test_somebody_counts_as_active_for_whole_hours_by_snapshot_or_by_now():
    assert values(recent.presence, Signals()) == [0, 0, 0, 0, 1, 0]
    now = Signals(active_hour=np.array([0, 0, HOUR, HOUR - 24, 0], "i4"))
    assert values(recent.presence, now) == [0, 1, 0, 0, 1, 0]


def test_too_far_lowers_those_as_far_and_fades():
    signals = Signals(less=np.array([(3, TOO_FAR, NOW - 14 * 86_400)], DEED))
    assert values(recent.less_like_this, signals) == [0, 0, 0.5, 0.5, 0, 0]
    here = Signals(less=np.array([(5, TOO_FAR, NOW), (99, TOO_FAR, NOW)], DEED))
    assert values(recent.less_like_this, here) == [0] * 6
