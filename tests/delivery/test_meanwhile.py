"""What happens between two steps of a process: nobody hidden is shown for it, and nothing newer is undone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest
import redis
from django.db import DataError, connection

from apps.common import online
from apps.common.changes import record_changes
from apps.common.valkey import background_client
from apps.delivery import runtime as runtimes
from apps.delivery import trips, truth
from apps.delivery.runtime import Runtime
from apps.delivery.services import recommend
from apps.interactions import erasure, rebuild
from apps.interactions.copier import copy_all
from apps.interactions.grants import GrantFile
from apps.members.models import Member
from apps.members.services import stop_member
from apps.refresh import masks
from apps.refresh.services import refresh
from apps.releases import services
from apps.releases.models import Release
from tests.delivery.conftest import number
from tests.delivery.publishing import publish, rule, with_rules
from tests.delivery.test_ladder import release_holds
from tests.delivery.test_services import names
from tests.delivery.test_stores_away import block, uncapped, within


@contextmanager
def at_work(act: Callable[[], object]) -> Iterator[None]:
    """Something that another thread does meanwhile."""

    def work() -> None:
        try:
            act()
        finally:
            connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    yield
    thread.join(30)
    assert not thread.is_alive()


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Postgres is asked for as long as it takes: on a busy machine it is slow, and is not away for it."""
    ask = truth.ask
    monkeypatch.setattr(truth, "ask", lambda question, **_: ask(question, seconds=20))


Repeated = Callable[[Callable[[], object]], None]


class Away:
    """A Valkey that does not take what it is told."""

    def __getattr__(self, name: str) -> Any:
        raise redis.TimeoutError("a hiccup")


@pytest.fixture
def repeated(serving: Runtime, monkeypatch: pytest.MonkeyPatch) -> Repeated:
    """A repeat of a request whose first was stopped since, with something that happens before Valkey is asked
    who is gone."""
    request_id = uuid4()
    first = names(recommend(surface="dating", member="adam", limit=3, request_id=request_id))
    stop_member(first[0])
    serving.poll()
    real = trips.gone_among

    def asked(act: Callable[[], object]) -> None:
        def meanwhile(*said: Any) -> Any:
            act()
            return real(*said)

        monkeypatch.setattr(trips, "gone_among", meanwhile)
        again = recommend(surface="dating", member="adam", limit=3, request_id=request_id)
        assert names(again) == first[1:]

    return asked


def test_a_repeat_is_right_while_valkey_is_emptied(repeated: Repeated, serving: Runtime) -> None:
    serving.stop()  # nobody notices
    repeated(lambda: background_client().flushdb())


def test_a_repeat_is_right_while_the_online_state_is_rebuilt(
    repeated: Repeated, monkeypatch: pytest.MonkeyPatch
) -> None:
    cleared, go_on, sleep = threading.Event(), threading.Event(), time.sleep

    def held_up(seconds: float) -> None:
        cleared.set()
        go_on.wait(10)
        sleep(seconds)

    monkeypatch.setattr(rebuild.time, "sleep", held_up)
    threads = []

    def begun() -> None:
        """The set of those who are gone is empty now."""
        thread = threading.Thread(target=lambda: (rebuild.rebuild(), connection.close()))
        threads.append(thread)
        thread.start()
        assert cleared.wait(10)

    try:
        repeated(begun)
    finally:
        go_on.set()
        for thread in threads:
            thread.join(30)


@pytest.mark.parametrize("is_repeat", [False, True])
@pytest.mark.parametrize("how", [stop_member, lambda name: block(name, "adam")], ids=["stopped", "blocked"])
def test_a_process_whose_lease_lapsed_shows_nobody_whom_valkey_missed(
    serving: Runtime, monkeypatch: pytest.MonkeyPatch, how: Callable[[str], object], is_repeat: bool
) -> None:
    uncapped()
    serving.poll()
    request_id = uuid4()
    first = names(recommend(surface="dating", member="adam", limit=3, request_id=request_id))
    release_holds("adam")
    serving.stop()
    time.sleep(online.LEASE_SECONDS + 0.1)
    with monkeypatch.context() as patch:
        patch.setattr(online, "writing_client", Away)
        how(first[0])
    asked: dict[str, Any] = {"limit": 3, "request_id": request_id} if is_repeat else {"limit": 10}
    again = names(recommend(surface="dating", member="adam", **asked))
    assert first[0] not in again
    assert first[1] in again


def test_whoever_is_barred_while_a_snapshot_loads_stays_barred(
    serving: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    serving.stop()
    refresh()
    ensure = masks.ensure_masks

    def slow(*given: Any) -> masks.Masks:
        monkeypatch.setattr(runtimes.masks, "ensure_masks", ensure)
        stop_member("adam")
        serving._follow_changes()
        assert number("adam") in serving.world.overlay.barred
        return ensure(*given)

    monkeypatch.setattr(runtimes.masks, "ensure_masks", slow)
    before = serving.world.snapshot
    serving._follow_snapshot(True)
    assert serving.world.snapshot is not before
    assert number("adam") in serving.world.overlay.barred
    assert names(recommend(surface="dating", member="adam", limit=5)) == []


@pytest.mark.parametrize("broken", ["live_mark", "active_snapshot_id", "newer_prices", "read_capped"])
@pytest.mark.parametrize("error", [KeyError("of a newer build"), DataError("of a newer build")])
def test_whoever_pauses_is_followed_though_another_step_of_the_poll_fails(
    serving: Runtime, monkeypatch: pytest.MonkeyPatch, broken: str, error: Exception
) -> None:
    serving.stop()
    turned: list[bool] = []

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(runtimes, broken, fail)
    monkeypatch.setattr(GrantFile, "turn_over", lambda _: turned.append(True))
    Member.objects.filter(external_id="bea").update(status="paused")
    record_changes("member.saved", [number("bea")])
    serving.poll()
    assert number("bea") in serving.world.overlay.barred
    assert turned


@pytest.mark.parametrize("error", [KeyError("of a newer build"), DataError("of a newer build")])
def test_a_kill_switch_is_followed_though_changes_are_not(
    serving: Runtime, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    serving.stop()

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(runtimes, "followed", fail)
    publish(serving, with_rules(rule("push", "boost", effect={"factor": 2.0})))
    services.switch_off("rule", "dating/push", actor=None, reason="odd lists")
    serving.poll()
    assert serving.world.killed == {"rule:dating/push"}


def test_a_release_that_loads_late_takes_back_neither_a_roll_back_nor_a_switch(
    serving: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    serving.stop()
    two = publish(serving, with_rules(rule("push", "boost", effect={"factor": 2.0})))
    ensure, began, go_on = masks.ensure_masks, threading.Event(), threading.Event()

    def slow(*given: Any) -> masks.Masks:
        if threading.current_thread().name == "delivery-release":
            began.set()
            assert go_on.wait(20)
        return ensure(*given)

    monkeypatch.setattr(runtimes.masks, "ensure_masks", slow)
    with monkeypatch.context() as patch:
        patch.setattr(runtimes, "SOON", -1)
        patch.setattr(runtimes.masks, "find_masks", lambda *_: None)
        draft = services.start_revision(actor=None)
        draft = services.edit_revision(draft, draft.version, {"dating.daily_cap": 0})
        services.publish_revision(draft, actor=None, note="a mistake")
        serving._follow_release(False)
        assert began.wait(10)
        services.switch_off("rule", "dating/push", actor=None, reason="odd lists")
        serving._follow_release(False)
        assert serving.world.live is not None
        assert (serving.world.live.stable_number, serving.world.killed) == (two, {"rule:dating/push"})
    services.roll_back(Release.objects.get(number=two), actor=None, note="back")
    serving._follow_release(False)
    go_on.set()
    serving._threads["release"].join(20)
    assert (serving.world.live.stable_number, serving.world.killed) == (two, {"rule:dating/push"})


def test_a_stop_is_followed_while_an_erasure_looks_through_all_deliveries(
    serving: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "cleo" in names(recommend(surface="dating", member="adam", limit=5))
    copy_all()
    began, go_on, naming, calls = threading.Event(), threading.Event(), erasure._naming, []

    def slow(*asked: Any) -> Any:
        found = naming(*asked)
        calls.append(asked)
        if len(calls) == 2:  # within the transaction that erases
            began.set()
            assert go_on.wait(20)
        return found

    monkeypatch.setattr(erasure, "_naming", slow)
    with at_work(lambda: erasure.erase_member("cleo")):
        assert began.wait(20)
        stop_member("bea")
        stopped = within(3, lambda: number("bea") in serving.world.overlay.barred)
        go_on.set()
    assert stopped
