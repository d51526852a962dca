"""Who stays when sources propose more than there is room for: against an oracle of fractions, and by hand."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.pipeline.contracts import Request, Slate
from apps.pipeline.explain import explain_candidate
from apps.pipeline.lineup import LINEUPS, LineUp, source_names
from apps.pipeline.params import PipelineParams
from apps.pipeline.retrieval.eligible import Source, find_eligible
from apps.pipeline.retrieval.propose import asked_of, propose
from apps.pipeline.run import run
from apps.pipeline.trace import Trace
from tests.pipeline.markets import member_table, request_for, snapshot_of

MARKET = snapshot_of(member_table([{} for _ in range(41)]))
VIEWER = 41
PINNED = "pinned"


def proposing(name: str, numbers: list[int], quota: int) -> Source:
    """A source that names these, in this order."""

    def some(request: Request, eligible: Any, most: int) -> Any:
        return eligible.positions_of(np.array(numbers, "i8"))[:most]

    return Source(name, "By hand.", quota, some)


def lineup_of(*sources: Source) -> LineUp:
    return LineUp("people", "member", sources, (), {}, ())


def pool_of(lineup: LineUp, room: int, trace: Trace | None = None, **params: Any) -> dict[int, set[str]]:
    """Who stays, and which sources found each. The list needs one: there is always room for two."""
    asked = request_for(MARKET, VIEWER, limit=1, reserve=0, params=PipelineParams(room=room, **params))
    quotas = asked_of(asked, lineup.sources)
    pool = propose(asked, find_eligible(asked)[0], lineup.sources, quotas, trace or Trace())
    return {
        int(number): set(source_names(lineup, int(bits)))
        for number, bits in zip(pool.table["number"], pool.sources, strict=True)
    }


lists = st.lists(st.integers(1, 40), max_size=40, unique=True)
weights = st.integers(1, 100).map(lambda tenths: tenths / 10)


@st.composite
def markets(draw: st.DrawFn) -> dict[str, Any]:
    names = ["a", "b", "c", "d"][: draw(st.integers(1, 4))] + [PINNED] * draw(st.integers(0, 1))
    parts = draw(st.lists(st.integers(0, 100), min_size=5, max_size=5))
    total = max(sum(parts), 1)
    return {
        "found": {name: draw(lists) for name in names},
        "quotas": {name: draw(st.integers(1, 40)) for name in names},
        "weights": {name: draw(weights) for name in names},
        "shares": {n: part * 10_000 // total / 10_000 for n, part in zip(names, parts, strict=False)},
        "room": draw(st.integers(2, 45)),
    }


def of(market: dict[str, Any]) -> tuple[LineUp, dict[str, Any]]:
    """The line-up of a market, and its params."""
    sources = (proposing(name, found, market["quotas"][name]) for name, found in market["found"].items())
    named = {"quotas": market["quotas"], "source_weights": market["weights"]}
    return lineup_of(*sources), {**named, "source_shares": market["shares"]}


def cut_lists(market: dict[str, Any]) -> dict[str, list[int]]:
    return {name: found[: market["quotas"][name]] for name, found in market["found"].items()}


def least_of(market: dict[str, Any], name: str) -> int:
    return int(Fraction(str(market["shares"].get(name, 0.0))) * market["room"])


def oracle(market: dict[str, Any]) -> set[int]:
    """Slowly, with fractions: pins; then minimum shares in order; then by standing, then by number."""
    lists = cut_lists(market)
    stays = set(lists.pop(PINNED, []))
    waiting = {number for found in lists.values() for number in found} - stays
    if len(waiting) <= market["room"]:
        return stays | waiting
    left = market["room"]
    for name, found in lists.items():
        own = [number for number in found[: least_of(market, name)] if number not in stays]
        stays |= set(own[:left])
        left -= len(own[:left])
    over = {name: market["quotas"][name] * Fraction(str(market["weights"][name])) for name in lists}
    standing = {
        number: min(
            (found.index(number) + 1) / over[name] for name, found in lists.items() if number in found
        )
        for number in waiting - stays
    }
    return stays | set(sorted(standing, key=lambda number: (standing[number], number))[:left])


@given(markets())
def test_who_stays_is_who_stays_by_the_oracle_and_keeps_every_source_that_found_them(
    market: dict[str, Any],
) -> None:
    lineup, params = of(market)
    kept = pool_of(lineup, market["room"], **params)
    assert set(kept) == oracle(market)
    found = cut_lists(market)
    assert kept == {number: {name for name in found if number in found[name]} for number in kept}
    everybody = pool_of(lineup, 0, **params)
    assert set(everybody) == {number for numbers in found.values() for number in numbers}
    assert all(everybody[number] == sources for number, sources in kept.items())


@given(markets())
def test_minimum_shares_hold_as_far_as_a_source_finds_so_many_and_the_room_is_never_overfilled(
    market: dict[str, Any],
) -> None:
    lineup, params = of(market)
    trace = Trace()
    kept = pool_of(lineup, market["room"], trace, **params)
    stages = {stage["stage"]: stage for stage in trace.as_json()}
    found = cut_lists(market)
    pins = set(found.get(PINNED, []))
    assert pins <= set(kept)
    assert len(set(kept) - pins) == min(market["room"], len(set().union(*found.values()) - pins))
    for name, numbers in found.items():
        own = len([number for number, sources in kept.items() if name in sources])
        if name != PINNED:
            assert own >= min(len(numbers), least_of(market, name))
        assert stages[name]["kept"] == own
        if "room" in stages:
            assert stages[name]["found"] == len(numbers)


@given(markets(), st.integers(0, 3), weights)
def test_a_heavier_source_never_keeps_fewer(market: dict[str, Any], which: int, more: float) -> None:
    name = [name for name in market["found"] if name != PINNED][which % (len(market["found"]) or 1) - 1]
    heavier = {**market, "weights": {**market["weights"], name: market["weights"][name] + more}}
    own = []
    for one in (market, heavier):
        lineup, params = of(one)
        own.append(sum(name in found for found in pool_of(lineup, market["room"], **params).values()))
    assert own[1] >= own[0]


def test_with_equal_weights_all_give_up_the_same_part_and_twice_the_weight_keeps_twice_as_many() -> None:
    lineup = lineup_of(proposing("a", [*range(1, 31)], 30), proposing("b", [*range(31, 41)], 10))
    assert set(pool_of(lineup, 8)) == {1, 2, 3, 4, 5, 6, 31, 32}
    heavier = pool_of(lineup, 10, source_weights={"b": 2.0})
    assert set(heavier) == {1, 2, 3, 4, 5, 6, 31, 32, 33, 34}


def test_room_that_one_source_does_not_fill_is_the_others() -> None:
    lineup = lineup_of(proposing("a", [*range(1, 31)], 30), proposing("b", [35], 100))
    assert set(pool_of(lineup, 8)) == {*range(1, 8), 35}


def test_of_equals_the_lower_number_stays() -> None:
    lineup = lineup_of(proposing("a", [9], 10), proposing("b", [4], 10), proposing("c", [7], 10))
    assert set(pool_of(lineup, 2)) == {4, 7}


def test_shares_that_flags_make_too_many_together_are_filled_in_the_order_of_the_line_up() -> None:
    lineup = lineup_of(proposing("a", [*range(1, 11)], 10), proposing("b", [*range(11, 21)], 10))
    assert set(pool_of(lineup, 5, source_shares={"a": 0.8, "b": 0.8})) == {1, 2, 3, 4, 11}


def test_whom_there_was_no_room_for_would_come_with_the_smallest_room_that_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lineup = lineup_of(proposing("a", [*range(1, 31)], 30), proposing("b", [*range(31, 41)], 10))
    monkeypatch.setitem(LINEUPS, "people", lineup)  # type: ignore[arg-type]
    asked = request_for(MARKET, VIEWER, limit=4, reserve=0, params=PipelineParams(room=8))

    def with_room(room: int) -> Slate:
        return run(replace(asked, params=replace(asked.params, room=room)), detailed=True)

    told = explain_candidate(asked, 33, run)
    assert (told.stage, told.code) == ("retrieval", "no_room")
    room = told.change[0]
    assert (room["field"], room["from"]) == ("room", 8)
    for size, is_there in ((room["to"] - 1, False), (room["to"], True)):
        pool = with_room(size).pool
        assert pool is not None
        assert (33 in pool.table["number"]) is is_there
