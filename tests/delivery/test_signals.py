"""Events change the next list, a viewer's own at once, candidates' with the next poll; undo takes it back.

A rebuild from Postgres says the same as the events did one by one.
"""

from __future__ import annotations

import random
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.common import clock
from apps.delivery.runtime import Runtime
from apps.delivery.services import explain, recommend
from apps.delivery.state import read_state
from apps.interactions.bodies import EventBody
from apps.interactions.rebuild import rebuild
from apps.interactions.services import record_events
from apps.pipeline.params import PipelineParams
from apps.pipeline.signals import by_number
from tests.delivery.conftest import number
from tests.delivery.publishing import publish, with_rules
from tests.delivery.test_round_trips import round_trips

WOMEN = ("bea", "cleo", "dora", "ella", "fay")


@pytest.fixture
def ready(serving: Runtime) -> Runtime:
    publish(serving, with_rules(exploration=0, random_share=0, inbox_full=4))
    serving.poll()
    return serving


def event(kind: str, actor: str, target: str, **more: Any) -> EventBody:
    said = {"id": str(uuid4()), "type": kind, "actor": actor, "target": target, "surface": "dating"}
    return EventBody.model_validate(said | {"occurred_at": clock.now().isoformat()} | more)


def undo(of: EventBody) -> EventBody:
    return event("undo", of.actor, str(of.id), surface=None)


def send(*events: EventBody) -> None:
    results = record_events(list(events), now=clock.now())
    assert {result.status for result in results} == {"accepted"}, results


def look(limit: int = 10) -> list[str]:
    answer = recommend(surface="dating", member="adam", limit=limit, dry_run=True)
    return [item["id"] for item in answer["items"]]


def feature(name: str, candidate: str) -> float:
    told = explain(surface="dating", viewer="adam", candidate=candidate)
    return float(told["waterfall"]["features"][name]["value"])


def state(viewer: str = "adam") -> Any:
    return read_state(
        number(viewer), "dating", "member", now=clock.now().timestamp(), params=PipelineParams()
    )


def test_a_full_inbox_stands_lower_until_its_likes_are_read_answered_or_taken_back(ready: Runtime) -> None:
    likes = [event("like", name, "bea") for name in ("cleo", "dora", "ella", "fay")]
    assert look()[0] == "bea"
    send(*likes)
    ready.poll()
    assert feature("inbox_load", "bea") == 1.0
    assert look()[-1] == "bea"
    send(event("like_read", "bea", "cleo"), event("pass", "bea", "dora"), undo(likes[2]))
    ready.poll()
    assert feature("inbox_load", "bea") == 0.25
    send(event("like_read", "bea", "fay"))
    ready.poll()
    assert look()[0] == "bea"


def test_whoever_does_anything_or_asks_for_a_list_is_present_with_the_next_poll(ready: Runtime) -> None:
    here = lambda name: by_number(ready.world.crowd.active_hour, np.array([number(name)]))[0]  # noqa: E731
    assert here("fay") == 0
    send(event("message", "fay", "bea"))
    recommend(surface="dating", member="adam", limit=1)
    ready.poll()
    assert here("fay") == here("adam") == int(clock.now().timestamp() // 3600)


def test_less_like_this_counts_at_once_until_it_is_undone_in_any_order(ready: Runtime) -> None:
    said = event("feedback", "adam", "bea", context={"reason": "seen_too_often"})
    send(said)
    assert state().signals.tired_of.tolist() == [number("bea")]
    assert feature("fatigue", "bea") == pytest.approx(0.75, abs=0.01)
    assert look()[-1] == "bea"
    send(undo(said))
    assert look()[0] == "bea"
    late = event("feedback", "adam", "cleo", context={"reason": "not_my_type"})
    send(undo(late))
    send(late)
    assert len(state().signals.less) == 0


def test_a_pass_is_in_the_session_and_an_undo_restores_the_very_list(ready: Runtime) -> None:
    before = look()
    passed = event("pass", "adam", "bea")
    send(passed)
    assert state().signals.decided["number"].tolist() == [number("bea")]
    assert "bea" not in look()
    send(undo(passed))
    assert len(state().signals.decided) == 0
    assert look() == before


def test_with_every_signal_there_a_list_takes_no_query_and_two_round_trips(
    ready: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(
        event("like", "fay", "adam"), event("pass", "adam", "bea"), event("impression", "adam", "cleo"),
        event("feedback", "adam", "dora", context={"reason": "other_industry"}),
    )  # fmt: skip
    ready.stop()
    recommend(surface="dating", member="adam", limit=1)
    ready.poll()
    with CaptureQueriesContext(connection) as queries, round_trips(monkeypatch) as sent:
        assert recommend(surface="dating", member="adam", limit=2)["degraded"] == []
    assert len(queries) == 0
    assert len(sent) == 2


@pytest.mark.parametrize("seed", range(4))
def test_a_rebuild_says_the_same_as_the_events_one_by_one(ready: Runtime, seed: int) -> None:
    draw = random.Random(seed)
    people = ("adam", *WOMEN)
    sent: list[EventBody] = []
    for _ in range(60):
        kind = draw.choice(["like", "like", "pass", "impression", "like_read", "feedback", "match", "undo"])
        actor, target = draw.sample(people, 2)
        mine = [one for one in sent if one.type in ("like", "pass", "feedback", "match")]
        reason = draw.choice(["not_my_type", "too_far", "other_industry", "seen_too_often"])
        if kind == "undo" and mine:
            sent.append(undo(draw.choice(mine)))
        elif kind != "undo":
            sent.append(event(kind, actor, target, context={"reason": reason} if kind == "feedback" else {}))
    for start in range(0, len(sent), 7):
        send(*sent[start : start + 7])
    ready.poll()
    before = told(ready)
    assert rebuild()
    ready.poll(wait=True)
    assert told(ready) == before


def told(ready: Runtime) -> dict[str, Any]:
    """All that lists are told, of everybody."""
    crowd, result = ready.world.crowd, {}
    for name in ("adam", *WOMEN):
        found, n = state(name), number(name)
        result[name] = (
            sorted(found.signals.decided.tolist()),
            sorted(found.signals.less.tolist()),
            found.signals.tired_of.tolist(),
            found.liked_by.tolist(),
            int(crowd.unread_on("dating")[min(n, len(crowd.unread_on("dating")) - 1)]),
            int(crowd.active_hour[min(n, len(crowd.active_hour) - 1)]),
        )
    return result
