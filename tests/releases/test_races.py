"""Two people at the same moment, on real connections, many times over: one wins, the other is told."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from threading import Barrier
from typing import Any

import pytest
import time_machine
from django.db import connection

from apps.common.clock import now
from apps.common.errors import Conflict
from apps.common.models import AuditEntry
from apps.releases import services
from apps.releases.models import Approval, Release, ReleaseEnd, Revision, Switch
from apps.releases.params import digest_of
from apps.releases.selectors import live
from tests.policies.examples import rule
from tests.releases.people import a_draft, an_approver, an_editor, measured

pytestmark = pytest.mark.django_db(transaction=True)

Act = Callable[[], Any]


class Two:
    """Two threads, each with a connection of its own, that act at the same moment."""

    def __init__(self) -> None:
        self.pool = ThreadPoolExecutor(2)
        self.gate = Barrier(2)
        self.at_once = 0  # rounds in which both were at work at the same time

    def at_the_same_moment(self, *acts: Act) -> list[Any]:
        """What each gave, or the Conflict that it met."""
        results = list(self.pool.map(self._run, acts))
        (_, begun, ended), (_, other_begun, other_ended) = results
        self.at_once += begun < other_ended and other_begun < ended
        return [result for result, _, _ in results]

    def _run(self, act: Act) -> tuple[Any, float, float]:
        self.gate.wait(30)
        begun = time.perf_counter()
        try:
            result = act()
        except Conflict as conflict:
            result = conflict
        return result, begun, time.perf_counter()

    def close(self) -> None:
        closing = [self.pool.submit(self._close) for _ in range(2)]
        for done in closing:
            done.result(30)
        self.pool.shutdown()

    def _close(self) -> None:
        self.gate.wait(30)
        connection.close()


@pytest.fixture
def two(transactional_db: None) -> Iterator[Two]:
    two = Two()
    yield two
    two.close()


def says(number: int) -> dict[str, Any]:
    """An edit of three places that belong together."""
    paths = ("dating.daily_cap", "dating.hourly_cap", "travel.hold_minutes")
    return dict(zip(paths, (number, number, number % 1440), strict=True))


def said_by(draft: Revision) -> tuple[int, int, int]:
    dating, travel = draft.content["surfaces"]["dating"], draft.content["surfaces"]["travel"]
    return dating["daily_cap"], dating["hourly_cap"], travel["hold_minutes"]


def test_of_two_edits_of_one_version_exactly_one_wins_a_thousand_times(two: Two) -> None:
    editors = [an_editor("ed"), an_editor("eve")]
    draft = services.start_revision(actor=None)
    wins: Counter[int] = Counter()
    for turn in range(1000):
        numbers = (2 * turn + 1, 2 * turn + 2)
        edits = (
            partial(services.edit_revision, Revision(pk=draft.pk), turn + 1, says(number), actor=by)
            for by, number in zip(editors, numbers, strict=True)
        )
        results = two.at_the_same_moment(*edits)
        assert [isinstance(one, Revision) for one in results].count(True) == 1
        winner = int(isinstance(results[1], Revision))
        loser = results[1 - winner]
        assert isinstance(loser, Conflict)
        assert loser.code == "draft_changed"
        draft.refresh_from_db()
        won = numbers[winner]
        assert said_by(draft) == (won, won, won % 1440)
        assert draft.version == turn + 2
        wins[winner] += 1
    assert AuditEntry.objects.filter(action="revision.edited").count() == 1000
    assert wins[0] > 50, "one of them always won: they did not race"
    assert wins[1] > 50
    assert two.at_once > 500


def test_two_approvers_who_publish_at_once_make_one_release(two: Two) -> None:
    ed, ann, bea = an_editor(), an_approver(), an_approver("bea")
    for turn in range(50):
        draft = a_draft(ed, daily_cap=turn + 1)
        results = two.at_the_same_moment(
            *(partial(services.publish_revision, draft, actor=by, note="") for by in (ann, bea))
        )
        assert sorted(type(result).__name__ for result in results) == ["Conflict", "Release"]
        assert Release.objects.count() == live().stable_number == turn + 2
        assert Approval.objects.filter(revision=draft).count() == 1
    assert two.at_once > 10


def test_two_approvals_at_once_both_count_and_publish_once(two: Two) -> None:
    ann, bea, cem = (an_approver(name) for name in ("ann", "bea", "cem"))
    for turn in range(50):
        draft = a_draft(cem, daily_cap=turn + 1)
        results = two.at_the_same_moment(
            *(partial(services.approve, draft, draft.version, actor=by) for by in (ann, bea))
        )
        assert [result.status for result in results] == ["approved", "approved"]
        assert Approval.objects.filter(revision=draft).count() == 2
        services.publish_revision(draft, actor=cem, note="")
    assert Release.objects.count() == live().stable_number == 51


def test_an_edit_and_a_publish_at_once_never_publish_what_nobody_saw(two: Two) -> None:
    ed, ann = an_editor(), an_approver()
    outcomes: Counter[str] = Counter()
    for turn in range(60):
        draft = services.start_revision(actor=ed)
        draft = measured(services.edit_revision(draft, 1, says(2 * turn + 1), actor=ed))
        seen = digest_of(draft.content)
        edited, published = two.at_the_same_moment(
            partial(services.edit_revision, draft, draft.version, says(2 * turn + 2), actor=ed),
            partial(services.publish_revision, draft, actor=ann, note="", version=draft.version),
        )
        assert isinstance(edited, Conflict) != isinstance(published, Conflict)
        if isinstance(published, Release):
            assert (published.digest, live().stable_digest) == (seen, seen)
        outcomes[type(published).__name__] += 1
    assert Release.objects.count() == 1 + outcomes["Release"]
    assert len(outcomes) == 2, "one of them always won: they did not race"


def test_two_clocks_publish_what_is_due_once(two: Two) -> None:
    ed, ann = an_editor(), an_approver()
    for turn in range(30):
        draft = a_draft(ed, daily_cap=turn + 1)
        services.schedule_revision(draft, actor=ann, at=now() + timedelta(hours=1), note="")
        with time_machine.travel(now() + timedelta(hours=2)):
            assert sorted(two.at_the_same_moment(services.publish_due, services.publish_due)) == [0, 1]
        assert Release.objects.count() == live().stable_number == turn + 2
        draft.refresh_from_db()
        assert draft.status == Revision.Status.PUBLISHED


def test_two_clocks_end_a_release_once(two: Two) -> None:
    ed, ann = an_editor(), an_approver()
    for turn in range(30):
        draft, ends_at = a_draft(ed, daily_cap=turn + 1), now() + timedelta(hours=1)
        services.publish_revision(draft, actor=ann, note="", ends_at=ends_at)
        with time_machine.travel(now() + timedelta(hours=2)):
            assert sorted(two.at_the_same_moment(services.end_due, services.end_due)) == [0, 1]
        assert live().stable_number == 1
        assert ReleaseEnd.objects.filter(status="ended").count() == turn + 1
        assert AuditEntry.objects.filter(action="release.ended").count() == turn + 1
    assert two.at_once > 5


def test_an_end_cancelled_as_the_clock_strikes_came_or_never_comes(two: Two) -> None:
    ed, ann = an_editor(), an_approver()
    outcomes: Counter[int] = Counter()
    for turn in range(60):
        draft, ends_at = a_draft(ed, daily_cap=turn + 1), now() + timedelta(hours=1)
        release = services.publish_revision(draft, actor=ann, note="", ends_at=ends_at)
        with time_machine.travel(now() + timedelta(hours=2)):
            done, cancelled = two.at_the_same_moment(
                services.end_due, partial(services.cancel_end, release, actor=ann, seen=ends_at)
            )
        assert (done == 1) == isinstance(cancelled, Conflict)
        assert (live().stable_number == release.number) == (done == 0)
        outcomes[done] += 1
        services.roll_back(Release.objects.get(number=1), actor=ann, note="") if not done else None
    assert sum(outcomes.values()) == 60


def test_a_draft_taken_off_the_schedule_as_the_clock_strikes_is_published_or_stays_off(two: Two) -> None:
    ed, ann = an_editor(), an_approver()
    outcomes: Counter[int] = Counter()
    for turn in range(60):
        draft = a_draft(ed, daily_cap=turn + 1)
        services.schedule_revision(draft, actor=ann, at=now() + timedelta(hours=1), note="")
        with time_machine.travel(now() + timedelta(hours=2)):
            done, off = two.at_the_same_moment(
                services.publish_due, partial(services.unschedule_revision, draft, actor=ann)
            )
        assert (done == 1) == isinstance(off, Conflict)
        draft.refresh_from_db()
        assert draft.status == ("published" if done else "approved")
        outcomes[done] += 1
    assert Release.objects.count() == 1 + outcomes[1]


def test_two_who_step_a_rollout_up_at_once_move_it_one_stage(two: Two) -> None:
    ann = an_approver()
    services.publish_revision(a_draft(an_editor()), actor=ann, note="", staged=True)
    for before, after in ((1, 10), (10, 50), (50, 100)):
        two.at_the_same_moment(*[partial(services.step_up, actor=ann, expected=before)] * 2)
        assert live().percentage == after


def test_two_who_switch_off_and_lift_at_once_leave_one_switch(two: Two) -> None:
    draft = services.edit_revision(services.start_revision(actor=None), 1, {"dating.rules": [rule()]})
    services.publish_revision(draft, actor=None, note="")
    people, switch = [an_editor("ed"), an_editor("eve")], ("rule", "dating/newcomers")
    for turn in range(50):
        two.at_the_same_moment(
            *(partial(services.switch_off, *switch, actor=by, reason="Complaints") for by in people)
        )
        assert Switch.objects.filter(lifted_at=None).count() == 1
        assert live().killed == {"rule:dating/newcomers"}
        lifted = two.at_the_same_moment(*(partial(services.lift, *switch, actor=by) for by in people))
        assert sorted(lifted) == [False, True]
        assert Switch.objects.count() == turn + 1
