"""The page of an experiment: exposure from real deliveries, the metric from real events."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.urls import reverse

from apps.common.clock import now
from apps.delivery.models import ExperimentReading
from apps.delivery.readings import is_due, latest_reading, read_experiment, read_experiments, results_of
from apps.experiments.outcomes import outcomes
from apps.experiments.results import results
from apps.interactions.models import Delivery, Relationship
from apps.interactions.partitions import ensure_partitions
from apps.releases import services
from apps.releases.selectors import live_release
from tests.policies.examples import experiment

pytestmark = pytest.mark.django_db


def running(**values: object) -> dict:
    start, end = (f"{now() + timedelta(days=days):%Y-%m-%dT00:00:00Z}" for days in (-5, 20))
    return experiment(starts_at=start, ends_at=end, **values)


def publish(one: dict) -> None:
    draft = services.start_revision(actor=None)
    services.publish_revision(services.edit_revision(draft, 1, {"experiments": [one]}), actor=None, note="")


def delivered(viewer: int, variant: str, salt: str = "spread:1", days: float = 2, market: int = 1) -> None:
    at = now() - timedelta(days=days)
    ensure_partitions("interactions_delivery", [at])
    Delivery.objects.create(
        id=uuid4(), served_at=at, viewer=viewer, surface="dating", market=market, release=1, snapshot="s",
        seed=1, requested=1, candidates=[], scores=[], propensities=[], sources=[],
        variants={"spread": variant, "salts": {"spread": salt}},
    )  # fmt: skip


def matched(viewer: int, other: int, days: float = 1) -> None:
    Relationship.objects.create(
        actor=viewer, target=other, target_kind="member", surface="dating", state="matched",
        decided_at=now() - timedelta(days=days), decided_by=uuid4(),
    )  # fmt: skip


def test_outcomes_count_from_the_first_exposure_of_this_phase_on():
    delivered(1, "control")
    delivered(1, "control", days=3)
    delivered(2, "spread")
    delivered(3, "spread", salt="spread:0")  # an earlier phase
    matched(1, 9, days=2.5)  # between the two exposures
    matched(2, 9)
    matched(2, 8, days=4)  # before the exposure
    found = outcomes(running(), "matches", until=now())
    rows = sorted(zip(found.variant.tolist(), found.value.tolist(), strict=True))
    assert rows == [(0, 1.0), (1, 1.0)]


def test_results_compare_each_variant_with_the_control_by_the_unit_that_was_dealt():
    for viewer in range(1, 41):
        delivered(viewer, "spread" if viewer % 2 else "control", market=viewer % 8)
        if viewer % 2:
            matched(viewer, 100)
    by_member = results(running(), now=now())
    assert by_member.exposed == (20, 20)
    assert by_member.compared[0].estimate.difference == 1.0
    by_market = results(running(unit="market"), now=now())
    assert by_market.compared[0].estimate.units == (4, 4)


@pytest.mark.parametrize("metric", ["likes_given", "likes_received", "impressions", "saves", "blocks"])
def test_every_metric_is_one_statement(metric, django_assert_num_queries):
    with django_assert_num_queries(1):
        assert len(outcomes(running(), metric, until=now()).value) == 0


def test_the_page_says_that_members_touch_each_other_and_what_it_can_not_say(editor):
    publish(running())
    for viewer in range(1, 21):
        delivered(viewer, "spread" if viewer % 2 else "control")
    assert read_experiments() == 1
    page = editor.get(reverse("admin:experiment", args=["spread"])).content.decode()
    assert "this number can be off by several times" in page
    assert "Read it once, at its end." in page
    assert "Matches per member" in page


def test_an_empty_experiment_says_that_nothing_can_be_said(editor):
    publish(running())
    page = editor.get(reverse("admin:experiment", args=["spread"])).content.decode()
    assert "Nothing was read yet" in page
    read_experiments()
    page = editor.get(reverse("admin:experiment", args=["spread"])).content.decode()
    assert "Too few were exposed to say anything." in page


def test_a_reading_is_what_was_computed():
    publish(running())
    for viewer in range(1, 41):
        delivered(viewer, "spread" if viewer % 2 else "control")
        if viewer % 3 == 0:
            matched(viewer, 100)
    at = now()
    assert read_experiment(running(), at)
    assert results_of(latest_reading(running())) == results(running(), now=at)


def test_a_reading_rests_after_its_cost_and_an_ended_experiment_is_read_once_more():
    publish(running())
    at = now()
    read_experiment(running(), at)
    reading = latest_reading(running())
    assert not is_due(running(), reading, at + timedelta(seconds=59))
    assert is_due(running(), reading, at + timedelta(seconds=61))
    reading.seconds = 30.0
    assert not is_due(running(), reading, at + timedelta(seconds=599))
    assert is_due(running(), reading, at + timedelta(seconds=601))
    assert is_due(running(), reading, at + timedelta(days=30))
    reading.until = at + timedelta(days=30)
    assert not is_due(running(), reading, at + timedelta(days=60))
    assert is_due(running(phase=2), latest_reading(running(phase=2)), at), "another phase is another reading"


def test_two_workers_read_an_experiment_once_and_one_that_died_is_followed():
    publish(running())
    at = now()
    read_experiment(running(), at)
    ExperimentReading.objects.update(claimed_until=at + timedelta(minutes=1))
    assert not read_experiment(running(), at)
    assert read_experiment(running(), at + timedelta(minutes=2))


def test_the_list_leads_to_the_results(editor):
    publish(running())
    page = editor.get(reverse("admin:entries", args=["experiments"])).content.decode()
    assert reverse("admin:experiment", args=["spread"]) in page
    assert editor.get(reverse("admin:experiment", args=["none"])).status_code == 404


def test_the_last_reading_of_an_experiment_is_there_after_a_roll_back_past_it(editor):
    before = live_release()
    publish(running())
    for viewer in range(1, 9):
        delivered(viewer, ("control", "spread")[viewer % 2])
    with_it = live_release()
    assert read_experiments() == 1
    services.roll_back(before, actor=None, note="too bold")
    page = editor.get(reverse("admin:experiment", args=["spread"])).content.decode()
    assert f"Release {with_it.number} was the last one with this experiment." in page
    assert "Who saw which variant" in page
    listed = editor.get(reverse("admin:entries", args=["experiments"])).content.decode()
    assert reverse("admin:experiment", args=["spread"]) in listed
    assert "Not live any more" in listed
    assert editor.get(reverse("admin:experiment", args=["never"])).status_code == 404
