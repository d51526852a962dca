"""Stores that are flushed, stopped or replaced under a serving process: nobody blocked, never an error."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import date, timedelta
from typing import Any

import pytest
import redis
from django.db import connection

from apps.common import clock, online, valkey
from apps.common.valkey import background_client, writing_client
from apps.delivery import runtime as runtimes
from apps.delivery import truth
from apps.delivery.runtime import Runtime
from apps.delivery.services import recommend
from apps.interactions import rebuild
from apps.interactions.copier import copy_all
from apps.interactions.models import Delivery, Relationship
from apps.interactions.online import Effect, apply
from apps.members.models import Member
from apps.places.models import Place
from apps.places.services import delete_place
from raya_recs.embedded import EmbeddedServers
from tests.delivery.conftest import number
from tests.delivery.publishing import publish, rule, with_rules
from tests.delivery.test_services import WOMEN, names
from tests.interactions.world import event, send


@pytest.fixture
def without_valkey(serving: Runtime, servers: EmbeddedServers) -> Iterator[Runtime]:
    servers.stop_valkey()
    yield serving
    servers.start_valkey()


@pytest.fixture
def without_postgres(serving: Runtime, servers: EmbeddedServers) -> Iterator[Runtime]:
    connection.close()
    servers.stop_postgres()
    time.sleep(online.LEASE_SECONDS)
    yield serving
    runtimes.stop()
    servers.start_postgres()
    connection.close()


def uncapped() -> None:
    """A release without exposure caps on dating."""
    from apps.releases import services

    draft = services.start_revision(actor=None)
    draft = services.edit_revision(draft, draft.version, {"dating.daily_cap": 0})
    services.publish_revision(draft, actor=None, note="no cap")


def block(actor: str, target: str) -> None:
    """As events do it: the relationship is committed, then the online state is told."""
    Relationship.objects.create(
        actor=number(actor),
        target=number(target),
        target_kind="member",
        state="blocked",
        decided_at=clock.now(),
        decided_by="018f0000-0000-7000-8000-000000000000",
    )
    apply([Effect("block", "blocked", number(actor), number(target), "member", "", clock.now())])


def within(seconds: float, holds: Callable[[], Any]) -> bool:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def listed(viewer: str = "adam", **options: Any) -> list[str]:
    return names(recommend(surface="dating", member=viewer, limit=10, **options))


def healthy(viewer: str) -> bool:
    answer = recommend(surface="dating", member=viewer, limit=1, dry_run=True)
    return bool(answer["degraded"] == [])


def test_after_a_flush_nobody_blocked_is_shown_and_the_state_heals_itself(serving: Runtime) -> None:
    uncapped()
    block("bea", "adam")
    background_client().flushdb()
    first = recommend(surface="dating", member="adam", limit=10)
    assert "bea" not in names(first)
    assert within(
        5, lambda: recommend(surface="dating", member="cleo", limit=1, dry_run=True)["degraded"] == []
    )
    assert set(listed(dry_run=True)) <= WOMEN - {"bea"}


def test_a_flush_between_poll_and_request_is_noticed_by_the_request(serving: Runtime) -> None:
    uncapped()
    serving.poll()
    serving.stop()
    block("bea", "adam")
    background_client().flushdb()
    answer = recommend(surface="dating", member="adam", limit=10)
    assert answer["degraded"] == ["valkey_unavailable"]
    assert set(names(answer)) == WOMEN - {"bea"}


def test_after_a_restart_of_valkey_the_process_notices_another_server(
    serving: Runtime, servers: EmbeddedServers
) -> None:
    uncapped()
    serving.poll()
    serving.stop()
    block("bea", "adam")
    servers.restart_valkey(kill=True)
    background_client().set(online.MARKER, serving.world.belief.generation)  # as an old append file would
    answer = recommend(surface="dating", member="adam", limit=10)
    assert answer["degraded"] == ["valkey_unavailable"]
    assert set(names(answer)) == WOMEN - {"bea"}


@pytest.mark.parametrize("birth_date", [None, date(2015, 1, 1)])
def test_whoever_is_no_adult_any_more_stays_gone_after_a_rebuild(
    serving: Runtime, birth_date: date | None
) -> None:
    """The snapshot still has the old birth date: only the guard knows."""
    Member.objects.filter(external_id="bea").update(birth_date=birth_date)
    rebuild.rebuild()
    assert within(3, lambda: healthy("cleo"))
    assert set(listed(dry_run=True)) == WOMEN - {"bea"}
    assert set(listed()) == WOMEN - {"bea"}


def test_a_deleted_place_stays_gone_after_a_rebuild(serving: Runtime) -> None:
    gone = Place.objects.get(external_id="bar").number
    delete_place("bar")
    background_client().flushdb()
    rebuild.rebuild()
    assert background_client().sismember(online.GONE["place"], str(gone))


def test_without_valkey_safety_comes_from_postgres_and_the_delivery_is_logged(
    serving: Runtime, servers: EmbeddedServers
) -> None:
    uncapped()
    block("bea", "adam")
    assert within(3, lambda: serving.world.live is not None and serving.world.live.stable_number == 2)
    servers.stop_valkey()
    try:
        answer = recommend(surface="dating", member="adam", limit=10)
    finally:
        servers.start_valkey()
    assert set(names(answer)) == WOMEN - {"bea"}
    assert answer["degraded"] == ["valkey_unavailable"]
    assert str(Delivery.objects.get().id) == answer["delivery"]


def test_without_valkey_whoever_has_a_cap_is_not_shown(without_valkey: Runtime) -> None:
    answer = recommend(surface="dating", member="adam", limit=10)
    assert answer["items"] == []
    assert answer["degraded"] == ["valkey_unavailable"]
    assert "capped" in answer["shortfall"]["reasons"]


@pytest.mark.parametrize(("cooldown_days", "by_rule"), [(3, 0), (0, 3)])
def test_without_valkey_whom_the_viewer_saw_is_kept_away_by_what_postgres_knows(
    serving: Runtime, servers: EmbeddedServers, cooldown_days: int, by_rule: int
) -> None:
    rules = [rule("rest", "cooldown", effect={"days": by_rule})] if by_rule else []
    publish(serving, with_rules(*rules, daily_cap=0, hourly_cap=0, cooldown_days=cooldown_days))
    for who, days in (("bea", 1), ("cleo", 4)):
        seen = event("impression", "adam", who, occurred_at=clock.now() - timedelta(days=days))
        assert send(seen, now=clock.now())[0].status == "accepted"
    servers.stop_valkey()
    try:
        answer = recommend(surface="dating", member="adam", limit=10)
    finally:
        servers.start_valkey()
    assert answer["degraded"] == ["valkey_unavailable"]
    assert set(names(answer)) == WOMEN - {"bea"}


def test_a_block_while_valkey_is_away_is_acknowledged_only_when_all_guards_know(
    serving: Runtime, servers: EmbeddedServers
) -> None:
    uncapped()
    servers.stop_valkey()
    start = time.monotonic()
    block("bea", "adam")
    assert time.monotonic() - start >= online.LEASE_SECONDS
    servers.start_valkey()
    assert "bea" not in listed()
    assert within(10, lambda: healthy("cleo"))
    assert "bea" not in listed()


def test_without_postgres_lists_go_on(without_postgres: Runtime) -> None:
    answer = recommend(surface="dating", member="adam", limit=10)
    assert set(names(answer)) == WOMEN
    assert answer["degraded"] == ["truth_unavailable"]


def test_valkey_is_asked_again_by_the_thread_that_postgres_holds_up_never(serving: Runtime) -> None:
    for _ in range(3):
        valkey.valkey.failed()
    assert not valkey.valkey.is_there
    serving._poll_belief()
    assert within(5, lambda: serving._poll_belief() or valkey.valkey.is_there)


def test_whoever_waits_for_the_leases_waits_for_those_too_for_whom_postgres_hung() -> None:
    """They may have asked just before it was back, rest then, and ask again with the poll after that."""
    asking = runtimes.BELIEF_WAIT + truth.PROBE_SECONDS + 2 * runtimes.BELIEF_SECONDS
    assert asking < online.LEASE_SECONDS + online.MARGIN_SECONDS


def test_with_neither_store_there_is_an_empty_answer(
    without_postgres: Runtime, servers: EmbeddedServers
) -> None:
    servers.stop_valkey()
    try:
        answer = recommend(surface="dating", member="adam", limit=10)
    finally:
        servers.start_valkey()
    assert answer["items"] == []
    assert answer["degraded"] == ["safety_unavailable"]


def test_a_rebuild_brings_back_counters_holds_and_relations(serving: Runtime) -> None:
    block("bea", "adam")
    shown = listed()
    before = background_client().hgetall(online.counters_key("dating"))
    background_client().delete(online.MARKER)
    rebuild.rebuild()
    assert background_client().hgetall(online.counters_key("dating")) == before
    assert within(3, lambda: recommend(surface="travel", member="adam", limit=1)["degraded"] == [])
    assert len(shown) == 4
    assert listed() == []  # held, and bea is blocked


def test_a_valkey_that_evicted_keys_is_not_believed_until_all_of_them_are_back(serving: Runtime) -> None:
    block("bea", "adam")
    client = background_client()
    assert "bea" not in listed()
    before = online.evictions(client)
    client.mset({f"long unused:{i}": bytes(1000) for i in range(2000)})
    time.sleep(1.5)  # ages are counted in seconds: what polls read stays young
    client.config_set("maxmemory-policy", "allkeys-lru")
    try:
        client.config_set("maxmemory", client.info("memory")["used_memory"] - 500_000)
        assert within(5, lambda: client.ping() and online.evictions(client) > before)
        assert client.exists(online.MARKER)  # by which it would go on being believed
    finally:
        client.config_set("maxmemory", "0")
        client.config_set("maxmemory-policy", "noeviction")
    assert within(3, lambda: not online.current_belief().trusted)
    assert rebuild.rebuild_when_needed(wait=True) or online.current_belief().trusted
    assert not online.has_evicted(client)
    assert number("bea") in records_of(client, "adam")
    assert "bea" not in listed()


def records_of(client: redis.Redis, member: str) -> list[int]:
    return online.read_records(client.get(online.global_key(number(member))))["number"].tolist()


def test_a_write_missed_during_a_rebuild_keeps_it_from_being_believed(
    serving: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    serving.stop()
    missed = rebuild._write_gone
    monkeypatch.setattr(
        rebuild, "_write_gone", lambda client: (missed(client), online.mark_missed("meanwhile"))
    )
    assert not rebuild.rebuild()
    assert not online.current_belief().trusted


def test_the_stream_is_copied_once_however_often_it_is_read(serving: Runtime) -> None:
    recommend(surface="dating", member="adam", limit=2)
    entries = writing_client().xrange(online.STREAM)
    copy_all()
    for _, fields in entries:  # a copier that died before it trimmed
        writing_client().xadd(online.STREAM, fields)
    writing_client().xadd(online.STREAM, {"p": "not a delivery"})
    copy_all()
    assert Delivery.objects.count() == 1
    assert writing_client().xlen(online.STREAM) == 0
    assert writing_client().xlen(online.BAD_STREAM) == 1


def test_who_waits_for_a_rebuild_elsewhere_finds_it_done(serving: Runtime) -> None:
    serving.stop()
    background_client().delete(online.MARKER)
    before = online.current_belief().generation
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda _: rebuilt_elsewhere(), range(2)))
    assert sorted(done) == [False, True]
    assert online.current_belief().generation == before + 1
    assert online.current_belief().trusted


def rebuilt_elsewhere() -> bool:
    try:
        return rebuild.rebuild_when_needed(wait=True)
    finally:
        connection.close()


def test_a_process_that_starts_during_a_rebuild_does_not_wait_for_its_end(serving: Runtime) -> None:
    runtimes.stop()
    online.mark_missed("a rebuild that takes long")
    rebuilding = connection.copy()

    def start() -> Runtime:
        try:
            return runtimes.runtime(patience=0.3)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        try:
            rebuilding.cursor().execute("SELECT pg_advisory_lock(%s)", [rebuild.LOCK])
            starting = pool.submit(start)
            done, _ = wait([starting], timeout=30)
            assert done, "it waited for whoever rebuilds"
            assert not starting.result().world.belief.trusted
            assert recommend(surface="dating", member="adam", limit=2)["degraded"] == ["valkey_unavailable"]
        finally:
            rebuilding.close()


def test_a_process_that_starts_with_a_new_server_answers_when_that_one_is_filled(serving: Runtime) -> None:
    runtimes.stop()
    background_client().delete(online.MARKER)
    assert online.current_belief().trusted, "nobody has looked yet"
    runtimes.runtime(patience=30)
    assert recommend(surface="dating", member="adam", limit=2)["degraded"] == []
