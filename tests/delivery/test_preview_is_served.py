"""Over 200 members the preview of a draft is the list that is served after its publish, to the last bit."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.test.utils import override_settings

from apps.common import clock
from apps.common.errors import Problem
from apps.delivery import ranking
from apps.delivery import runtime as runtimes
from apps.delivery.preview import preview_list
from apps.delivery.runtime import runtime
from apps.delivery.services import recommend
from apps.refresh.services import refresh
from apps.simulation.services import simulate_market, world_for
from apps.simulation.truth import member_id
from tests.delivery.publishing import age_at_most, content_with, publish, rule
from tests.policies import examples

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
MEMBERS, LISTS, LIMIT = 450, 200, 20
SEED = 20_270_101


def change(content: dict[str, Any]) -> None:
    """A draft that uses what there is: weights, rules of several kinds, a flag, an experiment, a cap."""
    dating = content["surfaces"]["dating"]
    dating["weights"] |= {"activity": 0.3, "newcomer": -0.2}
    dating |= {"diversity": 0.4, "exploration": 0.3, "daily_cap": 150}
    dating["rules"] = [
        rule("young", candidates=age_at_most(32), effect={"factor": 1.7}),
        rule("rest", "bury", candidates=age_at_most(24), effect={"factor": 0.5}),
        rule("share", candidates=age_at_most(40), effect={"share": 0.5}),
    ]
    dates = {"starts_at": dating["rules"][0]["starts_at"], "ends_at": dating["rules"][0]["ends_at"]}
    content["flags"] = [examples.flag(percentage=30.0, overrides={"diversity": 0.8}, **dates)]
    content["experiments"] = [examples.experiment(**dates)]


@pytest.fixture
def simulated(unhurried, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ranking, "seed_of", lambda _delivery: SEED)
    with override_settings(
        SNAPSHOT_DIR=tmp_path / "snapshots", VAR_DIR=tmp_path, MODEL_DIR=tmp_path / "models"
    ):
        world = world_for(members=MEMBERS, places=30, days=2, seed=3)
        simulate_market(world)
        refresh()
        yield runtime(), [member_id(world, number) for number in range(MEMBERS)]
        runtimes.stop()


def whole_list(member: str) -> dict[str, Any]:
    """What is served, asked for again while a starved machine keeps this process from trusting the stores."""
    for _ in range(5):
        served = recommend(surface="dating", member=member, limit=LIMIT)
        if not served["degraded"]:
            break
        time.sleep(1)
    assert served["degraded"] == []
    return served


def test_the_preview_of_200_members_is_what_they_are_served_after_the_publish(
    simulated, monkeypatch: pytest.MonkeyPatch
):
    serving, members = simulated
    at = clock.now().replace(microsecond=0)
    draft = content_with(change)
    previewed: dict[str, Any] = {}
    for member in members:
        if len(previewed) == LISTS:
            break
        try:
            asked = {"surface": "dating", "member": member, "seed": SEED, "limit": LIMIT}
            found = preview_list(content=draft, at=at.timestamp(), **asked)
        except Problem:  # one who may not look
            continue
        if found["items"]:
            previewed[member] = found
    assert len(previewed) == LISTS
    before = recommend(surface="dating", member=members[0], limit=LIMIT, dry_run=True)
    publish(serving, change)
    monkeypatch.setattr(
        runtimes, "followed_crowd", lambda _client, crowd, *_: crowd
    )  # who is served is present
    with time_machine.travel(at, tick=False):
        for member, expected in previewed.items():
            served = whole_list(member)
            assert served["items"] == expected["items"], member
    assert before["release"] != served["release"]
    plain = [
        preview_list(**{**asked, "member": member}, rules_off=True)["items"]
        for member in list(previewed)[:20]
    ]
    moved = sum(one != previewed[member]["items"] for one, member in zip(plain, previewed, strict=False))
    assert moved > 10, "the rules do change lists"
