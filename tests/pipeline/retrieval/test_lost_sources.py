"""Sources that raise, take too long, or are left out: the others fill the list, and the trace says why."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from apps.pipeline.contracts import Request
from apps.pipeline.lineup import LINEUPS
from apps.pipeline.params import PipelineParams
from apps.pipeline.retrieval.eligible import BUDGET, Source
from apps.pipeline.retrieval.propose import asked_of, wanted_of
from apps.pipeline.run import explain, run
from apps.pipeline.watch import OutOfTime, Watch
from tests.pipeline.markets import DAY, member_table, place_table, request_for, snapshot_of
from tests.pipeline.retrieval.test_sources import VIEWERS

SNAPSHOT = snapshot_of(
    member_table([{}, *[{"joined_day": DAY - i} for i in range(6)]]), edges=[(1, 2), (2, 3), (2, 4)]
)
PLACES = snapshot_of(place_table([{}, {}, {}]), surface="travel", viewers=VIEWERS, saves=[(1, 2)])
EACH = [(lineup, source.name) for lineup in LINEUPS.values() for source in lineup.sources]


class Clock:
    """Goes on by what a source says it takes, in ms."""

    def __init__(self) -> None:
        self.ms = 0.0

    def __call__(self) -> float:
        return self.ms / 1000


def broken(request: Request, eligible: Any, quota: int) -> Any:
    raise ArithmeticError("broken on purpose")


def with_source(monkeypatch: pytest.MonkeyPatch, lineup: str, name: str, **changed: Any) -> None:
    old = LINEUPS[lineup]
    sources = tuple(replace(one, **changed) if one.name == name else one for one in old.sources)
    assert sources != old.sources
    monkeypatch.setitem(LINEUPS, lineup, replace(old, sources=sources))  # type: ignore[arg-type]


def asked(lineup: str, **more: Any) -> Request:
    quotas = dict.fromkeys(LINEUPS[lineup].quotas, 50)
    snapshot = SNAPSHOT if lineup == "people" else PLACES
    return request_for(snapshot, 1, params=PipelineParams(lineup=lineup, quotas=quotas), **more)


def stage(slate: Any, name: str) -> dict[str, Any]:
    (found,) = [one for one in slate.trace.as_json() if one["stage"] == name]
    return dict(found)


@pytest.mark.parametrize(("lineup", "name"), [(one.name, name) for one, name in EACH])
def test_whichever_source_raises_the_others_fill_the_list(
    monkeypatch: pytest.MonkeyPatch, lineup: str, name: str
) -> None:
    whole = run(asked(lineup))
    with_source(monkeypatch, lineup, name, propose=broken)
    watch = Watch(Clock())
    slate = run(asked(lineup, watch=watch))
    assert stage(slate, name)["lost"] == "ArithmeticError"
    assert sorted(slate.numbers.tolist()) == sorted(whole.numbers.tolist())
    assert watch.failed == {name: "raised"}
    bit = 1 << [source.name for source in LINEUPS[lineup].sources].index(name)
    assert not (slate.sources & bit).any()
    left_out = run(asked(lineup, left_out={name: "resting"}))
    assert stage(left_out, name)["skipped"] == "resting"
    for column in ("numbers", "scores", "propensity", "sources"):
        assert getattr(left_out, column).tobytes() == getattr(slate, column).tobytes()


def test_a_broken_source_breaks_no_explanation(monkeypatch: pytest.MonkeyPatch) -> None:
    with_source(monkeypatch, "people", "liked_you", propose=broken)
    quotas = {"nearest": 1} | dict.fromkeys(("recently_active", "newcomers", "friends_of_friends"), 0)
    request = request_for(SNAPSHOT, 1, params=PipelineParams(quotas=quotas))
    told = [explain(request, number) for number in range(2, 8)]
    assert sum(one.shown for one in told) == 1
    assert {one.code for one in told} == {"shown", "not_proposed"}


def test_one_that_works_in_steps_is_stopped_at_its_time_and_leaves_nobody_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock()

    def slow(request: Request, eligible: Any, quota: int) -> Any:
        for _ in range(1000):
            clock.ms += 1.0
            request.in_time()
        return eligible.top("fit", quota)

    with_source(monkeypatch, "people", "liked_you", propose=slow)
    watch = Watch(clock)
    slate = run(asked("people", watch=watch))
    said = stage(slate, "liked_you")
    assert (said["kept"], said["lost"]) == (0, OutOfTime.__name__)
    assert BUDGET < said["ms"] <= BUDGET + 1
    assert watch.failed == {"liked_you": "stopped"}
    assert len(slate.numbers) == 6
    clock.ms = 0.0
    assert stage(run(asked("people")), "liked_you")["kept"] == 6  # a replay has all the time
    assert clock.ms == 1000


def test_one_that_comes_late_keeps_what_it_found_and_counts_as_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock()

    def slow(request: Request, eligible: Any, quota: int) -> Any:
        clock.ms += 12.5
        return eligible.top("fit", quota)

    with_source(monkeypatch, "people", "liked_you", propose=slow)
    for budget, failed in ((12.0, {"liked_you": "late"}), (12.5, {}), (0.0, {})):
        request = asked("people", watch=Watch(clock))
        request = replace(request, params=replace(request.params, source_budgets={"liked_you": budget}))
        said = stage(run(request), "liked_you")
        assert (said["kept"], said["ms"]) == (6, 12.5)
        assert said.get("late") == ("over 12 ms" if failed else None)
        assert request.watch is not None
        assert request.watch.failed == failed


@pytest.mark.parametrize(
    ("lineup", "name"), [("people", "nearest"), ("people", "pinned"), ("places", "pinned")]
)
def test_what_the_pass_over_the_eligible_tells_has_no_time_of_its_own_and_pins_have_all(
    lineup: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()

    def slow(request: Request, eligible: Any, quota: int) -> Any:
        clock.ms += 10_000
        return eligible.top("fit", quota)

    with_source(monkeypatch, lineup, name, propose=slow)
    watch = Watch(clock)
    run(asked(lineup, watch=watch))
    assert clock.ms == 10_000
    assert name in watch.asked
    assert watch.failed == {}


def test_the_real_sources_of_steps_are_stopped_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of them asks for its time before it goes on."""
    clock = Clock()

    def late() -> float:
        clock.ms += 100
        return clock()

    watch = Watch(late)
    run(asked("people", watch=watch, liked_by=[2, 3]))
    in_steps = {name for name, why in watch.failed.items() if why == "stopped"}
    assert in_steps == {"liked_you", "friends_of_friends", "adamic_adar", "pagerank"}
    watch = Watch(late)
    run(asked("places", watch=watch))
    assert {name for name, why in watch.failed.items() if why == "stopped"} == {"friends_saved"}


def test_who_is_left_out_is_not_searched_for() -> None:
    sources = LINEUPS["people"].sources
    all_asked, without = asked("people"), asked("people", left_out={"nearest": "resting"})
    assert wanted_of(all_asked, sources, asked_of(all_asked, sources))["fit"] == 50
    assert "fit" not in wanted_of(without, sources, asked_of(without, sources))


def test_a_source_of_its_own_kind_has_a_budget_from_the_start() -> None:
    assert Source("any", "Any.", 1, broken).budget == BUDGET > 0
