"""The packed records in a real Valkey: the later fact wins, a missed write is never believed."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from apps.common import gone, online
from apps.common.valkey import reached_run_id, writing_client
from apps.interactions.online import Effect, apply

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = int(NOON.timestamp() // 86_400)


def records(key: str) -> set[tuple[int, int, int]]:
    found = online.read_records(cast("bytes | None", writing_client().get(key)))
    return {(int(r["number"]), int(r["slot"]), int(r["state"])) for r in found}


def effect(type: str, state: str, actor: int, target: int, *, surface: str = "", minutes: int = 0) -> Effect:
    """Decided in the order of the minutes."""
    at = NOON + timedelta(minutes=minutes)
    return Effect(type, state, actor, target, "member", surface, at, version=minutes)


def test_a_block_stands_on_both_sides() -> None:
    apply([effect("block", "blocked", 7, 9)])
    assert records(online.global_key(7)) == {(9, online.BLOCKED_BY_VIEWER, 1)}
    assert records(online.global_key(9)) == {(7, online.BLOCKED_BY_OTHER, 1)}


def test_an_older_unblock_that_arrives_late_does_not_lift_a_block() -> None:
    apply([effect("block", "blocked", 7, 9, minutes=2)])
    apply([effect("unblock", "", 7, 9, minutes=1)])
    assert (9, online.BLOCKED_BY_VIEWER, 1) in records(online.global_key(7))
    apply([effect("unblock", "", 7, 9, minutes=3)])
    assert records(online.global_key(7)) == {(9, online.BLOCKED_BY_VIEWER, 0)}


def test_my_unblock_leaves_the_others_block() -> None:
    apply([effect("block", "blocked", 7, 9), effect("block", "blocked", 9, 7)])
    apply([effect("unblock", "", 7, 9, minutes=1)])
    assert records(online.global_key(7)) == {
        (9, online.BLOCKED_BY_VIEWER, 0),
        (9, online.BLOCKED_BY_OTHER, 1),
    }


def test_numbers_are_found_at_record_borders_only() -> None:
    """257 is the bytes 1 1 0 0: it must not be found across the border of two records."""
    many = [effect("like", "liked", 1, n, surface="dating", minutes=n % 50) for n in range(2, 800)]
    apply(many)
    apply([effect("pass", "passed", 1, 257, surface="dating", minutes=60)])
    found = records(online.acted_key("dating", 1))
    assert len(found) == 798
    assert (257, 0, 2) in found
    assert (256, 0, 1) in found


def test_a_like_is_acted_for_one_side_and_received_for_the_other_on_that_surface_only() -> None:
    apply([effect("like", "liked", 7, 9, surface="dating")])
    assert records(online.acted_key("dating", 7)) == {(9, 0, 1)}
    assert records(online.received_key("dating", 9)) == {(7, 0, 1)}
    assert records(online.acted_key("networking", 7)) == set()


def test_an_impression_makes_seen() -> None:
    apply([effect("impression", "", 7, 9, surface="dating")])
    assert records(online.seen_key("dating", 7)) == {(9, DAY % 256, 1)}
    assert records(online.acted_key("dating", 7)) == set()


def test_impressions_of_one_day_are_one_time_seen() -> None:
    for minutes in (0, 5, 60 * 24, 5):
        apply([effect("impression", "", 7, 9, surface="dating", minutes=minutes)])
    assert records(online.seen_key("dating", 7)) == {(9, DAY % 256, 1), (9, (DAY + 1) % 256, 1)}


def test_repeated_effects_change_nothing() -> None:
    once = [effect("like", "liked", 7, 9, surface="dating"), effect("block", "blocked", 7, 8)]
    apply(once)
    before = writing_client().get(online.global_key(7))
    apply(once)
    assert writing_client().get(online.global_key(7)) == before


def test_gone_and_back() -> None:
    gone.publish_gone("member", dict.fromkeys([3, 4], 1))
    gone.publish_back("member", dict.fromkeys([4], 1))
    assert {int(n) for n in writing_client().smembers(online.GONE["member"])} == {3}


def test_an_older_word_about_who_is_gone_is_refused_however_late_it_comes() -> None:
    client = writing_client()
    gone.say_gone(client, "member", {3: 20, 4: 20, 5: gone.FOR_GOOD})
    gone.say_back(client, "member", {3: 19, 4: 20, 5: 21})
    assert {int(n) for n in client.smembers(online.GONE["member"])} == {3, 5}
    gone.say_gone(client, "member", {4: 19})
    assert {int(n) for n in client.smembers(online.GONE["member"])} == {3, 5}


def test_a_new_connection_knows_which_server_it_reached() -> None:
    run_id = writing_client().info("server")["run_id"]
    assert reached_run_id() == run_id


@pytest.mark.django_db
def test_a_block_that_valkey_did_not_take_is_marked_and_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = redis.Redis(host="127.0.0.1", port=1, socket_connect_timeout=0.1, retry=Retry(NoBackoff(), 0))
    monkeypatch.setattr(online, "writing_client", lambda: gone)
    before = online.current_belief().generation
    start = time.monotonic()
    apply([effect("block", "blocked", 7, 9)])
    assert time.monotonic() - start >= online.LEASE_SECONDS
    belief = online.current_belief()
    assert not belief.trusted
    assert belief.generation == before + 1


@pytest.mark.django_db
def test_a_like_that_valkey_did_not_take_is_marked_but_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gone = redis.Redis(host="127.0.0.1", port=1, socket_connect_timeout=0.1, retry=Retry(NoBackoff(), 0))
    monkeypatch.setattr(online, "writing_client", lambda: gone)
    start = time.monotonic()
    apply([effect("like", "liked", 7, 9, surface="dating")])
    assert time.monotonic() - start < online.LEASE_SECONDS
    assert not online.current_belief().trusted


def test_a_server_that_forgot_its_scripts_is_told_all_the_same() -> None:
    told = [effect("like", "liked", 7, 9, surface="dating"), effect("impression", "", 7, 9, surface="dating")]
    apply(told)
    writing_client().flushall()
    writing_client().script_flush()
    assert apply(told)
    assert records(online.acted_key("dating", 7)) == {(9, 0, 1)}
    assert records(online.received_key("dating", 9)) == {(7, 0, 1)}
    assert {number for number, _, _ in records(online.seen_key("dating", 7))} == {9}


@pytest.mark.django_db
@pytest.mark.parametrize("broken", [online.acted_key, online.session_key])
def test_of_a_conversation_one_refusal_marks_all_of_it_as_missed(broken: Callable[[str, int], str]) -> None:
    assert apply([effect("like", "liked", 8, 9, surface="dating")])  # the scripts are known
    writing_client().lpush(broken("dating", 7), "what no script can read")
    assert not apply([effect("like", "liked", 7, 9, surface="dating")])
    assert not online.current_belief().trusted


def test_what_was_taken_back_before_it_was_told_stays_so() -> None:
    apply([effect("undo", "", 7, 9, surface="dating", minutes=2), effect("unblock", "", 7, 9, minutes=2)])
    apply([effect("like", "liked", 7, 9, surface="dating"), effect("block", "blocked", 7, 9)])
    assert records(online.acted_key("dating", 7)) == {(9, 0, 0)}
    assert records(online.received_key("dating", 9)) == {(7, 0, 0)}
    assert records(online.global_key(9)) == {(7, online.BLOCKED_BY_OTHER, 0)}


def test_of_a_pair_nobody_was_told_of_only_what_is_there_is_kept() -> None:
    apply([effect("pass", "passed", 7, 9, surface="dating")._replace(first=True)])
    assert records(online.acted_key("dating", 7)) == {(9, 0, 2)}
    assert not writing_client().exists(online.acted_key("dating", 9), online.received_key("dating", 9))


def test_of_too_many_the_newest_stay_whatever_the_order_of_arrival() -> None:
    client, key = writing_client(), online.seen_key("dating", 7)
    online.merge(client, {key: [(number, 0, 1, 1000.0 + number) for number in range(1, 17)]}, keep=16)
    online.merge(client, {key: [(99, 0, 1, 5.0)]}, keep=16)  # long ago, told last
    assert {number for number, _, _ in records(key)} == set(range(3, 17))
