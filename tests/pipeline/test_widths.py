"""Narrower widths: fewer are proposed, no source goes silent, the trace says so, and all are values."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from apps.pipeline.contracts import Request, Slate
from apps.pipeline.lineup import LINEUPS
from apps.pipeline.params import FULL, PipelineParams, Widths
from apps.pipeline.retrieval.propose import quotas_of
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
    return request_for(snapshot, 1, limit=20, liked_by=liked_by, params=PipelineParams(exploration=0.2))


def stages(slate: Slate) -> dict[str, dict[str, Any]]:
    return {stage["stage"]: stage for stage in slate.trace.as_json()}


def test_full_widths_leave_quotas_and_trace_as_they_are(request_: Request) -> None:
    assert quotas_of(request_, PEOPLE)["nearest"] == 300
    assert "narrowed" not in stages(run(request_))


def test_the_trace_tells_the_widths_and_the_stages_show_them(request_: Request) -> None:
    wide, narrow = stages(run(request_)), stages(run(replace(request_, widths=NARROW)))
    assert narrow["narrowed"] == {"stage": "narrowed", "received": 0, "kept": 0, "heavy": 0, "retrieved": 200}
    assert narrow["merge"]["kept"] <= 200 + len(PEOPLE) < wide["merge"]["kept"]
    assert narrow["score"]["received"] == narrow["merge"]["kept"]


def test_every_source_is_narrowed_alike_but_for_pins_and_those_that_are_off(request_: Request) -> None:
    params = replace(request_.params, quotas={"newcomers": 0}, disabled_stages=frozenset({"liked_you"}))
    request = replace(request_, params=params)
    wide, narrow = quotas_of(request, PEOPLE), quotas_of(replace(request, widths=NARROW), PEOPLE)
    assert narrow["newcomers"] == narrow["liked_you"] == 0
    assert narrow["pinned"] == wide["pinned"]
    on = [name for name in wide if wide[name] and name != "pinned"]
    part = 200 / sum(wide[name] for name in on)
    assert part < 1
    assert all(0 <= narrow[name] - part * wide[name] < 1 for name in on)


def test_no_quota_is_ever_made_larger_and_none_that_is_on_becomes_zero(request_: Request) -> None:
    for quotas in ({s.name: 1 for s in PEOPLE}, {"nearest": 2000, "newcomers": 1}, {"nearest": 30}):
        request = replace(request_, params=replace(request_.params, quotas=quotas))
        wide, narrow = quotas_of(request, PEOPLE), quotas_of(replace(request, widths=NARROW), PEOPLE)
        assert all((narrow[name] > 0) == (wide[name] > 0) for name in wide)
        assert all(narrow[name] <= wide[name] for name in wide)


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
