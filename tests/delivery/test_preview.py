"""A preview keeps nothing and says what is served after publishing; studies of a draft on recent requests."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
import redis
from django.conf import settings

from apps.common.clock import now
from apps.common.errors import Conflict
from apps.delivery import studies
from apps.delivery.comparison import exposure, gini, ginis, histogram, rank_biased_overlap
from apps.delivery.models import DraftStudy
from apps.delivery.preview import compared, lost, preview_list
from apps.delivery.reach import measure_reach, reach
from apps.delivery.services import recommend
from apps.delivery.studies import ask_for_study, cancel_study, run_study
from apps.interactions.copier import copy_all
from apps.interactions.models import Delivery
from apps.interactions.partitions import ensure_partitions
from apps.policies.schema import validate_content
from apps.releases import services
from apps.releases.selectors import live_release
from tests.delivery.conftest import number
from tests.delivery.publishing import age_at_most, in_days, rule
from tests.delivery.test_caps import men
from tests.delivery.test_flags import a_flag
from tests.policies import examples
from tests.refresh.rows import make_market, make_member


def test_overlap_is_that_worked_out_by_hand():
    assert rank_biased_overlap([], []) == 1.0
    assert rank_biased_overlap("abc", "abc") == pytest.approx(1.0)
    assert rank_biased_overlap("abc", "xyz") == 0.0
    assert rank_biased_overlap("ab", "") == 0.0
    # agreement 0, 1 at depths 1, 2: (1 - p)/p * p^2 + p^2 at p = 0.9
    assert rank_biased_overlap("ab", "ba") == pytest.approx(0.1 / 0.9 * 0.81 + 0.81)
    assert rank_biased_overlap("abcd", "abdc") > rank_biased_overlap("abcd", "bacd")
    assert rank_biased_overlap("abc", "abcdef") == pytest.approx(rank_biased_overlap("abcdef", "abc"))


def test_gini_and_histogram():
    assert gini([]) == 0.0
    assert gini([3, 3, 3]) == pytest.approx(0.0)
    assert gini([0, 0, 0, 8]) == pytest.approx(0.75)
    assert histogram([0.0, 0.05, 0.95, 1.0]) == [2, 0, 0, 0, 0, 0, 0, 0, 0, 2]


def everything_in(client: redis.Redis) -> dict[bytes, object]:
    """But what each poll tells by itself: how well the process does, and who looked."""
    told = (b"o:health", b"o:active", b"o:moved")
    return {key: client.dump(key) for key in client.keys("o:*") if not key.startswith(told)}


def changed(**values: object) -> dict:
    content = validate_content(live_release().content)
    content["surfaces"]["dating"] |= {"random_share": 0.0, **values}
    return validate_content(content)


def test_a_preview_reserves_and_logs_nothing(serving):
    client = redis.Redis.from_url(settings.REDIS_URL)
    recommend(surface="dating", member="adam", limit=1)
    before = everything_in(client)
    shown = preview_list(surface="dating", member="adam", content=changed(diversity=0.9), seed=3)
    assert shown["items"]
    assert everything_in(client) == before
    copy_all()
    assert Delivery.objects.count() == 1


def test_a_pin_moves_somebody_up_and_rules_off_puts_them_back(serving):
    first = preview_list(surface="dating", member="adam", content=changed(exploration=0.0), seed=3)
    last = first["items"][-1]["id"]
    from tests.delivery.conftest import number

    pin = rule("top", "pin", effect={"candidates": [number(last)], "position": 1})
    content = changed(rules=[pin], exploration=0.0)
    after = preview_list(surface="dating", member="adam", content=content, seed=3)
    places = compared(first, after)
    assert (places[0].id, places[0].before, places[0].moved) == (last, len(places), len(places) - 1)
    off = preview_list(surface="dating", member="adam", content=content, seed=3, rules_off=True)
    assert [item["id"] for item in off["items"]] == [item["id"] for item in first["items"]]
    assert lost(first, after) == []


def test_reach_is_everybody_for_a_knob_and_those_in_the_condition_for_a_rule(serving):
    snapshot = serving.world.snapshot
    live = live_release().content
    viewers = len(snapshot.surfaces["dating"].viewers)
    assert reach(snapshot, live, live)["dating"] == (0, viewers)
    knob = {**live, "surfaces": {**live["surfaces"], "dating": changed(diversity=0.9)["surfaces"]["dating"]}}
    assert reach(snapshot, live, knob)["dating"] == (viewers, viewers)
    assert reach(snapshot, live, knob)["networking"][0] == 0
    base = changed()
    nobody = changed(rules=[rule("none", viewers=age_at_most(5))])
    assert reach(snapshot, base, nobody)["dating"] == (0, viewers)
    everybody = changed(rules=[rule("all")])
    assert reach(snapshot, base, everybody)["dating"] == (viewers, viewers)
    assert reach(None, live, knob) == {}


def test_reach_counts_whom_a_flag_names_and_as_many_as_a_lot_may_deal_in(serving):
    snapshot = serving.world.snapshot
    everybody = len(snapshot.surfaces["dating"].viewers)

    def touched_by(percentage: float, allow: list[int]) -> int:
        named = a_flag("trial", allow=allow) | {"percentage": percentage}
        turning = named | {"surface": "dating", "overrides": {"diversity": 0.5}}
        return reach(snapshot, changed(), changed() | {"flags": [turning]})["dating"][0]

    assert touched_by(0.0, []) == 0
    assert touched_by(0.0, [number("adam"), number("bea")]) == 2
    assert touched_by(50.0, []) == everybody  # so few may all be dealt in


def test_gini_of_two_sides_counts_whom_one_of_them_leaves_out():
    wide, narrow = exposure([["a", "b"], ["a", "c"], ["a", "d"]]), exposure([["a"], ["a"], ["a"]])
    assert ginis(wide, narrow) == (pytest.approx(0.25), pytest.approx(0.75))


def test_what_would_meet_nobody_is_named_in_the_checks_of_the_draft(serving):
    nobody, everybody = age_at_most(18), age_at_most(90)
    dates = {"starts_at": in_days(-1), "ends_at": in_days(20)}
    changes = {
        "dating.rules": [
            rule("young", candidates=nobody, effect={"factor": 2.0}),
            rule("all", viewers=everybody, candidates={"segment": "grown"}, effect={"factor": 2.0}),
        ],
        "segments": [
            examples.segment(condition=everybody),
            examples.segment(key="none", name="None", condition=nobody),
        ],
        "experiments": [examples.experiment(audience={"segment": "none"}, **dates)],
    }
    draft = services.edit_revision(services.start_revision(actor=None), 1, changes)
    measured = measure_reach(draft)
    assert measured.empty == [
        "Dating: nobody is among the candidates of young.",
        "The segment None is empty.",
        "Nobody is in the audience of the experiment More spread.",
    ]
    said = {check.sentence: check.level for check in services.checks(draft)}
    assert {said[sentence] for sentence in measured.empty} == {"warn"}


def test_a_study_draws_recent_requests_again_and_says_what_differs(serving):
    for _ in range(3):
        recommend(surface="dating", member="adam", limit=2)
    copy_all()
    draft = services.start_revision(actor=None)
    draft = services.edit_revision(draft, 1, {"dating.reciprocity": "viewer_only", "dating.diversity": 1.0})
    study = ask_for_study(draft, actor=None, sample=10)
    with pytest.raises(Conflict):
        ask_for_study(draft, actor=None)
    done = run_study(study.pk)
    assert done is not None
    lists = Delivery.objects.exclude(candidates=[]).count()
    assert (done.status, done.done, done.result["dating"]["lists"]) == ("done", lists, lists)
    assert 0 <= done.result["dating"]["overlap"] <= 1
    assert sum(done.result["dating"]["overlaps"]) == lists
    assert run_study(study.pk) is None


@pytest.mark.django_db
def test_a_study_is_of_all_hours_of_the_last_days_then_of_the_latest():
    member = make_member("adam", make_market("london", (51.5, -0.1)))
    for hours in (200, 150, 100, 50, 1):  # the seed says how long ago
        at = now() - timedelta(hours=hours)
        ensure_partitions("interactions_delivery", [at])
        Delivery.objects.bulk_create(
            Delivery(
                id=uuid4(), served_at=at, viewer=member.number, surface="dating", release=1, snapshot="s",
                seed=hours, requested=1, candidates=[9], scores=[1.0], propensities=[1.0], sources=[1],
                trace=[],
            )
            for _ in range(30)
        )  # fmt: skip
    assert sorted(seed for _, _, seed, _ in studies._sample(4)) == [1, 50, 100, 150]
    assert sorted(seed for _, _, seed, _ in studies._sample(20)) == [1] * 17 + [50, 100, 150]


def test_a_study_counts_whom_a_lower_cap_of_the_draft_would_hold_back(serving, market):
    """Five women were shown to one man, two of them to another, who holds those two: of the three whom he
    may be shown again the draft's cap holds each back."""
    one, other = men(market, serving, 2)
    assert len(recommend(surface="dating", member=one, limit=5)["items"]) == 5
    assert len(recommend(surface="dating", member=other, limit=2)["items"]) == 2
    copy_all()
    before = everything_in(redis.Redis.from_url(settings.REDIS_URL))
    draft = services.edit_revision(services.start_revision(actor=None), 1, {"dating.daily_cap": 1})
    done = run_study(ask_for_study(draft, actor=None, sample=10).pk)
    assert done is not None
    found = done.result["dating"]
    assert (found["cap_hits"], found["capped"], found["shown"]) == ([0, 3], [0, 1], [2, 0])
    assert everything_in(redis.Redis.from_url(settings.REDIS_URL)) == before, "nothing was counted"


def test_a_cancelled_study_does_no_work_and_another_may_be_asked_for(serving):
    draft = services.start_revision(actor=None)
    study = ask_for_study(draft, actor=None)
    assert cancel_study(study)
    assert run_study(study.pk) is None
    assert not cancel_study(study)
    assert ask_for_study(draft, actor=None).status == DraftStudy.Status.WAITING


def test_a_study_without_any_recent_request_ends_empty(serving):
    study = ask_for_study(services.start_revision(actor=None), actor=None)
    done = run_study(study.pk)
    assert done is not None
    assert (done.status, done.result) == ("done", {})
