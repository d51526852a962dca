"""A source that fails rests, the list says so, the others fill it, and a list later tries it again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from apps.common import breaker, metrics
from apps.delivery.replay import replay_delivery
from apps.delivery.runtime import Runtime
from apps.delivery.services import rank, recommend
from apps.delivery.sources import FAILURES, REST_SECONDS, RESTS, Sources, sources
from apps.delivery.watch import watch_world
from apps.interactions.copier import copy_all
from apps.interactions.models import Delivery
from apps.pipeline.lineup import LINEUPS
from apps.pipeline.params import PipelineParams
from apps.pipeline.watch import Watch
from tests.delivery.publishing import publish, with_rules
from tests.delivery.test_ladder import release_holds
from tests.delivery.test_services import WOMEN, names

NAME = "recently_active"
STEPS = "friends_of_friends"  # it has a time of its own


class Clock:
    """time.monotonic, gone on by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(breaker, "time", clock)
    return clock


def with_both(content: dict[str, Any]) -> None:
    """Both sources are on, and nobody has a cap."""
    with_rules(daily_cap=0, hourly_cap=0)(content)
    for surface in ("dating", "networking"):
        content["surfaces"][surface]["quotas"] |= {NAME: 100, STEPS: 100}


@pytest.fixture
def ready(serving: Runtime, monkeypatch: pytest.MonkeyPatch, clock: Clock) -> Iterator[Runtime]:
    publish(serving, with_both)
    sources.forget()
    yield serving
    sources.forget()


def put(monkeypatch: pytest.MonkeyPatch, name: str, propose: Any) -> None:
    old = LINEUPS["people"]
    changed = tuple(replace(one, propose=propose) if one.name == name else one for one in old.sources)
    monkeypatch.setitem(LINEUPS, "people", replace(old, sources=changed))  # type: ignore[arg-type]


def listed(**more: Any) -> dict[str, Any]:
    """Adam's list, and what his next may show again."""
    answer = recommend(surface="dating", member="adam", limit=10, **more)
    release_holds("adam")
    return answer


def works(seconds: float) -> None:
    """So long on a processor, however long that takes."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def broken(request: object, eligible: object, quota: int) -> None:
    raise ArithmeticError("broken on purpose")


def trace_of(answer: dict[str, Any], stage: str) -> dict[str, Any]:
    copy_all()
    row = Delivery.objects.get(id=answer["delivery"])
    return next(one for one in row.trace if one["stage"] == stage)


def test_without_any_source_there_is_the_last_list(ready: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    before = listed()
    every = LINEUPS["people"]
    none = tuple(replace(one, propose=broken) for one in every.sources)
    monkeypatch.setitem(LINEUPS, "people", replace(every, sources=none))  # type: ignore[arg-type]
    for _ in range(FAILURES + 1):  # the last of them while all rest
        answer = listed()
        assert set(names(answer)) == set(names(before)) == WOMEN
        assert answer["degraded"][-1] == "pipeline_unavailable"
        assert "source:nearest" in answer["degraded"]


def test_a_source_that_raises_rests_after_three_lists_and_comes_back_when_it_answers(
    ready: Runtime, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    asked: list[int] = []
    working = next(one for one in LINEUPS["people"].sources if one.name == NAME).propose

    def counted(request: Any, eligible: Any, quota: int) -> Any:
        asked.append(1)
        return broken(request, eligible, quota)

    put(monkeypatch, NAME, counted)
    for _ in range(FAILURES):
        answer = listed()
        assert (set(names(answer)), answer["degraded"]) == (WOMEN, [f"source:{NAME}"])
        assert trace_of(answer, NAME)["lost"] == "ArithmeticError"
    resting = listed()
    assert len(asked) == FAILURES
    assert (set(names(resting)), resting["degraded"]) == (WOMEN, [f"source:{NAME}"])
    assert trace_of(resting, NAME)["skipped"] == RESTS
    assert listed(dry_run=True)["degraded"] == [f"source:{NAME}"]  # asks everybody, and tells nobody
    assert recommend(surface="networking", member="adam", limit=3)["degraded"] == [f"source:{NAME}"]
    assert len(asked) == FAILURES + 2

    clock.now += REST_SECONDS
    rank(surface="dating", member="adam", candidates=["bea"])  # asks no source: the trial is not its
    release_holds("adam")
    assert trace_of(listed(), NAME)["lost"] == "ArithmeticError"
    assert trace_of(listed(), NAME)["skipped"] == RESTS
    clock.now += REST_SECONDS
    put(monkeypatch, NAME, working)
    for _ in range(2):
        answer = listed()
        assert (set(names(answer)), answer["degraded"]) == (WOMEN, [])
        assert "skipped" not in trace_of(answer, NAME)


def test_a_source_that_hangs_past_its_time_is_counted_rests_and_is_replayed_as_it_was(
    ready: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def budget(content: dict[str, Any]) -> None:
        with_both(content)
        content["surfaces"]["dating"]["source_budgets"][STEPS] = 5.0

    publish(ready, budget)
    working = next(one for one in LINEUPS["people"].sources if one.name == STEPS).propose

    def hangs(request: Any, eligible: Any, quota: int) -> Any:
        for _ in range(1000):
            works(0.002)
            request.in_time()
        raise AssertionError("nobody stopped it")

    put(monkeypatch, STEPS, hangs)
    stopped = listed()
    assert set(names(stopped)) == WOMEN
    assert stopped["degraded"] == [f"source:{STEPS}"]
    said = trace_of(stopped, STEPS)
    assert said["lost"] == "OutOfTime"
    assert said["ms"] > 5.0

    def late(request: Any, eligible: Any, quota: int) -> Any:
        found = working(request, eligible, quota)
        works(0.01)
        return found

    put(monkeypatch, STEPS, late)
    for _ in range(FAILURES - 1):
        answer = listed()
        assert answer["degraded"] == []  # it found whom it finds
        assert trace_of(answer, STEPS)["late"] == "over 5 ms"
    resting = listed()
    assert resting["degraded"] == [f"source:{STEPS}"]
    copy_all()
    put(monkeypatch, STEPS, working)  # a replay asks it as little as the list did
    for answer in (stopped, resting):
        found = replay_delivery(Delivery.objects.get(id=answer["delivery"]))
        assert found.same
        assert set(found.request.left_out) == {STEPS}


def test_a_source_that_waits_for_a_processor_is_not_late(
    ready: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a starved machine every source would rest, for no fault of its own."""
    working = next(one for one in LINEUPS["people"].sources if one.name == STEPS).propose

    def waits(request: Any, eligible: Any, quota: int) -> Any:
        time.sleep(0.06)
        request.in_time()
        return working(request, eligible, quota)

    put(monkeypatch, STEPS, waits)
    for _ in range(FAILURES + 1):
        answer = listed()
        assert answer["degraded"] == []
        assert "late" not in trace_of(answer, STEPS)


def test_what_a_source_does_is_counted(ready: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    before = metrics.SOURCE_FAILED.labels("dating", NAME, "raised")._value.get()
    put(monkeypatch, NAME, broken)
    for _ in range(FAILURES + 2):
        listed()
    watch_world(ready)
    labels = ("dating", NAME)
    assert metrics.SOURCE_FAILED.labels(*labels, "raised")._value.get() == before + FAILURES
    states = {state: metrics.SOURCE_STATE.labels(*labels, state)._value.get() for state in breaker.State}
    assert states == {"closed": 0, "open": 1, "half_open": 0}
    assert metrics.SOURCE_OPENED.labels(*labels)._value.get() == 1


class Model(RuleBasedStateMachine):
    """Lists of two surfaces, sources that work and fail, and time: against breakers written down by hand."""

    @initialize()
    def begin(self) -> None:
        self.clock, self.sources = Clock(), Sources()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(breaker, "time", self.clock)
        self.failures: dict[tuple[str, str], int] = {}
        self.rests_until: dict[tuple[str, str], float] = {}
        self.broken: set[tuple[str, str]] = set()

    def teardown(self) -> None:
        self.patch.undo()

    @rule(surface=st.sampled_from(["dating", "travel"]), name=st.sampled_from(["a", "b", "c"]))
    def breaks_or_recovers(self, surface: str, name: str) -> None:
        self.broken ^= {(surface, name)}

    @rule(seconds=st.sampled_from([0.5, REST_SECONDS / 2, REST_SECONDS]))
    def time_goes_by(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule(surface=st.sampled_from(["dating", "travel"]), off=st.sampled_from(["", "a", "b"]))
    def a_list(self, surface: str, off: str) -> None:
        params = PipelineParams(quotas={off: 0})
        left_out = self.sources.left_out(surface, params)
        on = [name for name in ("a", "b", "c") if name != off]
        resting = {n for n in on if self.rests_until.get((surface, n), 0.0) > self.clock.now}
        assert set(left_out) == resting
        watch = Watch(self.clock.monotonic)
        for name in on:
            if name not in left_out:
                watch.begin(name, 0)
                self._answers(surface, name, watch)
        self.sources.told(surface, watch)

    def _answers(self, surface: str, name: str, watch: Watch) -> None:
        key = (surface, name)
        if key not in self.broken:
            self.failures[key] = 0
            self.rests_until.pop(key, None)
            return
        watch.failed[name] = "raised"
        self.failures[key] = self.failures.get(key, 0) + 1
        if key in self.rests_until or self.failures[key] >= FAILURES:
            self.rests_until[key] = self.clock.now + REST_SECONDS

    @invariant()
    def states_are_told_of_those_that_failed(self) -> None:
        if hasattr(self, "sources"):
            told = {(surface, name): friend.is_there for surface, name, friend in self.sources.states()}
            assert {key for key, is_there in told.items() if not is_there} == set(self.rests_until)


Model.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestModel = Model.TestCase
