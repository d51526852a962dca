"""Narrower widths: fewer are proposed, no source goes silent, the trace says so, and all are values."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from apps.pipeline.contracts import Request, Slate
from apps.pipeline.lineup import LINEUPS
from apps.pipeline.params import FULL, PipelineParams, Widths
from apps.pipeline.retrieval.propose import room_of, wanted_of
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
    assert narrow["merge"] == wide["merge"]
    assert narrow["room"] == {
        "stage": "room", "received": wide["merge"]["kept"], "kept": 200, "room": 200,
    }  # fmt: skip
    assert narrow["score"]["received"] == 200 < wide["merge"]["kept"]


def test_every_source_is_asked_in_full_and_gives_up_about_the_same_part(request_: Request) -> None:
    narrow = replace(request_, widths=NARROW)
    assert wanted_of(narrow, PEOPLE) == wanted_of(request_, PEOPLE)
    wide, found = stages(run(request_)), stages(run(narrow))
    names = ("nearest", "liked_you", "newcomers", "recently_active")
    assert all(found[name]["found"] == wide[name]["kept"] for name in names)
    parts = [found[name]["kept"] / found[name]["found"] for name in names]
    assert 200 / wide["merge"]["kept"] < 0.5
    assert max(parts) - min(parts) < 0.15  # who is in two lists has two chances


def test_the_narrower_of_the_policys_room_and_that_of_the_moment_counts(request_: Request) -> None:
    asked = replace(request_, limit=20, params=replace(request_.params, room=150))
    assert room_of(asked) == room_of(replace(asked, widths=NARROW)) == 150
    assert room_of(replace(asked, params=replace(asked.params, room=300))) == 300
    assert room_of(replace(asked, params=replace(asked.params, room=300), widths=NARROW)) == 200
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
