"""What waits for staff stands on the first page, from the moment it happens until somebody dealt with it."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from django.test import Client

from apps.common.clock import now
from apps.console.waiting import waiting
from apps.releases import services
from apps.releases.models import Emergency
from apps.releases.notices import notify
from tests.policies.examples import rule
from tests.releases.people import a_draft, an_approver, an_editor

pytestmark = pytest.mark.django_db


def dated(days: float) -> dict[str, str]:
    """A rule that began nine days ago and ends in so many days."""
    starts, ends = (f"{now() + timedelta(days=d):%Y-%m-%dT%H:%M:%SZ}" for d in (-9, days))
    return rule(starts_at=starts, ends_at=ends)


def marks() -> list[tuple[str, str]]:
    return [(one.mark, one.title) for one in waiting()]


def test_nothing_waits_in_an_empty_house():
    assert waiting() == []


def test_a_draft_whose_approval_is_asked_for_waits_until_it_is_published(approver: Client):
    draft = a_draft(an_editor())
    assert waiting() == []
    services.ask_for_approval(draft, draft.version, actor=an_editor())
    assert marks() == [("approval asked for", draft.title)]
    assert b"approval asked for" in approver.get("/admin/").content
    services.publish_revision(draft, actor=an_approver(), note="go")
    assert waiting() == []


def test_a_rollout_stands_there_with_its_warnings_and_then_as_taken_back_by_itself():
    release = services.publish_revision(a_draft(an_editor()), actor=an_approver(), note="go", staged=True)
    notify(f"warning {release.number} 1 x", "Release at 1%: look at this", "Fewer matches.", permission="p")
    assert [one.mark for one in waiting()] == ["staged rollout", "look at this"]
    services.turn_back(actor=None, reason="Too many errors.")
    (one,) = waiting()
    assert (one.mark, one.sentence) == ("rolled back", "Too many errors.")
    assert one.address.endswith(f"/{release.number}/")


def test_what_somebody_took_back_by_hand_does_not_wait_for_anybody():
    services.publish_revision(a_draft(an_editor()), actor=an_approver(), note="go", staged=True)
    services.turn_back(actor=an_approver(), reason="changed my mind")
    assert waiting() == []


def test_a_rule_waits_from_three_days_before_its_end_until_it_has_ended():
    for days, said in ((3.1, []), (2.9, [("ends soon", "The rule Newcomers on dating")]), (-0.1, [])):
        services.publish_revision(a_draft(None, rules=[dated(days)]), actor=None, note="go")
        assert marks() == said


def test_what_a_clock_ended_or_could_not_end_stands_there_afterwards():
    for turn, said in ((0, "Release 2 ended"), (1, "The end of release 3 did nothing")):
        draft, ends_at = a_draft(None, daily_cap=turn + 1), now() + timedelta(hours=1)
        services.publish_revision(draft, actor=None, note="", ends_at=ends_at)
        if turn:
            services.publish_revision(a_draft(None, daily_cap=9), actor=None, note="")
        with time_machine.travel(ends_at + timedelta(hours=1)):
            services.end_due()
        assert said in [one.title for one in waiting()]


def test_an_emergency_is_named_on_every_page_until_somebody_else_reviewed_it(editor: Client):
    author = an_approver()
    draft = a_draft(author)
    release = services.publish_revision(draft, actor=author, note="fire", emergency=True)
    assert marks() == [("not reviewed", f"Emergency: release {release.number}")]
    for page in ("/admin/", "/admin/policies/", "/admin/tune/rules/"):
        assert b"was published in an emergency" in editor.get(page).content
    services.review_emergency(Emergency.objects.get(), actor=an_approver("bea"), review="looks right")
    assert waiting() == []
    assert b"was published in an emergency" not in editor.get("/admin/policies/").content


def test_what_is_switched_off_waits_until_it_is_lifted():
    services.publish_revision(a_draft(None, rules=[dated(30)]), actor=None, note="go")
    services.switch_off("rule", "dating/newcomers", actor=an_editor(), reason="odd lists")
    assert marks() == [("switched off", "rule:dating/newcomers")]
    services.lift("rule", "dating/newcomers", actor=an_editor())
    assert waiting() == []
