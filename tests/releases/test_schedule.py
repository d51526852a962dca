"""What waits for its time: in which order it goes live, and what happens meanwhile."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine

from apps.common.clock import now
from apps.releases import services
from apps.releases.models import Revision
from apps.releases.selectors import live
from tests.releases.people import a_draft, an_approver, an_editor

pytestmark = pytest.mark.django_db


def scheduled(hours: int, **values: object) -> Revision:
    draft = a_draft(an_editor(), **values)
    at = now() + timedelta(hours=hours)
    return services.schedule_revision(draft, actor=an_approver(), at=at, note=f"In {hours} hours")


def test_a_clock_that_comes_late_publishes_what_was_due_first_not_what_was_edited_last():
    scheduled(1, diversity=0.3)
    late = scheduled(2, diversity=0.7)
    with time_machine.travel(now() + timedelta(hours=3)):
        assert services.publish_due() == 1
    late.refresh_from_db()
    assert live().stable_content["surfaces"]["dating"]["diversity"] == 0.3
    assert late.status == Revision.Status.APPROVED  # overtaken, as it would have been by a punctual clock


def test_a_draft_taken_off_the_schedule_while_it_is_prepared_stays_off():
    scheduled(1)

    def take_off(draft: Revision) -> None:
        services.unschedule_revision(draft, actor=an_approver())

    with time_machine.travel(now() + timedelta(hours=2)):
        assert services.publish_due(take_off) == 0
    assert live().stable_number == 1


def test_a_draft_put_off_while_it_is_prepared_waits_for_its_new_time():
    scheduled(1)

    def put_off(draft: Revision) -> None:
        services.schedule_revision(draft, actor=an_approver(), at=now() + timedelta(hours=5), note="")

    with time_machine.travel(now() + timedelta(hours=2)):
        assert services.publish_due(put_off) == 0
    draft = Revision.objects.get()
    assert (live().stable_number, draft.status) == (1, Revision.Status.SCHEDULED)
