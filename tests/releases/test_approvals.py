"""Who must agree, what is looked at, and that nothing goes live without."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from django.contrib.auth.models import User
from django.core.checks import run_checks

from apps.common.clock import now
from apps.common.errors import Conflict, Denied, Problem, Unprocessable
from apps.console.waiting import waiting
from apps.policies.schema import default_content
from apps.releases import services
from apps.releases.audit import PUBLISH
from apps.releases.models import Approval, Emergency, Notice, Revision
from apps.releases.notices import notify, send_notices, unsent
from apps.releases.selectors import live, live_release, unreviewed_emergencies
from tests.policies.examples import experiment, rule
from tests.releases.people import a_draft, an_approver, an_editor, measured

pytestmark = pytest.mark.django_db


def publish_content(**parts: object) -> None:
    draft = services.start_revision(actor=None)
    draft = services.edit_revision(draft, draft.version, dict(parts))
    services.publish_revision(draft, actor=None, note="")


def test_an_approver_who_wrote_nothing_in_it_approves_by_publishing():
    draft = a_draft(an_editor())
    services.publish_revision(draft, actor=an_approver(), note="")
    assert live().stable_number == 2
    assert Approval.objects.get().approver.username == "ann"


def test_an_editor_can_not_publish_what_another_wrote():
    draft = a_draft(an_editor())
    with pytest.raises(Denied):
        services.publish_revision(draft, actor=an_editor("eve"), note="")
    assert live().stable_number == 1


def test_whoever_wrote_in_a_draft_can_neither_approve_nor_publish_it_alone():
    ann = an_approver()
    draft = a_draft(ann)
    with pytest.raises(Denied) as refusal:
        services.approve(draft, draft.version, actor=ann)
    assert refusal.value.code == "own_draft"
    with pytest.raises(Denied) as refusal:
        services.publish_revision(draft, actor=ann, note="")
    assert refusal.value.code == "second_person_needed"
    assert live().stable_number == 1


def test_who_once_edited_a_draft_of_another_is_no_second_person():
    ann = an_approver()
    draft = a_draft(an_editor())
    draft = measured(services.edit_revision(draft, draft.version, {"dating.exploration": 0.2}, actor=ann))
    with pytest.raises(Denied):
        services.publish_revision(draft, actor=ann, note="")


def test_an_approval_by_who_wrote_in_it_afterwards_is_worth_nothing():
    ann, bea = an_approver(), an_approver("bea")
    draft = services.approve(draft := a_draft(ann), draft.version, actor=bea)
    for value in (0.7, 0.6):  # there and back: the content is the one that she approved
        draft = services.edit_revision(draft, draft.version, {"dating.diversity": value}, actor=bea)
    with pytest.raises(Denied):
        services.publish_revision(measured(draft), actor=ann, note="")


def test_the_author_publishes_once_another_approver_said_yes():
    ann, bea = an_approver(), an_approver("bea")
    draft = services.approve(draft := a_draft(ann), draft.version, actor=bea)
    services.publish_revision(draft, actor=ann, note="")
    assert live().stable_number == 2


def test_an_edit_takes_the_approval_away():
    ann, bea = an_approver(), an_approver("bea")
    draft = services.approve(draft := a_draft(ann), draft.version, actor=bea)
    draft = measured(services.edit_revision(draft, draft.version, {"dating.diversity": 0.7}, actor=ann))
    assert draft.status == Revision.Status.DRAFT
    with pytest.raises(Denied):
        services.publish_revision(draft, actor=ann, note="")


def test_the_approval_of_somebody_who_is_no_approver_any_more_is_worth_nothing():
    ann, bea = an_approver(), an_approver("bea")
    draft = services.approve(draft := a_draft(ann), draft.version, actor=bea)
    an_editor("bea")
    with pytest.raises(Denied):
        services.publish_revision(draft, actor=ann, note="")


def test_a_small_reach_needs_no_second_person_when_the_live_release_says_so():
    ann = an_approver()
    draft = a_draft(ann)
    services.edit_revision(draft, draft.version, {"governance.small_reach": 0.2}, actor=ann)
    draft.refresh_from_db()
    measured(draft, viewers=1)
    with pytest.raises(Denied):  # it lowers the guard itself, and is judged by what is live
        services.publish_revision(draft, actor=ann, note="")
    publish_content(**{"governance.small_reach": 0.05})
    services.publish_revision(measured(a_draft(ann), viewers=5), actor=ann, note="")
    with pytest.raises(Denied):
        services.publish_revision(measured(a_draft(ann, diversity=0.3), viewers=6), actor=ann, note="")


def test_a_lowered_cap_guard_needs_a_second_person_however_small_the_reach():
    ann = an_approver()
    publish_content(**{"governance.small_reach": 0.2})
    draft = measured(a_draft(ann, daily_cap=0), viewers=0)
    with pytest.raises(Denied, match="daily cap"):
        services.publish_revision(draft, actor=ann, note="")


def test_without_a_reach_of_this_very_content_nothing_is_published():
    draft = a_draft(an_editor())
    draft = services.edit_revision(draft, draft.version, {"dating.diversity": 0.7})
    with pytest.raises(Unprocessable) as refusal:
        services.publish_revision(draft, actor=an_approver(), note="")
    assert refusal.value.code == "reach_missing"
    measured(draft)
    with time_machine.travel(now() + timedelta(hours=25)), pytest.raises(Unprocessable):
        services.publish_revision(draft, actor=an_approver(), note="")


def test_a_reach_that_was_measured_against_another_release_is_worth_nothing():
    draft = a_draft(an_editor())
    publish_content(**{"dating.exploration": 0.3})
    draft, _ = services.bring_up_to_date(draft, draft.version)
    start = default_content()["surfaces"]["dating"]["exploration"]
    draft = services.edit_revision(draft, draft.version, {"dating.exploration": start})  # as it was measured
    with pytest.raises(Unprocessable) as refusal:
        services.publish_revision(draft, actor=an_approver(), note="")
    assert refusal.value.code == "reach_missing"


def test_a_draft_that_turns_a_knob_of_a_running_experiment_is_refused_until_it_starts_anew():
    start, end = (f"{now() + timedelta(days=d):%Y-%m-%dT00:00:00Z}" for d in (-2, 9))
    running = experiment(starts_at=start, ends_at=end)
    publish_content(experiments=[running])
    draft = a_draft(an_editor(), diversity=0.9)
    with pytest.raises(Unprocessable, match="experiment spread turns diversity"):
        services.publish_revision(draft, actor=an_approver(), note="")
    draft = services.edit_revision(draft, draft.version, {"experiments": [{**running, "phase": 2}]})
    services.publish_revision(measured(draft), actor=an_approver(), note="")
    draft = services.start_revision(actor=an_editor())
    draft = services.edit_revision(draft, 1, {"experiments": [{**running, "phase": 2, "coverage": 0.5}]})
    with pytest.raises(Unprocessable, match="coverage stays as it is"):
        services.publish_revision(measured(draft), actor=an_approver(), note="")


def test_checks_name_everything_at_once():
    soon = f"{now() + timedelta(hours=30):%Y-%m-%dT%H:00:00Z}"
    start = f"{now() - timedelta(days=1):%Y-%m-%dT%H:00:00Z}"
    draft = a_draft(an_editor(), rules=[rule(starts_at=start, ends_at=soon)])
    publish_content(**{"travel.diversity": 0.3})
    said = [(check.level, check.sentence) for check in services.checks(draft)]
    assert said[0] == ("stop", "Release 2 went live after this draft was started.")
    assert ("stop", "Its reach is not measured yet.") in said
    assert ("stop", "Somebody who did not write in this draft must approve it.") in said
    assert said[-1][0] == "warn"
    assert said[-1][1].startswith("Dating: Newcomers ends in")


def test_asking_for_approval_tells_the_approvers_once(mailoutbox):
    an_approver()
    draft = a_draft(an_editor())
    draft = services.ask_for_approval(draft, draft.version, actor=an_editor())
    assert draft.status == Revision.Status.REVIEW
    with pytest.raises(Conflict):
        services.ask_for_approval(draft, draft.version, actor=an_editor())
    assert (send_notices(), send_notices()) == (1, 0)
    assert [mail.to for mail in mailoutbox] == [["ann@example.org"]]


def test_a_mail_that_can_not_be_sent_is_tried_again(mailoutbox, monkeypatch):
    from apps.releases import notices

    an_approver()
    draft = a_draft(an_editor())
    services.ask_for_approval(draft, draft.version, actor=an_editor())
    with monkeypatch.context() as patch:
        patch.setattr(notices, "send_mail", lambda *_: (_ for _ in ()).throw(OSError("no server")))
        assert send_notices() == 0
    assert send_notices() == 1
    assert Notice.objects.get().sent_at is not None


def test_a_mail_that_reaches_nobody_waits_for_an_address_while_it_is_news(mailoutbox):
    draft = a_draft(an_editor())
    services.ask_for_approval(draft, draft.version, actor=an_editor())
    notify("another", "Another", "Of what editors may read.", permission="releases.change_revision")
    User.objects.exclude(username="ed").update(email="")
    assert (send_notices(), len(mailoutbox)) == (1, 1)  # the oldest of all does not stand in the way
    assert unsent() == (0, set())
    with time_machine.travel(now() + timedelta(minutes=11)):
        assert unsent() == (1, {PUBLISH})
        assert [one.mark for one in waiting()] == ["approval asked for", "not mailed"]
        an_approver()
        assert send_notices() == 1
        assert unsent() == (0, set())
    assert mailoutbox[-1].to == ["ann@example.org"]


def test_a_deployment_whose_mails_reach_nobody_is_warned_of(settings):
    def said() -> list[str]:
        found = run_checks(include_deployment_checks=True)
        return [one.id for one in found if one.id and one.id.startswith("releases.")]

    settings.EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
    assert said() == ["releases.W001"]
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    assert said() == []


def test_what_is_no_news_any_more_is_not_mailed():
    draft = a_draft(an_editor())
    services.ask_for_approval(draft, draft.version, actor=an_editor())
    an_approver()
    with time_machine.travel(now() + timedelta(days=3, minutes=1)):
        assert (send_notices(), unsent()) == (0, (0, set()))


def test_an_emergency_needs_a_reason_is_told_to_all_and_reviewed_by_another():
    ann, bea = an_approver(), an_approver("bea")
    with pytest.raises(Problem):
        services.publish_revision(a_draft(ann), actor=ann, note=" ", emergency=True)
    services.publish_revision(a_draft(ann), actor=ann, note="Lists are empty", emergency=True)
    assert live().stable_number == 2
    assert "Lists are empty" in Notice.objects.get(key="emergency 2").body
    (emergency,) = unreviewed_emergencies()
    with pytest.raises(Denied):
        services.review_emergency(emergency, actor=ann, review="Fine")
    services.review_emergency(emergency, actor=bea, review="It had to be")
    assert unreviewed_emergencies() == []
    with pytest.raises(Conflict):
        services.review_emergency(Emergency.objects.get(), actor=bea, review="Again")


def test_a_scheduled_draft_goes_live_at_its_time_once_and_checked_again():
    draft = a_draft(an_editor())
    at = now() + timedelta(hours=2)
    services.schedule_revision(draft, actor=an_approver(), at=at, note="Tonight")
    assert services.publish_due() == 0
    with time_machine.travel(at + timedelta(hours=1)):
        assert (services.publish_due(), services.publish_due()) == (1, 0)
    assert live().stable_number == 2
    assert live_release().note == "Tonight"


def test_a_scheduled_draft_that_was_overtaken_is_not_published_and_its_approvers_hear_why():
    draft = a_draft(an_editor())
    at = now() + timedelta(hours=2)
    services.schedule_revision(draft, actor=an_approver(), at=at, note="")
    publish_content(**{"travel.diversity": 0.3})
    with time_machine.travel(at):
        assert services.publish_due() == 0
    draft.refresh_from_db()
    assert (draft.status, draft.publish_at) == (Revision.Status.APPROVED, None)
    assert "Release 2 went live" in Notice.objects.get(key__startswith="refused").body


def test_an_edit_takes_a_draft_off_the_schedule():
    draft = a_draft(an_editor())
    services.schedule_revision(draft, actor=an_approver(), at=now() + timedelta(hours=2), note="")
    draft = services.edit_revision(draft, draft.version, {"dating.diversity": 0.9})
    assert (draft.status, draft.publish_at) == (Revision.Status.DRAFT, None)


def test_whoever_asked_approved_or_scheduled_hears_that_a_save_took_it_back(mailoutbox):
    eve, ann = an_editor(), an_approver()
    draft = services.ask_for_approval(draft := a_draft(eve), draft.version, actor=eve)
    draft = services.edit_revision(draft, draft.version, {"dating.diversity": 0.9}, actor=eve)
    assert not Notice.objects.filter(key__startswith="taken back").exists()
    at = now() + timedelta(hours=2)
    services.approve(draft, draft.version, actor=ann)
    services.schedule_revision(measured(draft), actor=ann, at=at, note="")
    services.edit_revision(draft, draft.version, {"dating.diversity": 0.8}, actor=an_editor("other"))
    Notice.objects.exclude(key__startswith="taken back").delete()
    send_notices()
    (mail,) = mailoutbox
    assert {eve.email, ann.email} <= set(mail.to)
    assert (
        f"other saved {draft.title}, which was approved and scheduled for {at:%d %b %Y %H:%M} UTC"
        in mail.body
    )


def test_a_staged_rollout_walks_its_stages_and_becomes_the_stable_release():
    release = services.publish_revision(a_draft(an_editor()), actor=an_approver(), note="", staged=True)
    row = live()
    assert (row.stable_number, row.candidate_number, row.percentage) == (1, 2, 1)
    assert row.candidate_content == release.content
    seen = [services.step_up(actor=None).candidate_percentage for _ in range(3)]
    assert seen == [10, 50, 100]
    services.step_up(actor=None)
    assert (live().stable_number, live().candidate_number) == (2, None)
    with pytest.raises(Conflict):
        services.step_up(actor=None)


def test_a_rollout_turned_back_leaves_the_stable_release_and_can_not_be_rolled_back_to():
    services.publish_revision(a_draft(an_editor()), actor=an_approver(), note="", staged=True)
    services.turn_back(actor=None, reason="p99 was 900 ms")
    assert (live().stable_number, live().candidate_number) == (1, None)
    assert "p99" in Notice.objects.get(key="turned back 2").body
    from apps.releases.models import Release

    with pytest.raises(Unprocessable):
        services.roll_back(Release.objects.get(number=2), actor=an_approver(), note="")


def test_while_a_release_is_rolled_out_no_other_is_published():
    services.publish_revision(a_draft(an_editor()), actor=an_approver(), note="", staged=True)
    with pytest.raises(Conflict) as refusal:
        services.publish_revision(a_draft(an_editor()), actor=an_approver(), note="")
    assert refusal.value.code == "rollout_running"


def test_a_switch_takes_away_at_once_and_is_lifted_again():
    publish_content(**{"dating.rules": [rule()]})
    ed = an_editor()
    services.switch_off("rule", "dating/newcomers", actor=ed, reason="Complaints")
    services.switch_off("rule", "dating/newcomers", actor=ed, reason="Again")
    assert live().killed == {"rule:dating/newcomers"}
    assert services.lift("rule", "dating/newcomers", actor=ed)
    assert not services.lift("rule", "dating/newcomers", actor=ed)
    assert live().killed == frozenset()


@pytest.mark.parametrize(("kind", "key"), [("rule", "dating/none"), ("flag", "none"), ("knob", "x")])
def test_what_is_not_live_can_not_be_switched_off(kind, key):
    with pytest.raises(Problem):
        services.switch_off(kind, key, actor=an_editor(), reason="x")
    assert live().killed == frozenset()


def test_default_content_lowers_no_guard_of_itself():
    from apps.policies.governance import lowers_a_guard

    assert lowers_a_guard(default_content(), default_content()) == []
