"""The reserve script against a real Valkey."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import cast
from uuid import UUID

import numpy as np
import numpy.typing as npt
import pytest

from apps.common import online
from apps.common.gone import publish_gone
from apps.common.valkey import writing_client
from apps.delivery import trips
from apps.delivery.ledger import NotBelieved, Order, read_answered, reserve

NOON = 1_772_366_400.0  # 2026-03-01 12:00:00 UTC
ORDER = Order(
    surface="dating",
    kind="member",
    viewer=1,
    generation=5,
    limit=2,
    now=NOON,
    hold_seconds=1800,
    candidates=np.array([11, 12, 13], "i4"),
    payload=b"{}",
    viewer_state=b"",
    delivery=UUID("018f0000-0000-8000-8000-000000000001"),
)


def cap(daily: int = 0, hourly: int = 0) -> npt.NDArray[np.int32]:
    """The same for all candidates."""
    return np.array([[daily, hourly]], "i4")


def at_cap(number: int, cap: int, *, hourly: bool = False) -> bytes:
    """How somebody at a cap is noted."""
    return np.array([(number, hourly, cap)], online.CAPPED).tobytes()


@pytest.fixture(autouse=True)
def believed() -> None:
    writing_client().set(online.MARKER, 5)


def held_by(viewer: int) -> set[int]:
    found = online.read_records(cast("bytes | None", writing_client().get(online.held_key("dating", viewer))))
    return {int(record["number"]) for record in found}


def test_the_best_are_kept_in_order_up_to_the_limit() -> None:
    assert reserve(ORDER).kept == [0, 1]


def test_the_reserve_fills_the_place_of_whoever_is_gone() -> None:
    publish_gone("member", dict.fromkeys([11], 1))
    reservation = reserve(ORDER)
    assert reservation.kept == [1, 2]
    assert reservation.gone == 1


@pytest.mark.parametrize(
    ("limit", "kept", "gone", "capped"),
    [
        (1, [1], 1, 0),
        (2, [1, 4], 2, 1),
        (3, [1, 4, 5], 2, 1),
        (7, [1, 4, 5, 6], 2, 1),
        (99, [1, 4, 5, 6], 2, 1),
    ],
)
def test_each_is_judged_by_their_own_wherever_they_stand(
    limit: int, kept: list[int], gone: int, capped: int
) -> None:
    """The script looks at as many at once as are wanted, and goes on until it has them."""
    publish_gone("member", dict.fromkeys([11, 14], 1))
    reserve(replace(ORDER, viewer=2, candidates=np.array([13], "i4"), caps=cap(1)))
    caps = np.array([[0, 0], [0, 0], [1, 0], [0, 0], [1, 0], [0, 0], [0, 0]], "i4")  # of 11 to 17
    reservation = reserve(replace(ORDER, limit=limit, candidates=np.arange(11, 18, dtype="i4"), caps=caps))
    assert (reservation.kept, reservation.gone, reservation.capped) == (kept, gone, capped)
    assert held_by(1) == {11 + i for i in kept}


def test_nobody_is_kept_when_all_are_gone() -> None:
    publish_gone("member", dict.fromkeys(range(11, 18), 1))
    reservation = reserve(replace(ORDER, candidates=np.arange(11, 18, dtype="i4")))
    assert (reservation.kept, reservation.gone, reservation.capped) == ([], 7, 0)
    assert held_by(1) == set()


def test_a_candidate_at_the_cap_makes_room_for_the_next() -> None:
    order = replace(ORDER, caps=cap(1), limit=1)
    assert [reserve(replace(order, viewer=v)).kept for v in (1, 2, 3, 4)] == [[0], [1], [2], []]


def test_the_cap_counts_24_hours_and_then_lets_go() -> None:
    order = replace(ORDER, caps=cap(1), limit=1, candidates=np.array([11], "i4"))
    assert reserve(order).kept == [0]
    assert reserve(replace(order, now=NOON + 24 * 3600)).kept == []  # the hour of 24 hours ago still counts
    assert reserve(replace(order, now=NOON + 25 * 3600)).kept == [0]


def test_a_clock_two_hours_ahead_forgets_nothing_that_the_others_still_count() -> None:
    order = replace(ORDER, caps=cap(2), limit=1, candidates=np.array([11], "i4"))
    shown, later = NOON, NOON + 23 * 3600
    assert reserve(replace(order, viewer=1, now=shown)).kept == [0]
    assert reserve(replace(order, viewer=2, now=later + 2 * 3600)).kept == [0]  # by that clock a day is over
    assert reserve(replace(order, viewer=3, now=later)).kept == []


def test_the_cap_is_exact_under_64_callers() -> None:
    order = replace(ORDER, caps=cap(20), limit=3)
    with ThreadPoolExecutor(64) as pool:
        lists = list(pool.map(lambda v: reserve_patiently(replace(order, viewer=v)), range(64)))
    shown = np.bincount([i for kept in lists for i in kept], minlength=3)
    assert shown.tolist() == [20, 20, 20]


def reserve_patiently(order: Order) -> list[int]:
    """64 threads on two cores: a time-out of 50 ms may strike the caller, never the count."""
    import redis

    from apps.delivery import ledger

    client = redis.Redis.from_url(str(online_url()), socket_timeout=10)
    try:
        keys, args = ledger.keys_and_args(order)
        answer = client.eval(ledger._RESERVE, len(keys), *keys, *args)
        return ledger._positions(answer[1])
    finally:
        client.close()


def online_url() -> str:
    from django.conf import settings

    return str(settings.REDIS_URL)


def test_a_list_with_a_short_hold_does_not_end_the_longer_ones() -> None:
    reserve(replace(ORDER, hold_seconds=3600, candidates=np.array([11], "i4")))
    reserve(replace(ORDER, hold_seconds=0, candidates=np.array([12], "i4")))
    assert writing_client().ttl(online.held_key("dating", 1)) > 3600


def test_who_was_shown_is_held_until_the_hold_ends() -> None:
    reserve(ORDER)
    assert held_by(1) == {11, 12}
    later = replace(ORDER, now=NOON + 1801, candidates=np.array([13], "i4"))
    reserve(later)
    assert held_by(1) == {13}


def test_a_repeated_request_id_gets_the_first_answer_and_spends_nothing() -> None:
    order = replace(ORDER, request_key="o:q:k:1", request_digest=b"d" * 16, payload=b"first")
    assert reserve(order).kept == [0, 1]
    again = reserve(replace(order, payload=b"second", candidates=np.array([13], "i4")))
    assert again.answered is not None
    assert again.answered.kept == [0, 1]
    assert again.answered.payload == b"first"
    assert writing_client().xlen(online.STREAM) == 1
    entry = cast(bytes, writing_client().get("o:q:k:1"))
    assert read_answered(entry).digest == b"d" * 16


def test_another_generation_refuses_and_leaves_nothing_behind() -> None:
    with pytest.raises(NotBelieved):
        reserve(replace(ORDER, generation=6))
    writing_client().delete(online.MARKER)
    with pytest.raises(NotBelieved):
        reserve(ORDER)
    assert writing_client().keys("o:*") == []


def test_an_empty_list_is_logged_too() -> None:
    assert reserve(replace(ORDER, candidates=np.zeros(0, "i4"))).kept == []
    assert writing_client().xlen(online.STREAM) == 1


def test_a_candidate_at_the_cap_is_known_to_all_processes_until_the_hour_that_frees_it() -> None:
    order = replace(ORDER, caps=cap(1), limit=1, candidates=np.array([11], "i4"))
    reserve(order)
    reserve(replace(order, viewer=2))
    assert writing_client().zscore(online.capped_key("dating"), at_cap(11, 1)) == NOON + 25 * 3600


def test_each_candidate_has_a_cap_of_their_own() -> None:
    order = replace(ORDER, caps=np.array([[1, 0], [0, 0], [2, 0]], "i4"), limit=3)
    assert [reserve(replace(order, viewer=v)).kept for v in (1, 2, 3)] == [[0, 1, 2], [1, 2], [1]]


def test_caps_of_their_own_are_exact_under_64_callers() -> None:
    order = replace(ORDER, caps=np.array([[20, 0], [0, 0], [7, 30]], "i4"), limit=3)
    with ThreadPoolExecutor(64) as pool:
        lists = list(pool.map(lambda v: reserve_patiently(replace(order, viewer=v)), range(64)))
    shown = np.bincount([i for kept in lists for i in kept], minlength=3)
    assert shown.tolist() == [20, 64, 7]


def test_an_hourly_cap_holds_in_any_60_minutes() -> None:
    order = replace(ORDER, caps=cap(hourly=2), limit=1, candidates=np.array([11], "i4"))
    late = NOON + 3599
    assert [reserve(replace(order, viewer=v, now=late)).kept for v in (1, 2, 3)] == [[0], [0], []]
    a_second_later = replace(order, viewer=4, now=NOON + 3600)
    assert reserve(a_second_later).kept == []  # the hour before still counts
    assert reserve(replace(a_second_later, now=NOON + 7200)).kept == [0]


def test_an_hourly_cap_counts_what_a_faster_request_was_granted_in_the_next_hour() -> None:
    """One that began at 11:59:59.99 reaches the ledger after one that began at 12:00:00.01."""
    order = replace(ORDER, caps=cap(hourly=2), limit=1, candidates=np.array([11], "i4"))
    hour = NOON - NOON % 3600
    after, before = hour + 3600.01, hour + 3599.99
    assert [reserve(replace(order, viewer=v, now=after)).kept for v in (1, 2)] == [[0], [0]]
    assert trips.at_cap("dating", np.array([11], "i4"), cap(hourly=2), before).tolist() == [True]
    assert reserve(replace(order, viewer=3, now=before)).kept == []


def test_the_tighter_of_a_daily_and_an_hourly_cap_applies() -> None:
    order = replace(ORDER, caps=cap(daily=2, hourly=1), limit=1, candidates=np.array([11], "i4"))
    hours = [reserve(replace(order, viewer=h, now=NOON + h * 3600)).kept for h in range(6)]
    assert hours == [[0], [], [0], [], [], []]


def test_who_reached_an_hourly_cap_is_known_to_all_until_the_hour_that_frees_them() -> None:
    order = replace(ORDER, caps=cap(hourly=1), limit=1, candidates=np.array([11], "i4"))
    reserve(order)
    reserve(replace(order, viewer=2))
    score = writing_client().zscore(online.capped_key("dating"), at_cap(11, 1, hourly=True))
    assert score == NOON + 2 * 3600
    reserve(replace(order, viewer=3, now=NOON + 3600))
    assert writing_client().zscore(online.capped_key("dating"), at_cap(11, 1, hourly=True)) == NOON + 2 * 3600


def test_records_of_caps_go_when_they_say_nothing_any_more() -> None:
    order = replace(ORDER, caps=cap(1), limit=1, candidates=np.array([11], "i4"))
    reserve(order)
    reserve(replace(order, viewer=2))
    tomorrow = replace(order, candidates=np.array([12], "i4"), now=NOON + 26 * 3600)
    reserve(replace(tomorrow, viewer=3))
    reserve(replace(tomorrow, viewer=4))
    assert writing_client().zrange(online.capped_key("dating"), 0, -1) == [at_cap(12, 1)]
