"""What members do now changes the next list, over HTTP and with two web workers; staff can switch it off."""

from __future__ import annotations

from typing import Any

import pytest

from tests.journeys.town import Town, event, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.django_db]


def undo(of: dict[str, Any]) -> dict[str, Any]:
    said = event("undo", of["actor"], of["id"])
    del said["surface"]
    return said


def feature(town: Town, viewer: str, candidate: str, name: str) -> float:
    """Its value for a candidate, as staff are told; 0 for one without a weight."""
    answer = town.ask(f"GET /explain?surface=dating&viewer={viewer}&candidate={candidate}")
    assert answer.status_code == 200, answer.text
    return float(answer.json()["waterfall"]["features"].get(name, {"value": 0})["value"])


def everywhere(town: Town, viewer: str, candidate: str, name: str) -> set[float]:
    """The values that ten answers over new connections give: both workers have their say."""
    found = set()
    for _ in range(10):
        town.session.close()
        found.add(feature(town, viewer, candidate, name))
    return found


def signals(town: Town, viewer: str) -> dict[str, float]:
    """What the trace of a list says of signals."""
    delivery = town.list(viewer, limit=2)["delivery"]
    stages = town.ask(f"GET /deliveries/{delivery}/trace").json()["stages"]
    told: dict[str, float] = next(stage for stage in stages if stage["stage"] == "score").get("signals", {})
    return told


def set_knob(town: Town, name: str, value: float) -> None:
    town.wait_for_release(town.publish({f"dating.{name}": value}, note="For the journey").number)


def test_likes_of_the_last_hour_move_the_taste_until_they_are_undone_or_staff_say_no(town: Town) -> None:
    assert "taste_moved" not in signals(town, "w1")
    likes = [event("like", "w1", f"m{i}") for i in (36, 40)]
    town.send(*likes)
    moved = signals(town, "w1")["taste_moved"]
    assert 0 < moved <= 0.3 + 1e-4  # at most session_reach times the taste's length, 1 where there is none
    set_knob(town, "session_reach", 0)
    assert "taste_moved" not in signals(town, "w1")
    set_knob(town, "session_reach", 0.3)
    assert signals(town, "w1")["taste_moved"] == pytest.approx(moved, abs=0.01)
    town.send(*map(undo, likes))
    assert "taste_moved" not in signals(town, "w1")


def test_whom_a_viewer_saw_stays_away_for_the_cool_down(town: Town) -> None:
    assert "m2" in town.look("w2")
    town.send(event("impression", "w2", "m2"))
    assert "m2" not in town.look("w2")
    assert "m2" in town.look("w3")
    set_knob(town, "cooldown_days", 0)
    assert "m2" in town.look("w2")
    assert feature(town, "w2", "m2", "fatigue") == pytest.approx(0.5, abs=0.01)
    set_knob(town, "cooldown_days", 3)


def test_seen_too_often_tires_at_once_and_is_taken_back(town: Town) -> None:
    said = event("feedback", "w4", "m4", context={"reason": "seen_too_often"})
    town.send(said)
    assert feature(town, "w4", "m4", "fatigue") == pytest.approx(0.75, abs=0.01)
    assert signals(town, "w4")["fatigue"] == 1
    set_knob(town, "weights.fatigue", 0)
    assert "fatigue" not in signals(town, "w4")
    set_knob(town, "weights.fatigue", -0.1)
    town.send(undo(said))
    assert feature(town, "w4", "m4", "fatigue") == 0


def test_not_my_type_moves_the_taste_away(town: Town) -> None:
    said = event("feedback", "w5", "m44", context={"reason": "not_my_type"})
    town.send(said)
    assert signals(town, "w5")["taste_moved"] > 0
    town.send(undo(said))
    assert "taste_moved" not in signals(town, "w5")


def test_unread_likes_load_an_inbox_in_every_worker_within_a_second(town: Town) -> None:
    set_knob(town, "inbox_full", 4)
    assert feature(town, "w6", "m6", "inbox_load") == 0
    town.send(*(event("like", f"w{i}", "m6") for i in (7, 8, 9, 10)))
    wait_until(lambda: everywhere(town, "w6", "m6", "inbox_load") == {1.0}, "the full inbox")
    town.send(event("like_read", "m6", "w7"), event("pass", "m6", "w8"))
    wait_until(lambda: everywhere(town, "w6", "m6", "inbox_load") == {0.5}, "the emptier inbox")


def test_whoever_does_something_is_present_in_every_worker(town: Town) -> None:
    assert everywhere(town, "w11", "m50", "presence") == {0.0}  # active 50 hours ago
    town.send(event("profile_view", "m50", "w30"))
    wait_until(lambda: everywhere(town, "w11", "m50", "presence") == {1.0}, "who is here")


def test_who_likes_the_viewer_is_mixed_in_and_nothing_tells_it(town: Town) -> None:
    """Of ten places one or two go to likers from just below; the only one there always has a place."""
    fan = town.look("w12")[12]
    set_knob(town, "exploration", 0.2)
    set_knob(town, "likes_share", 0.15)
    assert times_listed(town, "w12", fan) < 16
    town.send(event("like", fan, "w12"))
    assert times_listed(town, "w12", fan) == 20
    items = town.list("w12", limit=10, dry_run="true")["items"]
    assert len({tuple(sorted(item)) for item in items}) == 1, "one has a key that others lack"
    assert "like" not in str([item["reasons"] for item in items])
    told = town.ask(f"GET /explain?surface=dating&viewer=w12&candidate={fan}").text
    assert "liked" not in told
    set_knob(town, "likes_share", 0)
    assert times_listed(town, "w12", fan) < 16
    set_knob(town, "exploration", 0)


def times_listed(town: Town, viewer: str, candidate: str) -> int:
    return sum(candidate in town.look(viewer, limit=10) for _ in range(20))
