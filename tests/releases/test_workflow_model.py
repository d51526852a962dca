"""People draft, approve, publish, schedule, end, roll out and back, switch off in any order, against a model.

After every step readers must see what the model says, whole, and only releases that somebody was allowed to
publish. WORKFLOW_EXAMPLES=1000: so many walks, others each time.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import invariant, run_state_machine_as_test

from apps.common.models import AuditEntry
from apps.releases.models import Approval, Emergency, LiveRelease, Release, ReleaseEnd, Revision
from apps.releases.params import digest_of, release_for
from apps.releases.selectors import LiveRow, live, live_mark
from tests.releases.people_at_work import PeopleAtWork
from tests.releases.walk import happened, row_of
from tests.releases.workflow import Says

pytestmark = pytest.mark.django_db

WALKS = int(os.environ.get("WORKFLOW_EXAMPLES", "0"))  # 0: the same few each time
STEPS = 40
MOVES = (
    "release.published", "release.rolled_back", "release.ended", "rollout.turned_back", "rollout.stage",
)  # fmt: skip
VIEWERS = [f"m{i}" for i in range(40)]
WANTED = (
    "published by second person", "published by emergency", "published by the clock", "rollout started",
    "rollout finished", "turn back", "roll back", "switch off", "lifted", "edit", "bring up to date",
    "published with an end", "ended by the clock", "move end", "cancel end", "move end refused",
    "approve refused", "publish refused", "schedule refused", "roll back refused",
)  # fmt: skip


@cache
def whole(says: Says) -> dict[str, Any]:
    """The content that says so; valid."""
    return says.content()


class Workflow(PeopleAtWork):
    def __init__(self) -> None:
        super().__init__()
        self.looked_at = 2  # releases whose permission was looked at; the first two are the system's
        self.on_candidate: tuple[int | None, set[str]] = (None, set())

    @invariant()
    def readers_see_what_the_model_says(self) -> None:
        model, row = self.model, live()
        assert (row.stable_number, row.candidate_number) == (model.stable, model.candidate)
        assert row.percentage == model.percentage
        assert row.killed == {f"{kind}:{key}" for kind, key in model.off}
        mark = live_mark()
        assert mark is not None
        assert mark[:3] == (model.stable, model.candidate, model.percentage)
        assert mark[4] == tuple(sorted(row.killed))
        sides = [(row.stable_number, row.stable_content, row.stable_digest)]
        if row.candidate_number is not None:
            sides.append((row.candidate_number, row.candidate_content, row.candidate_digest))
        for number, content, digest in sides:
            assert number in model.why
            assert (digest_of(content), content) == (digest, whole(model.releases[number]))

        self._viewers_stay_with_the_candidate_as_it_grows(row)

    def _viewers_stay_with_the_candidate_as_it_grows(self, row: LiveRow) -> None:
        on = {viewer for viewer in VIEWERS if release_for(row, viewer)[0] == row.candidate_number}
        assert not on or row.candidate_number is not None
        assert len(on) == len(VIEWERS) or row.percentage < 100
        candidate, before = self.on_candidate
        assert before <= on or candidate != row.candidate_number
        self.on_candidate = (row.candidate_number, on)

    @invariant()
    def every_new_release_was_allowed_by_somebody(self) -> None:
        numbers = sorted(Release.objects.values_list("number", flat=True))
        assert numbers == sorted(self.model.releases)
        for number in numbers[self.looked_at :]:
            draft = Revision.objects.select_related("release").get(release_id=number)
            writers = set(draft.contributors.values_list("pk", flat=True))
            given = Approval.objects.filter(revision=draft, digest=draft.release.digest)
            others = given.exclude(approver_id__in=writers)
            why = self.model.why[number].partition(",")[0]
            assert others.exists() or why in ("small", "emergency", "system")
            assert Emergency.objects.filter(release_id=number).exists() == (why == "emergency")
            assert draft.content == draft.release.content
        self.looked_at = len(numbers)

    @invariant()
    def drafts_stand_as_the_model_says(self) -> None:
        names = ("pk", "status", "version", "based_on_id", "publish_at", "ends_at")
        rows = sorted(Revision.objects.values_list(*names), key=lambda row: row[0])
        assert rows == [
            (one.pk, one.status, one.version, one.base, one.due, one.until) for one in self.model.drafts
        ]
        for draft in self.open:
            assert row_of(draft).content == whole(draft.says)

    @invariant()
    def ends_stand_as_the_model_says(self) -> None:
        rows = ReleaseEnd.objects.order_by("pk").values_list("pk", "at", "back_to_id", "status")
        said = sorted(self.model.ends.items())
        assert list(rows) == [(number, end.at, end.back, end.status) for number, end in said]

    @invariant()
    def every_move_of_the_pointer_has_its_audit_entry(self) -> None:
        moves = AuditEntry.objects.filter(action__in=MOVES)
        assert moves.count() == self.model.moves
        last, pointer = moves.latest("id"), LiveRelease.objects.get()
        named = pointer.candidate_id if pointer.candidate_id is not None else pointer.stable_id
        assert last.subject == f"release {named}"


def test_readers_never_see_a_release_that_nobody_allowed_in_whatever_order_things_are_done(db):
    happened.clear()
    # What is drawn changes with any constant of the code: a few walks may miss a deed.
    for walks in (WALKS,) if WALKS else (35, 80):
        run_state_machine_as_test(
            Workflow,
            settings=settings(
                max_examples=walks,
                derandomize=not WALKS,
                stateful_step_count=STEPS,
                deadline=None,
                suppress_health_check=list(HealthCheck),
                phases=[Phase.explicit, Phase.generate, Phase.shrink],
            ),
        )
        missing = [what for what in WANTED if not happened[what]]
        if not missing:
            break
    print(dict(sorted(happened.items())))
    assert missing == [], "never happened: the walks show too little"
