"""The pacer's pages: empty, running, late, frozen on thin traffic, at its bound, and switched off."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from apps.common.clock import now
from apps.delivery.models import PacingPrices
from apps.delivery.pacing_history import history, share_within
from apps.releases import services
from tests.delivery.publishing import in_days
from tests.policies.examples import rule

pytestmark = pytest.mark.django_db
SAID = {
    "kind": "share_target", "target": 0.1, "tolerance": 0.02, "actual": 0.093, "total": 900.0,
    "lift": 0.5, "correction": 0.0212, "frozen": False, "bounded": False,
}  # fmt: skip


def dated(**values: Any) -> dict[str, Any]:
    return rule(starts_at=in_days(-1), ends_at=in_days(9), **values)


@pytest.fixture
def paced(db: None) -> None:
    """A share for newcomers by segment, and a floor for everybody, live on dating."""
    young = {"attribute": "age", "operator": "at_most", "value": 30}
    share = dated(
        id="welcome", name="Welcome", type="share_target", candidates={"segment": "young"},
        effect={"share": 0.1, "tolerance": 0.02},
    )  # fmt: skip
    floor = dated(id="all", name="Nobody unseen", type="floor", effect={"daily": 3, "tolerance": 0.2})
    segment = {"key": "young", "name": "Under 31", "of": "member", "condition": young}
    changes = {
        "segments": [{**segment, "owner": "growth", "reason": "to see"}],
        "dating.rules": [share, floor],
    }
    draft = services.edit_revision(services.start_revision(actor=None), 1, changes)
    services.publish_revision(draft, actor=None, note="")


def stepped(minutes_ago: int = 0, **said: Any) -> None:
    row = PacingPrices.objects.create(
        surface="dating", slot=int(now().timestamp() // 60) - minutes_ago, measured_until=now(),
        rules={"welcome": SAID | said},
    )  # fmt: skip
    PacingPrices.objects.filter(pk=row.pk).update(created_at=now() - timedelta(minutes=minutes_ago))


def one(client: Client, name: str = "welcome") -> str:
    return client.get(reverse("admin:paced_rule", args=["dating", name])).content.decode()


def test_without_a_paced_rule_the_page_says_what_to_do(editor):
    page = editor.get(reverse("admin:pacer")).content.decode()
    assert "Nothing to hold yet" in page
    assert editor.get(reverse("admin:paced_rule", args=["dating", "welcome"])).status_code == 404


def test_a_rule_before_its_first_step_says_so(editor, paced):
    page = one(editor)
    assert "no run yet" in page
    assert "No step within the last 24 hours" in page
    assert "no step yet" in editor.get(reverse("admin:pacer")).content.decode()


def test_the_list_of_rules_leads_to_what_the_pacer_did(editor, paced):
    address = reverse("admin:paced_rule", args=["dating", "welcome"])
    assert address in editor.get(reverse("admin:entries", args=["rules"])).content.decode()
    assert address in editor.get(reverse("admin:pacer")).content.decode()


def test_target_actual_and_correction_stand_in_lines_and_in_a_table(editor, paced):
    for minutes_ago in range(30):
        stepped(minutes_ago)
    page = one(editor)
    for said in (
        "10% of the places, ±2 points",
        "now 9.3%",
        "100% of the last 24 hours",
        "Under 31",
        "Does it get what it should?",
        "How far does it move scores?",
        "+0.0212",
        "steering",
    ):
        assert said in page
    assert page.count("<polyline") == 3
    floor = one(editor, "all")
    assert "3 a day each, ±20%" in floor
    assert "no step yet" in floor


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"frozen": True}, "fewer than 200 places were given within ten minutes"),
        ({"bounded": True}, "The correction is as far as it may go."),
    ],
)
def test_what_keeps_the_pacer_from_moving_is_said(editor, paced, said, sentence):
    stepped(0, **said)
    assert sentence in one(editor)


def test_a_pacer_that_does_not_run_is_late(editor, paced):
    stepped(10)
    page = one(editor)
    assert "10 minutes ago" in page
    assert "look at the worker" in page
    stepped(0)
    assert "look at the worker" not in one(editor)


def test_a_rule_that_is_switched_off_says_by_whom(editor, paced):
    services.switch_off("rule", "dating/welcome", actor=editor.user, reason="Odd lists")
    assert "Odd lists" in one(editor)
    assert "switched off" in editor.get(reverse("admin:pacer")).content.decode()


def test_time_within_tolerance_counts_while_it_steers_and_a_floor_is_missed_from_below_alone(paced):
    floor = {"kind": "floor", "target": 3, "tolerance": 0.2}
    slots = int(now().timestamp() // 60) // 5 * 5
    for minutes, said in (
        (0, {"actual": 0.121}), (5, {"actual": 0.11}), (10, {"actual": 0.5, "frozen": True}),
    ):  # fmt: skip
        PacingPrices.objects.create(
            surface="dating", slot=slots - minutes, measured_until=now(), rules={"welcome": SAID | said}
        )
    assert share_within(history("dating", "welcome")) == 0.5
    assert share_within(history("dating", "all")) is None
    steps = [(now(), SAID | floor | {"actual": actual}) for actual in (9.0, 2.5, 2.3, 0.0)]
    assert share_within(steps) == 0.5


def test_the_history_is_one_query_without_the_candidates_of_floors(paced, django_assert_num_queries):
    stepped(0)
    with django_assert_num_queries(1) as asked:
        history("dating", "welcome")
    assert '"floors"' not in asked[0]["sql"]
