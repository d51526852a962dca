"""A delivery is replayed from its row, bit for bit; what is not kept any more is said and not guessed."""

from __future__ import annotations

import shutil
import time
import zlib
from datetime import timedelta
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from django.urls import reverse

from apps.common.clock import now
from apps.common.models import AuditEntry
from apps.delivery import told as packing
from apps.delivery.replay import NotReplayable, Replayed, replay_delivery
from apps.delivery.runtime import Runtime
from apps.delivery.services import rank, recommend
from apps.delivery.told import unpack
from apps.interactions.copier import copy_all
from apps.interactions.erasure import erase_member
from apps.interactions.models import Delivery
from apps.interactions.online import Effect, apply
from apps.interactions.signals import Deed
from apps.learning.rankers import Rankers
from apps.members.bodies import ConnectionBody, MemberBody
from apps.members.graph import delete_connection, put_connection
from apps.members.models import Member
from apps.members.services import patch_member, put_member
from apps.pipeline.params import Widths
from apps.refresh.selectors import snapshot_folder
from apps.refresh.services import refresh
from apps.releases.services import switch_off
from tests.console.people import staff
from tests.delivery.conftest import number
from tests.delivery.publishing import age_at_most, in_days, publish, rule, with_rules
from tests.policies import examples


@pytest.fixture
def ready(serving: Runtime) -> Runtime:
    serving.poll()
    return serving


def delivered(surface: str = "dating", member: str = "adam", **asked: Any) -> Delivery:
    """The row of one list."""
    given = recommend(surface=surface, member=member, **{"limit": 3, **asked})
    copy_all()
    return Delivery.objects.get(id=given["delivery"])


def joins(name: str, **values: Any) -> None:
    body = {
        "display_name": name.title(), "status": "active", "birth_date": "1994-05-01", "gender": "woman",
        "seeking": ["man"], "home": {"market": "london", "latitude": 51.5, "longitude": -0.12}, **values,
    }  # fmt: skip
    put_member(name, MemberBody.model_validate(body))


def test_a_list_is_the_same_again_in_the_same_process_and_after_the_world_went_on(ready: Runtime) -> None:
    row = delivered()
    assert replay_delivery(row).same
    publish(ready, with_rules(rule("young", candidates=age_at_most(60), effect={"factor": 4.0})))
    recommend(surface="dating", member="adam", limit=3)  # holds others
    refresh()
    found = replay_delivery(row)
    assert found.same
    assert found.slate.numbers[:3].tolist() == row.candidates


@pytest.mark.parametrize("surface", ["dating", "networking", "travel"])
def test_every_surface_is_replayed(ready: Runtime, surface: str) -> None:
    assert replay_delivery(delivered(surface)).same


def test_lists_of_vectors_in_bfloat16_are_replayed_with_whom_an_edit_made_newer(
    ready: Runtime, settings: Any
) -> None:
    settings.SNAPSHOT_VECTORS = "bfloat16"
    refresh()
    joins("gina")
    patch_member("bea", {"age_min": 30})
    patch_member("adam", {"age_max": 60})
    ready.poll(wait=True)
    assert ready.world.snapshot is not None
    assert ready.world.snapshot.manifest["vectors"] == "bfloat16"
    for surface in ("dating", "networking", "travel"):
        row = delivered(surface, limit=10)
        assert row.snapshot == ready.world.snapshot.id
        assert len(row.candidates) == (2 if surface == "travel" else 6)
        assert replay_delivery(row).same


def test_rules_flags_experiments_and_what_was_switched_off_are_replayed_as_they_were(ready: Runtime) -> None:
    dates = {"starts_at": in_days(-1), "ends_at": in_days(20)}

    def everything(content: dict[str, Any]) -> None:
        with_rules(
            rule("young", candidates=age_at_most(60), effect={"factor": 2.0}),
            rule("off", candidates=age_at_most(60), effect={"factor": 4.0}),
            rule("first", "pin", effect={"candidates": [number("fay")], "position": 1}),
            daily_cap=50,
            exploration=0.5,
        )(content)
        content["flags"] = [examples.flag(percentage=100.0, overrides={"weights.activity": 0.3}, **dates)]
        content["experiments"] = [examples.experiment(**dates)]

    publish(ready, everything)
    switch_off("rule", "dating/off", actor=None, reason="too strong")
    ready.poll()
    row = delivered()
    assert row.candidates[0] == number("fay")
    assert {"bolder", "spread"} <= set(row.variants)
    found = replay_delivery(row)
    assert found.same
    steps = found.waterfall(number("fay"))["rules"]  # type: ignore[index]
    assert [step["rule"] for step in steps] == ["young"]

    row.variants["salts"]["more"] = "of a flag that was off"
    assert replay_delivery(row).same
    row.variants["salts"]["spread"] = "another phase"
    with pytest.raises(NotReplayable, match="dealt in another way"):
        replay_delivery(row)


def test_a_viewer_of_the_hold_out_is_replayed(ready: Runtime) -> None:
    publish(ready, lambda content: content["surfaces"]["dating"].update(random_share=10.0))
    for i in range(60):
        joins(f"man{i}", gender="man", seeking=["woman"])
    ready.poll()
    for i in range(60):
        recommend(surface="dating", member=f"man{i}", limit=3)
    copy_all()
    rows = list(Delivery.objects.all())
    assert any(row.random_order for row in rows)
    assert all(replay_delivery(row).same for row in rows)


def test_who_joined_after_the_snapshot_stands_in_the_row_as_viewer_and_as_candidate(ready: Runtime) -> None:
    joins("gina")
    joins("hugo", gender="man", seeking=["woman"])
    ready.poll()
    row = delivered(member="hugo", limit=10)
    assert number("gina") in row.candidates
    Member.objects.filter(external_id="gina").update(gender="man")  # later
    ready.poll()
    assert replay_delivery(row).same


def test_who_was_hidden_then_is_left_out_again(ready: Runtime) -> None:
    patch_member("bea", {"visibility": "hidden"})
    ready.poll()
    row = delivered(limit=5)
    assert number("bea") not in row.candidates
    patch_member("bea", {"visibility": "visible"})
    ready.poll()
    assert replay_delivery(row).same


def test_of_many_newcomers_only_those_who_are_eligible_are_kept(ready: Runtime) -> None:
    for i in range(packing.FEW + 4):
        joins(f"new{i}", gender="man" if i % 2 else "woman", seeking=["man"])
    ready.poll()
    row = delivered(limit=20)
    assert len(row.inputs["newcomers"]) == (packing.FEW + 4) // 2
    assert replay_delivery(row).same


def test_ids_that_were_given_are_replayed(ready: Runtime) -> None:
    given = rank(surface="dating", member="adam", candidates=["fay", "bea"], limit=2)
    copy_all()
    found = replay_delivery(Delivery.objects.get(id=given["delivery"]))
    assert found.same
    assert len(found.slate.numbers) == 2


def test_who_was_at_a_cap_then_is_left_out_again(ready: Runtime) -> None:
    publish(ready, with_rules(rule("once", "cap", effect={"daily": 1, "hourly": 0}), exploration=0))
    joins("hugo", gender="man", seeking=["woman"])
    ready.poll()
    recommend(surface="dating", member="adam", limit=2)
    recommend(surface="dating", member="hugo", limit=1)  # meets the cap: from now on it is known
    ready.poll()
    joins("ivan", gender="man", seeking=["woman"])
    ready.poll()
    row = delivered(member="ivan", limit=5)
    assert len(row.candidates) == 2
    assert len(unpack(bytes(row.viewer_state), "member").capped) > 0
    assert replay_delivery(row).same


def test_a_snapshot_that_is_gone_is_said(ready: Runtime) -> None:
    row = delivered()
    shutil.rmtree(snapshot_folder(row.snapshot))
    with pytest.raises(NotReplayable, match=r"snapshot .* is not kept any more"):
        replay_delivery(row)


def test_a_row_from_before_and_a_state_that_did_not_fit_are_said(ready: Runtime) -> None:
    row = delivered()
    row.viewer_state, kept = None, row.viewer_state
    with pytest.raises(NotReplayable, match="state of that moment"):
        replay_delivery(row)
    row.viewer_state, row.inputs = kept, {}
    with pytest.raises(NotReplayable, match="before deliveries named"):
        replay_delivery(row)


def test_a_state_too_large_for_the_row_is_not_kept_in_part(ready: Runtime) -> None:
    many = np.cumsum(np.random.default_rng(1).integers(1, 2**15, 9000)).astype("i4")
    assert packing.pack(packing.Told(excluded=many)) == b""


def test_a_list_by_the_heavy_ranker_is_replayed_with_its_trees(
    ready: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trees of one question, as a refresh of many decisions would store them."""
    arrays = {
        "heavy.feature": np.zeros((1, 1), "u1"),
        "heavy.threshold": np.full((1, 1), 0.01, "f4"),
        "heavy.leaf": np.array([[-2.0, 1.0]]),
    }
    heavy = {"features": ["distance_log"], "baseline": 0.0}
    like = {"intercept": -1.0, "weights": {"distance_log": 0.3}}
    found = Rankers({"like": like, "heavy": heavy}, arrays)
    monkeypatch.setattr("apps.learning.members.fit_rankers", lambda *_: found)
    refresh()
    ready.poll(wait=True)
    row = delivered()
    assert next(stage for stage in row.trace if stage["stage"] == "score")["heavy"] == 5
    replayed = replay_delivery(row)
    assert replayed.same
    waterfall = replayed.waterfall(row.candidates[0])
    assert waterfall is not None
    assert waterfall["ranker"] == "heavy"
    row.inputs = {**row.inputs, "widths": [0, 0]}
    assert not replay_delivery(row).same


def test_what_differs_is_named_place_by_place(ready: Runtime) -> None:
    row = delivered()
    row.scores[1] += 0.1
    row.inputs = {**row.inputs, "slate": "another", "build": "numpy 1.0"}
    found: Replayed = replay_delivery(row)
    assert not found.same
    assert found.differences[0].startswith("It was computed by numpy 1.0")
    assert found.differences[1].startswith("Place 2 has the score")


def test_an_erased_viewer_is_said_and_an_erased_newcomers_row_is_gone(ready: Runtime) -> None:
    joins("gina")
    ready.poll()
    row = delivered(limit=10)
    assert row.inputs["newcomers"] == [number("gina")]
    erase_member("gina")
    row.refresh_from_db()
    assert row.viewer_state is None
    with pytest.raises(NotReplayable, match="erased"):
        replay_delivery(row)


def test_the_page_says_that_it_is_the_same_and_where_each_score_came_from(ready: Runtime) -> None:
    publish(ready, with_rules(rule("young", candidates=age_at_most(60), effect={"factor": 2.0})))
    row = delivered()
    editor, address = staff("editor"), reverse("admin:delivery_replay", args=[row.pk])
    assert "bit for bit" not in editor.get(address).content.decode()
    assert editor.post(address, {"reason": ""}).status_code == 400
    page = editor.post(address, {"reason": "A complaint"}).content.decode()
    for text in ("The same list, bit for bit", "In the market", "Passed the filters", "Rule young"):
        assert text in page
    assert AuditEntry.objects.get(action="member.looked_at").after["page"] == "replay"
    assert "bit for bit" in editor.get(address).content.decode()  # the reason counts for an hour


def test_the_page_tells_of_likes_to_trust_and_safety_alone(ready: Runtime) -> None:
    row = delivered()
    address = reverse("admin:delivery_replay", args=[row.pk])
    for role, told in (("editor", False), ("safety", True)):
        page = staff(role).post(address, {"reason": "A complaint"}).content.decode()  # type: ignore[arg-type]
        assert ("liked you" in page.lower()) is told


def test_a_list_that_was_ranked_narrower_is_replayed_as_narrow(ready: Runtime) -> None:
    late = time.perf_counter() - 60
    row = delivered(came_at=late)
    assert row.inputs["widths"] == [0, 200]
    assert {"stage": "narrowed", "received": 0, "kept": 0, "heavy": 0, "retrieved": 200} in row.trace
    found = replay_delivery(row)
    assert found.same
    assert found.request.widths == Widths(heavy=0, retrieved=200)


def test_a_list_that_had_less_room_than_its_sources_proposed_is_replayed(ready: Runtime) -> None:
    """Of a hundred there is room for 84, twice the list with its reserve; of them half for one source."""
    for i in range(100):
        joins(f"new{i}")
    refresh()
    ready.poll(wait=True)

    def change(content: dict[str, Any]) -> None:
        content["surfaces"]["dating"]["room"] = 50
        content["surfaces"]["dating"]["source_weights"]["newcomers"] = 3.0
        content["surfaces"]["dating"]["source_shares"]["nearest"] = 0.5

    publish(ready, change)
    row = delivered(limit=2)
    trace = {stage["stage"]: stage for stage in row.trace}
    assert trace["room"] == {"stage": "room", "received": 105, "kept": 84, "room": 84}
    assert (trace["nearest"]["found"], trace["nearest"]["least"]) == (105, 42)
    assert replay_delivery(row).same


def test_signals_of_that_moment_are_replayed(ready: Runtime) -> None:
    """Taste of the hour, fatigue, less like this, inboxes, presence and likes received, all at once."""
    publish(ready, with_rules(exploration=0.5, likes_share=0.5, session_reach=1.0, inbox_full=4))
    who = {name: number(name) for name in ("adam", "bea", "cleo", "dora", "ella", "fay")}
    at, long_ago = now(), now() - timedelta(days=5)
    decided = [
        Effect("like", "liked", who["adam"], who["bea"], "member", "dating", at),
        Effect("pass", "passed", who["adam"], who["cleo"], "member", "dating", at),
        Effect("like", "liked", who["dora"], who["adam"], "member", "dating", at),
        Effect("like", "liked", 777, who["ella"], "member", "dating", at),
        Effect("impression", "", who["adam"], who["ella"], "member", "dating", long_ago),
    ]
    less = Deed("feedback", who["adam"], who["fay"], "member", "dating", at, uuid4(), "not_my_type")
    apply(decided, [less, Deed("message", who["fay"], who["bea"], "member", "dating", at, uuid4())])
    ready.poll()
    row = delivered()
    told = unpack(bytes(row.viewer_state), "member", row.served_at.timestamp()).signals
    assert [tuple(deed)[:2] for deed in told.decided.tolist()] == [(who["bea"], 1), (who["cleo"], 2)]
    assert [tuple(deed)[:2] for deed in told.less.tolist()] == [(who["fay"], 1)]
    assert told.tired_of.tolist() == [who["ella"]]
    assert told.unread[who["ella"]] == 1
    assert told.active_hour[who["fay"]] == int(at.timestamp() // 3600)
    apply([one._replace(state="", at=now()) for one in decided[:4]])  # the world goes on
    ready.poll()
    found = replay_delivery(row)
    assert found.same
    waterfall = found.waterfall(who["ella"])
    assert waterfall is not None
    assert waterfall["features"]["fatigue"]["contribution"] < 0
    assert waterfall["features"]["inbox_load"]["value"] == 0.25


@pytest.mark.parametrize("state", [b"", b"\x04" + zlib.compress(bytes(64)), packing.FORMAT + b"torn"])
def test_a_state_in_another_form_is_told_and_not_guessed(ready: Runtime, state: bytes) -> None:
    row = delivered()
    row.viewer_state = state
    with pytest.raises(NotReplayable):
        replay_delivery(row)


def test_whoever_changed_since_the_snapshot_is_replayed_as_they_were(ready: Runtime) -> None:
    for name, patch in (("bea", {"age_max": 80}), ("cleo", {"seeking": ["woman"]})):
        patch_member(name, patch)
    patch_member("adam", {"age_min": 20, "age_max": 90})
    ready.poll()
    row = delivered(limit=5)
    assert number("bea") in row.candidates
    assert number("cleo") not in row.candidates
    told = unpack(bytes(row.viewer_state), "member")
    everybody = sorted(number(name) for name in ("adam", "bea", "cleo"))
    assert told.stale.tolist() == row.inputs["newcomers"] == everybody
    assert told.viewer is not None
    for name in ("bea", "adam"):
        patch_member(name, {"seeking": ["nonbinary"]})
    ready.poll()
    assert replay_delivery(row).same


def test_whose_ties_were_lost_is_replayed_as_they_were(ready: Runtime) -> None:
    for pair in (("adam", "fay"), ("fay", "bea"), ("adam", "cleo"), ("cleo", "ella")):
        put_connection(*pair, ConnectionBody())
    weights = {"mutual_connections": 0.5, "pagerank": 0.5}
    publish(ready, lambda content: content["surfaces"]["dating"]["weights"].update(weights))
    refresh()
    ready.poll(wait=True)
    tied = delivered(limit=1)
    delete_connection("fay", "bea")
    ready.poll()
    row = delivered(limit=1)
    told = unpack(bytes(row.viewer_state), "member")
    assert told.untied.tolist() == sorted([number("fay"), number("bea")])
    delete_connection("cleo", "ella")
    ready.poll()
    assert replay_delivery(tied).same
    assert replay_delivery(row).same


def test_the_page_says_what_is_not_kept_any_more(ready: Runtime) -> None:
    row = delivered()
    shutil.rmtree(snapshot_folder(row.snapshot))
    address = reverse("admin:delivery_replay", args=[row.pk])
    page = staff("editor").post(address, {"reason": "A complaint"}).content.decode()
    assert "is not kept any more" in page
    assert "bit for bit" not in page
