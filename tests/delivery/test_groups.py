"""Who gains and who loses exposure, worked out by hand."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from typing import Any

from apps.common.clock import now
from apps.delivery.groups import groups_of
from apps.delivery.runtime import Runtime
from apps.members.models import Member
from apps.policies.schema import validate_content
from apps.refresh.services import refresh
from apps.releases.selectors import live_release
from tests.policies.examples import segment


def content_with(**values: Any) -> dict[str, Any]:
    return validate_content({**live_release().content, **values})


def test_members_are_told_as_newcomers_by_segment_and_by_market(serving: Runtime) -> None:
    Member.objects.filter(external_id="bea").update(
        joined_at=now() - timedelta(days=2), birth_date=date(1960, 1, 1)
    )
    refresh()
    serving.poll(wait=True)
    old = segment(condition={"attribute": "age", "operator": "at_least", "value": 60}, name="Over 60")
    content = content_with(segments=[old])
    before, after = Counter(bea=1, cleo=3), Counter(bea=2, cleo=2)
    assert groups_of("dating", content, before, after) == [
        {"name": "Newcomers (14 days)", "before": 0.25, "after": 0.5},
        {"name": "Segment: Over 60", "before": 0.25, "after": 0.5},
        {"name": "London", "before": 1.0, "after": 1.0},
    ]


def test_places_are_told_by_segment_and_by_category(serving: Runtime) -> None:
    closed = {"attribute": "is_open", "operator": "is", "value": True}
    content = content_with(segments=[segment(of="place", name="Open places", condition=closed)])
    found = groups_of("travel", content, Counter(bar=3, cafe=1), Counter(bar=1, cafe=1))
    assert found[0] == {"name": "Segment: Open places", "before": 1.0, "after": 1.0}
    assert {one["name"] for one in found[1:]} == {"bar"}


def test_nobody_shown_is_no_group(serving: Runtime) -> None:
    assert groups_of("dating", content_with(), Counter(), Counter()) == []
