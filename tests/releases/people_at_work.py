"""What people do with drafts and releases. Each deed is asked of the model and of the services alike."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib.auth.models import Permission

from apps.common.clock import now
from apps.releases import services
from apps.releases.models import Emergency, Release, Revision
from tests.releases.walk import CLOSED, Walk, deed, happened, row_of
from tests.releases.workflow import SWITCHES, End

WRITERS = ("ed", "eve", "ann", "bea")
APPROVERS = (*("ann", "bea") * 3, "ed", "vic")  # two are none: they must be refused
ANYBODY = (*WRITERS, "vic")
MOVERS = ("ann", "bea", None, "ed")  # of a rollout; nobody is the system
EITHER = (False, True)
IS_LATE = (*[False] * 5, True)  # whether they act on a page that is old by now
WHICH = (0, 0, 0, 0, 1, 1, 2, CLOSED)
SHARES = (0.05, 0.1, 0.11)  # around what counts as small
HOURS = (1, 5, 30)
UNTIL = (None, None, None, 2, 6, 28)  # hours until the end: half have none
CHANGES: tuple[dict[str, Any], ...] = (
    *({"diversity": value} for value in (0.1, 0.3, 0.5)),
    *({"daily_cap": value} for value in (0, 100, 200)),
    *({"small_reach": value} for value in (0.0, 0.1)),
    *({"with_rule": one, "with_flag": other} for one in EITHER for other in EITHER),
)


class PeopleAtWork(Walk):
    @deed(who=WRITERS, change=CHANGES, share=SHARES)
    def start(self, who: str, change: dict[str, Any], share: float) -> None:
        if len(self.open) < 3:
            self._start(who, change, share)

    @deed(which=WHICH, who=WRITERS, change=CHANGES, late=IS_LATE)
    def edit(self, which: int, who: str, change: dict[str, Any], late: bool) -> None:
        draft = self.draft(which)
        self.attempt("edit", draft.is_open and not late, self._edit, draft, who, change, late=late)

    @deed(which=WHICH, share=SHARES)
    def measure(self, which: int, share: float) -> None:
        self._measure(self.draft(which), share)

    @deed(which=WHICH, who=WRITERS, share=(None, *SHARES), late=IS_LATE)
    def bring_up_to_date(self, which: int, who: str, share: float | None, late: bool) -> None:
        draft, model = self.draft(which), self.model
        may, seen = draft.is_open and not late, draft.version - late
        act = services.bring_up_to_date
        if self.attempt("bring up to date", may, act, row_of(draft), seen, actor=self.user(who)):
            says = draft.says.upon(model.releases[draft.base], model.releases[model.stable])
            draft.written(says, who)
            draft.base = model.stable
            if share is not None:
                self._measure(draft, share)

    @deed(which=WHICH, who=ANYBODY, late=IS_LATE)
    def ask_for_approval(self, which: int, who: str, late: bool) -> None:
        draft = self.draft(which)
        may = draft.status == "draft" and who in self.model.editors and not late
        act, seen = services.ask_for_approval, draft.version - late
        if self.attempt("ask", may, act, row_of(draft), seen, actor=self.user(who)):
            draft.status = "review"

    @deed(which=WHICH, who=APPROVERS, late=IS_LATE)
    def approve(self, which: int, who: str, late: bool) -> None:
        draft = self.draft(which)
        may = draft.is_open and who in self.model.approvers - draft.writers and not late
        seen = draft.version - late
        if self.attempt("approve", may, services.approve, row_of(draft), seen, actor=self.user(who)):
            self.model.agree(draft, who)
            draft.status = draft.status if draft.status == "scheduled" else "approved"

    @deed(
        which=WHICH,
        who=APPROVERS,
        staged=EITHER,
        late=IS_LATE,
        alone=IS_LATE,
        note=EITHER,
        until=(*UNTIL, -1),
    )
    def publish(
        self, which: int, who: str, staged: bool, late: bool, alone: bool, note: bool, until: int | None
    ) -> None:
        draft, ends_at = self.draft(which), None if until is None else now() + timedelta(hours=until)
        why = self.model.why_allowed(draft, who, now(), emergency=alone)
        may = why is not None and not late and (note or not alone) and until != -1
        if not self.attempt(
            "publish", may, services.publish_revision,
            row_of(draft), actor=self.user(who), note="Lists are empty" if note else "",
            version=draft.version - late, staged=staged, emergency=alone, ends_at=ends_at,
        ):  # fmt: skip
            return
        assert why is not None
        happened[f"published by {why}"] += 1
        happened["rollout started"] += staged
        happened["published with an end"] += until is not None
        self.model.publish(draft, why, now(), staged=staged, until=ends_at)
        if why == "second person":
            self.model.agree(draft, who)
        if alone:
            self.model.unreviewed[max(self.model.releases)] = who

    @deed(often=2, which=WHICH, who=APPROVERS, share=SHARES, staged=EITHER, alone=EITHER, until=UNTIL)
    def make_ready_and_publish(
        self, which: int, who: str, share: float, staged: bool, alone: bool, until: int | None
    ) -> None:
        self._make_ready(which, share)
        self.publish(which=which, who=who, staged=staged, late=False, alone=alone, note=True, until=until)

    @deed(often=2, which=WHICH, who=APPROVERS, share=SHARES, stages=range(6))
    def make_ready_and_roll_out(self, which: int, who: str, share: float, stages: int) -> None:
        self._make_ready(which, share)
        self.publish(which=which, who=who, staged=True, late=False, alone=False, note=True, until=None)
        for _ in range(stages):
            self.step_up(who=who, late=False)

    @deed(often=2, which=WHICH, one=APPROVERS, other=APPROVERS, share=SHARES, until=UNTIL)
    def make_ready_agree_and_publish(
        self, which: int, one: str, other: str, share: float, until: int | None
    ) -> None:
        self._make_ready(which, share)
        self.approve(which=which, who=one, late=False)
        self.publish(which=which, who=other, staged=False, late=False, alone=False, note=True, until=until)

    @deed(
        often=3,
        which=WHICH,
        who=APPROVERS,
        share=SHARES,
        hours=HOURS,
        wait=EITHER,
        until=UNTIL,
    )
    def make_ready_and_schedule(
        self, which: int, who: str, share: float, hours: int, wait: bool, until: int | None
    ) -> None:
        self._make_ready(which, share)
        self.schedule(which=which, who=who, hours=hours, late=False, until=until)
        if wait:
            self.clock_goes_on(hours=5, share=share)

    @deed(which=WHICH, who=APPROVERS, hours=(0, *HOURS), late=IS_LATE, until=(*UNTIL, -1))
    def schedule(self, which: int, who: str, hours: int, late: bool, until: int | None) -> None:
        draft, at = self.draft(which), now() + timedelta(hours=hours)
        ends_at = None if until is None else at + timedelta(hours=until)
        is_allowed = self.model.why_allowed(draft, who, now()) is not None
        if self.attempt(
            "schedule", is_allowed and hours > 0 and not late and until != -1, services.schedule_revision,
            row_of(draft), actor=self.user(who), at=at, note="", version=draft.version - late,
            ends_at=ends_at,
        ):  # fmt: skip
            self.model.agree(draft, who)
            draft.status, draft.due, draft.scheduled_by, draft.until = "scheduled", at, who, ends_at

    @deed(often=2, which=WHICH, who=APPROVERS, other=APPROVERS, share=SHARES, cancel=EITHER)
    def make_ready_and_change_the_end(
        self, which: int, who: str, other: str, share: float, cancel: bool
    ) -> None:
        self._make_ready(which, share)
        self.publish(which=which, who=who, staged=False, late=False, alone=False, note=True, until=2)
        if cancel:
            self.cancel_end(who=other, late=False)
        else:
            self.move_end(who=other, hours=6, late=False)

    @deed(which=WHICH, who=APPROVERS)
    def unschedule(self, which: int, who: str) -> None:
        draft = self.draft(which)
        may = draft.status == "scheduled" and who in self.model.approvers
        if self.attempt("unschedule", may, services.unschedule_revision, row_of(draft), actor=self.user(who)):
            draft.off_schedule("approved")

    @deed(which=WHICH, who=WRITERS)
    def discard(self, which: int, who: str) -> None:
        draft = self.draft(which)
        if len(self.open) < 3 and which != CLOSED:
            return
        row, act = row_of(draft), services.discard_revision
        if self.attempt("discard", draft.is_open, act, row, row.version, actor=self.user(who)):
            draft.off_schedule("discarded")

    @deed(often=3, hours=(1, 5, 25), share=(None, *SHARES))
    def clock_goes_on(self, hours: int, share: float | None) -> None:
        """What the clock's task does: measures what is due, where `share` says so, and publishes it."""
        self.time.shift(timedelta(hours=hours))

        def prepare(row: Revision) -> None:
            if share is not None:
                self._measure(next(one for one in self.model.drafts if one.pk == row.pk), share)

        before = {one.pk for one in self.model.drafts if one.status == "scheduled"}
        done = services.publish_due(prepare)
        assert done == self.model.beat(now())
        happened["published by the clock"] += done
        after = {one.pk for one in self.model.drafts if one.status == "approved"}
        happened["refused by the clock"] += len(before & after)
        ended = services.end_due()
        assert ended == self.model.end(now())
        happened["ended by the clock"] += ended

    @deed(who=APPROVERS, hours=(-1, 1, 6), late=IS_LATE)
    def move_end(self, who: str, hours: int, late: bool) -> None:
        found, to = self._an_end(), now() + timedelta(hours=hours)
        if found is None:
            return
        number, end = found
        may = end.status == "waiting" and who in self.model.approvers and hours > 0 and not late
        said = {"actor": self.user(who), "at": to, "seen": end.at - timedelta(hours=late)}
        if self.attempt("move end", may, services.move_end, Release.objects.get(number=number), **said):
            end.at = to

    @deed(who=APPROVERS, late=IS_LATE)
    def cancel_end(self, who: str, late: bool) -> None:
        if (found := self._an_end()) is None:
            return
        number, end = found
        may = end.status == "waiting" and who in self.model.approvers and not late
        said = {"actor": self.user(who), "seen": end.at - timedelta(hours=late)}
        if self.attempt("cancel end", may, services.cancel_end, Release.objects.get(number=number), **said):
            end.status = "cancelled"

    def _an_end(self) -> tuple[int, End] | None:
        """The one that waits, or the last that did."""
        ends = sorted(self.model.ends.items(), key=lambda item: (item[1].status == "waiting", item[0]))
        return ends[-1] if ends else None

    @deed(often=2, who=MOVERS, late=IS_LATE)
    def step_up(self, who: str | None, late: bool) -> None:
        model = self.model
        may = model.candidate is not None and (who is None or who in model.approvers) and not late
        seen = model.percentage - late
        if self.attempt("step up", may, services.step_up, actor=self.user(who), expected=seen):
            model.step_up()
            happened["rollout finished"] += model.candidate is None

    @deed(who=MOVERS, late=IS_LATE)
    def turn_back(self, who: str | None, late: bool) -> None:
        model = self.model
        if model.candidate is None and not late:
            return
        may = model.candidate is not None and (who is None or who in model.approvers) and not late
        said = {"actor": self.user(who), "reason": "Slow", "expected": model.percentage - late}
        if self.attempt("turn back", may, services.turn_back, **said):
            model.move(model.stable)

    @deed(who=APPROVERS, back=range(4), late=IS_LATE)
    def roll_back(self, who: str, back: int, late: bool) -> None:
        model = self.model
        to = max(1, max(model.releases) - back)
        is_new = to != model.stable or model.candidate is not None
        may = who in model.approvers and to in model.been_live and is_new and not late
        release, seen = Release.objects.get(number=to), model.stable + late
        said = {"actor": self.user(who), "note": "", "expected_live": seen}
        if self.attempt("roll back", may, services.roll_back, release, **said):
            model.move(to)

    @deed(who=APPROVERS)
    def review(self, who: str) -> None:
        if not self.model.unreviewed:
            return
        number, by = next(iter(self.model.unreviewed.items()))
        row = Emergency.objects.get(release_id=number)
        may = who in self.model.approvers and who != by
        said = {"actor": self.user(who), "review": "Fine"}
        if self.attempt("review", may, services.review_emergency, row, **said):
            del self.model.unreviewed[number]

    @deed(often=2, switch=SWITCHES, who=ANYBODY, lift=EITHER)
    def switch_off(self, switch: tuple[str, str], who: str, lift: bool) -> None:
        if lift and self.model.off:  # a walk may have this deed and not the other
            self._lift(min(self.model.off), who)
            return
        may = who in self.model.editors and self.model.can_be_switched(*switch)
        said = {"actor": self.user(who), "reason": "Complaints"}
        if self.attempt("switch off", may, services.switch_off, *switch, **said):
            self.model.off.add(switch)

    @deed(switch=SWITCHES, who=ANYBODY)
    def lift(self, switch: tuple[str, str], who: str) -> None:
        self._lift(switch if switch in self.model.off else min(self.model.off, default=switch), who)

    def _lift(self, switch: tuple[str, str], who: str) -> None:
        if self.attempt("lift", who in self.model.editors, services.lift, *switch, actor=self.user(who)):
            happened["lifted"] += switch in self.model.off
            self.model.off.discard(switch)

    @deed(who=("ann", "bea"), has=(*[True] * 5, False))
    def rights(self, who: str, has: bool) -> None:
        right = Permission.objects.get(codename="publish_release")
        rights = self.user(who).user_permissions
        rights.add(right) if has else rights.remove(right)
        (self.model.approvers.add if has else self.model.approvers.discard)(who)
