"""What stands beside the knobs, and the knobs of a market and of governance."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.common.clock import now
from apps.delivery.recent import count_recent
from apps.interactions.models import Delivery
from apps.interactions.partitions import ensure_partitions
from apps.interactions.score_shares import score_shares
from apps.refresh.models import SnapshotRow
from apps.releases import services
from apps.releases.models import Revision
from apps.surfaces.models import Market
from tests.console.inputs import inputs_of
from tests.console.test_waiting import dated

pytestmark = pytest.mark.django_db


@pytest.fixture
def draft(db: None) -> Revision:
    Market.objects.create(key="paris", name="Paris", latitude=48.8, longitude=2.3)
    return services.start_revision(actor=None)


def listed(trace: list[dict[str, Any]], *, surface: str = "dating", shown: int = 4, release: int = 1) -> None:
    """A delivery with this trace."""
    ones = [1.0] * shown
    ensure_partitions("interactions_delivery", [now()])
    Delivery.objects.create(
        id=uuid.uuid4(), served_at=now(), viewer=1, surface=surface, release=release, snapshot="s", seed=1,
        requested=shown, candidates=list(range(shown)), scores=ones, propensities=ones,
        sources=[1] * shown, trace=trace,
    )  # fmt: skip


def made_of(**parts: float) -> list[dict[str, Any]]:
    return [{"stage": "slate", "received": 9, "kept": 4, "shown": 4, "parts": parts}]


def learnt(*surfaces: str) -> None:
    """An active snapshot that learnt something of these surfaces, and nothing of travel."""
    said = {surface: {"decisions": 900} for surface in surfaces} | {"travel": {"saves": 0, "shown": 0}}
    SnapshotRow.objects.create(
        id="20261101-1", status="active", data_until=now(), built_at=now(), bytes=1, report={"learnt": said}
    )


def fields(client: Client, draft: Revision, surface: str) -> dict[str, Any]:
    form = client.get(reverse("admin:draft_edit", args=[draft.pk, surface])).context["form"]
    return {field.name: field for field in form.fields}


def test_shares_of_two_lists_are_those_worked_out_by_hand():
    listed(made_of(phi=0.6, activity=0.2, price=0.0))
    listed(made_of(phi=0.2, activity=0.0, price=0.0))
    listed(made_of(phi=9.0), surface="networking")
    assert score_shares("dating") == pytest.approx({"phi": 0.8, "activity": 0.2, "price": 0.0})
    assert score_shares("travel") == {}


def test_the_measured_share_stands_beside_each_weight_and_that_of_the_chances_beside_their_rule(
    editor: Client, draft: Revision
):
    listed(made_of(phi=0.6, activity=0.2, price=0.0))
    count_recent()
    found = fields(editor, draft, "dating")
    assert found["weights.activity"].share == "25.0%"
    assert found["weights.newcomer"].share == "0.0%"
    assert found["reciprocity"].share == "75.0%"
    assert found["diversity"].share == ""
    page = editor.get(reverse("admin:draft_edit", args=[draft.pk, "dating"])).content.decode()
    assert "25.0% of recent scores" in page
    assert "Shares of recent scores were counted" in page


def test_a_page_counts_no_lists_itself_and_before_a_worker_did_no_share_is_claimed(
    editor: Client, draft: Revision
):
    listed(made_of(phi=0.6, activity=0.2, price=0.0))
    address = reverse("admin:draft_edit", args=[draft.pk, "dating"])
    with CaptureQueriesContext(connection) as asked:
        page = editor.get(address)
    assert not [query["sql"] for query in asked if "interactions_delivery" in query["sql"]]
    assert {field.share for field in page.context["form"].fields} == {""}
    assert "stand here a minute after the first lists" in page.content.decode()


def test_a_knob_whose_prediction_is_missing_is_not_shown_and_keeps_its_value(editor: Client, draft: Revision):
    learnt("dating")
    services.edit_revision(draft, 1, {"networking.weights.affinity": 0.4})
    assert {"weights.affinity", "weights.appeal"} <= set(fields(editor, draft, "dating"))
    hidden = fields(editor, draft, "networking")
    assert not {"weights.affinity", "weights.reverse_affinity", "weights.appeal"} & set(hidden)
    assert "weights.activity" in hidden
    assert "weights.taste" not in fields(editor, draft, "travel")
    address = reverse("admin:draft_edit", args=[draft.pk, "networking"])
    editor.post(address, {"version": 2, "weights.activity": "0.3"})
    draft.refresh_from_db()
    assert draft.content["surfaces"]["networking"]["weights"]["affinity"] == 0.4
    assert draft.content["surfaces"]["networking"]["weights"]["activity"] == 0.3


def test_a_market_says_single_knobs_and_an_emptied_field_says_nothing_again(editor: Client, draft: Revision):
    address = reverse("admin:draft_market", args=[draft.pk, "dating", "paris"])
    page = editor.get(address)
    assert {field.typed for field in page.context["form"].fields} == {""}
    assert "random_share" not in {field.name for field in page.context["form"].fields}
    assert editor.post(address, {"version": 1, "diversity": "0.4", "daily_cap": "50"}).status_code == 302
    draft.refresh_from_db()
    assert draft.content["surfaces"]["dating"]["markets"] == {"paris": {"daily_cap": 50, "diversity": 0.4}}
    surface = reverse("admin:draft_edit", args=[draft.pk, "dating"])
    assert "2 values" in editor.get(surface).content.decode()
    assert editor.post(address, {"version": 2, "diversity": "", "daily_cap": ""}).status_code == 302
    draft.refresh_from_db()
    assert draft.content["surfaces"]["dating"]["markets"] == {}


def test_a_value_out_of_bounds_is_refused_beside_the_markets_knob(editor: Client, draft: Revision):
    address = reverse("admin:draft_market", args=[draft.pk, "dating", "paris"])
    answer = editor.post(address, {"version": 1, "diversity": "7"})
    assert answer.status_code == 422
    (refused,) = [field for field in answer.context["form"].fields if field.refusal]
    assert (refused.name, refused.typed) == ("diversity", "7")


def test_a_cap_below_a_floor_is_listed_before_it_is_saved(editor: Client, draft: Revision):
    floor = dated(30) | {"name": "Floor", "type": "floor", "effect": {"daily": 100, "tolerance": 0.1}}
    services.edit_revision(draft, draft.version, {"dating.rules": [floor]})
    at = reverse("admin:draft_edit", args=[draft.pk, "dating"])
    data = inputs_of(editor.get(at).content.decode()) | {"daily_cap": "10"}
    answer = editor.post(at, data)
    assert answer.status_code == 422
    assert "Floor wants more than the exposure cap of 10 allows." in answer.content.decode()
    assert 'name="anyway"' in answer.content.decode()
    draft.refresh_from_db()
    assert draft.content["surfaces"]["dating"]["daily_cap"] == 200
    assert editor.post(at, data | {"anyway": "1"}).status_code == 302
    draft.refresh_from_db()
    assert draft.content["surfaces"]["dating"]["daily_cap"] == 10


def test_of_two_editors_of_one_market_the_second_meets_a_page_that_says_so(editor: Client, draft: Revision):
    address = reverse("admin:draft_market", args=[draft.pk, "dating", "paris"])
    editor.post(address, {"version": 1, "diversity": "0.4"})
    answer = editor.post(address, {"version": 1, "diversity": "0.9"})
    assert answer.status_code == 409
    draft.refresh_from_db()
    assert draft.content["surfaces"]["dating"]["markets"]["paris"]["diversity"] == 0.4


def test_the_guards_are_tuned_in_the_draft_and_the_review_names_the_one_that_is_lowered(
    editor: Client, draft: Revision
):
    address = reverse("admin:draft_governance", args=[draft.pk])
    assert "Small change" in editor.get(address).content.decode()
    values = {"small_reach": "0.05", "max_error_rate": "0.01", "max_fill_drop": "0.1", "max_p99_ms": "250"}
    assert editor.post(address, {"version": 1, **values}).status_code == 302
    draft.refresh_from_db()
    assert draft.content["governance"]["small_reach"] == 0.05
    review = editor.get(reverse("admin:draft_review", args=[draft.pk])).content.decode()
    assert "Small change of governance is raised" in review


def test_what_a_live_rule_did_stands_beside_it_once_a_worker_counted(editor: Client):
    from tests.console.test_waiting import dated

    draft = services.edit_revision(services.start_revision(actor=None), 1, {"dating.rules": [dated(30)]})
    release = services.publish_revision(draft, actor=None, note="go").number

    def page() -> str:
        return editor.get(reverse("admin:entries", args=["rules"])).content.decode()

    assert "not counted yet: a worker does so once a minute" in page()
    count_recent()
    assert "nothing yet: no list met it" in page()
    did = {"pool": [10], "shown": [3]}
    listed([{"stage": "rules", "received": 40, "kept": 40, "rules": did}], release=release)
    assert "nothing yet: no list met it" in page()
    count_recent()
    assert "in 1 list it met 25.0% of who was ranked there and 75.0% of their places (3 of 4)" in page()
    assert "What they did was counted" in page()
