"""Narrower widths: fewer are proposed, no source goes silent, the trace says so, and all are values."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.pipeline.contracts import Request, Slate
from apps.pipeline.lineup import LINEUPS
from apps.pipeline.params import FULL, PipelineParams, Widths
from apps.pipeline.retrieval.propose import BY_RULES, asked_of, room_of
from apps.pipeline.run import run
from tests.pipeline.markets import DAY, HOUR, member_table, request_for, snapshot_of, vector

NARROW = Widths(heavy=0, retrieved=200)
PEOPLE = LINEUPS["people"].sources


@pytest.fixture(scope="module")
def request_() -> Request:
    random = np.random.default_rng(1)
    others = [
        {"joined_day": DAY - int(random.integers(60)), "active_hour": HOUR - int(random.integers(900))}
        | {"looks": vector(*random.normal(size=4)), "taste": vector(*random.normal(size=4))}
        for _ in range(1500)
    ]
    snapshot = snapshot_of(member_table([{"taste": vector(1.0), "looks": vector(1.0)}, *others]))
    liked_by = list(range(2, 300))
    params = PipelineParams(exploration=0.2, quotas={"recently_active": 100})
    return request_for(snapshot, 1, limit=20, liked_by=liked_by, params=params)


def stages(slate: Slate) -> dict[str, dict[str, Any]]:
    return {stage["stage"]: stage for stage in slate.trace.as_json()}


def test_full_widths_leave_room_for_all_and_the_trace_as_it_is(request_: Request) -> None:
    found = stages(run(request_))
    assert not {"narrowed", "room"} & set(found)
    assert found["score"]["received"] == found["merge"]["kept"]


def test_the_trace_tells_the_widths_and_the_stages_show_them(request_: Request) -> None:
    wide, narrow = stages(run(request_)), stages(run(replace(request_, widths=NARROW)))
    assert narrow["narrowed"] == {"stage": "narrowed", "received": 0, "kept": 0, "heavy": 0, "retrieved": 200}
    assert narrow["merge"]["kept"] <= 205 < wide["merge"]["kept"]
    assert narrow["score"]["received"] == narrow["merge"]["kept"]


def test_every_source_gives_up_about_the_same_part_and_none_goes_silent(request_: Request) -> None:
    wide, narrow = asked_of(request_, PEOPLE), asked_of(replace(request_, widths=NARROW), PEOPLE)
    assert {name for name, asked in narrow.items() if asked} == {
        name for name, asked in wide.items() if asked
    }
    parts = [narrow[name] / wide[name] for name in wide if wide[name] and name != BY_RULES]
    assert max(parts) - min(parts) < 0.05
    assert 200 <= sum(narrow.values()) - narrow[BY_RULES] < 210
    assert narrow[BY_RULES] == wide[BY_RULES]


def test_while_time_is_short_a_source_keeps_its_weight_and_its_minimum_share(request_: Request) -> None:
    params = replace(request_.params, source_weights={"nearest": 2.0}, source_shares={"newcomers": 0.4})
    quotas = asked_of(request_, PEOPLE)
    asked = asked_of(replace(request_, params=params, widths=NARROW), PEOPLE)
    assert asked["newcomers"] == min(quotas["newcomers"], 80)
    others = [name for name in asked if asked[name] and name not in (BY_RULES, "newcomers", "nearest")]
    alike = [asked[name] / quotas[name] for name in others]
    assert asked["nearest"] / quotas["nearest"] == pytest.approx(2 * sum(alike) / len(alike), rel=0.1)
    assert asked_of(replace(request_, params=params), PEOPLE) == quotas


@given(
    quotas=st.lists(st.integers(0, 2000), min_size=len(PEOPLE), max_size=len(PEOPLE)),
    weights=st.lists(st.floats(0.01, 10), min_size=len(PEOPLE), max_size=len(PEOPLE)),
    retrieved=st.integers(1, 600),
)
def test_nobody_is_asked_for_more_than_in_full_and_there_is_enough_for_the_list(
    request_: Request, quotas: list[int], weights: list[float], retrieved: int
) -> None:
    names = [source.name for source in PEOPLE]
    params = replace(
        request_.params,
        quotas=dict(zip(names, quotas, strict=True)),
        source_weights=dict(zip(names, weights, strict=True)),
    )
    full = asked_of(replace(request_, params=params), PEOPLE)
    narrow = asked_of(replace(request_, params=params, widths=Widths(heavy=0, retrieved=retrieved)), PEOPLE)
    assert all((0 < narrow[name] <= full[name]) if full[name] else narrow[name] == 0 for name in names)


def test_the_policys_room_holds_beside_the_widths(request_: Request) -> None:
    asked = replace(request_, params=replace(request_.params, room=150), widths=NARROW)
    assert room_of(asked) == 150
    assert stages(run(asked))["score"]["received"] == 150
    assert room_of(request_) == 0


def test_the_longest_list_is_full_however_narrow(request_: Request) -> None:
    slate = run(replace(request_, limit=100, widths=Widths(heavy=0, retrieved=1)))
    assert len(slate.numbers) == 100 + request_.reserve


def test_ids_that_were_given_are_all_ranked(request_: Request) -> None:
    asked = replace(request_, only=np.arange(2, 502, dtype="i4"), limit=500)
    assert run(asked).numbers.tolist() == run(replace(asked, widths=NARROW)).numbers.tolist()


def test_a_random_order_has_no_width(request_: Request) -> None:
    asked = replace(request_, params=replace(request_.params, random_order=True))
    slate = run(replace(asked, widths=NARROW))
    assert slate.numbers.tolist() == run(asked).numbers.tolist()
    assert "narrowed" not in stages(slate)


@pytest.mark.parametrize("widths", [FULL, Widths(heavy=60), Widths(heavy=0), NARROW])
def test_the_same_widths_give_the_same_list_bit_for_bit(request_: Request, widths: Widths) -> None:
    one, two = (run(replace(request_, widths=widths)) for _ in range(2))
    for column in ("numbers", "scores", "propensity", "sources"):
        assert getattr(one, column).tobytes() == getattr(two, column).tobytes()
    assert one.trace.as_json() == two.trace.as_json()
